import assert from 'node:assert/strict';
import { copyFile, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { HydrantError } from '../../core/errors.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ObjectStore } from '../../storage/store.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { nicenessOf } from '../../testing/niceness.ts';
import { gapEvent } from '../../wire/gap.ts';
import { decodeManifest } from '../../wire/manifest.ts';
import { unpackStream } from '../read/unpack-stream.ts';

const manifestsOf = async (folder: ArchiveFolder) => {
  const keys = (await collect(folder.store.list())).map(({ key }) => key).filter((key) => key.endsWith('.manifest.json'));
  return Promise.all(keys.map(async (key) => ({ key, ...decodeManifest(await folder.store.get(key), key) })));
};

const linesOf = async (segment: SegmentInfo) => {
  const text = await readFile(segment.path, 'utf8');
  return text.slice(text.indexOf('\n') + 1);
};

for (const codec of ['gzip', 'zstd'] as const) {
  test(`${codec}: a closed segment becomes one object of its lines, byte for byte, beside it a manifest and an index; then the journal lets it go`, async () => {
    await using folder = await ArchiveFolder.create('2026-11-20T10:59:59.990Z');
    const payload = (i: number) => Buffer.from(`payload ${i}`.repeat(20));
    await folder.appendAll(Array.from({ length: 500 }, (_, i) => ({ topic: `a/${i % 7}`, payload: payload(i), qos: 0, retain: false })));
    await folder.journal.rotate();
    const [segment] = folder.journal.segments;
    const lines = await linesOf(segment!);
    await folder.append('b', 'open');
    const sealer = await folder.openSealer({ codec, blockBytes: 16 * 1024 });
    await sealer.run();

    const base = `dt=2026-11-20/hour=10/${segment!.journal}-${segment!.epoch}-000000000000001-000000000000500`;
    const object = codec === 'gzip' ? `${base}.ndjson.gz` : `${base}.ndjson.zst`;
    assert.deepEqual(
      (await collect(folder.store.list())).map(({ key }) => key).sort(),
      [`${base}.idx`, `${base}.manifest.json`, object].sort(),
    );
    assert.equal(String(Buffer.concat(await collect(unpackStream(folder.store.stream(object), codec)))), lines);
    const [manifest] = await manifestsOf(folder);
    assert.equal(`dt=2026-11-20/hour=10/${manifest!.object}`, object);
    assert.deepEqual(manifest!.parts, [
      {
        journal: segment!.journal,
        epoch: segment!.epoch,
        firstSeq: 1,
        lastSeq: 500,
        count: 500,
        absent: [],
        start: { opened: '2026-11-20T10:59:59.990Z' },
      },
    ]);
    assert.equal(manifest!.codec, codec);
    assert.equal(manifest!.rawBytes, lines.length);
    assert.equal(manifest!.bytes, (await folder.store.head(object))!.bytes);
    assert.ok(manifest!.blocks.length > 5, `${manifest!.blocks.length} blocks`);
    assert.deepEqual(manifest!.topics, { list: ['a/0', 'a/1', 'a/2', 'a/3', 'a/4', 'a/5', 'a/6'] });
    assert.equal(manifest!.minTs, JSON.parse(lines.split('\n')[0]!).ts);
    assert.equal(manifest!.maxTs, JSON.parse(lines.split('\n').at(-2)!).ts);

    await assert.rejects(stat(segment!.path), { code: 'ENOENT' });
    assert.equal(folder.journal.firstSeq, 501);
    assert.deepEqual(await folder.files('sealing'), []);
    assert.deepEqual(folder.errors(), []);
    assert.equal(sealer.statistics.events, 500);
    assert.equal(sealer.statistics.pending, 0);
  });
}

test('sealing gives way to the other threads, but not while more than its bound waits, until half of that is sealed', async () => {
  await using folder = await ArchiveFolder.create();
  for (const text of ['1', '2', '3']) {
    await folder.append('a', text);
    await folder.journal.rotate();
  }
  const [first] = folder.journal.segments;
  const niceness: number[] = [];
  const sealer = await folder.openSealer({ behindBytes: first!.bytes * 2.5, onSealed: () => niceness.push(...nicenessOf('seal')) });
  await sealer.run();
  const own = getPriority();
  assert.deepEqual(niceness, [own, own, Math.min(19, own + 10)]);
});

test('a manifest says how many events were marked as repeats, which gaps of a broker its lines tell of, and how the epoch began', async () => {
  await using folder = await ArchiveFolder.create();
  const gap = { reason: 'session-lost', broker: 'mqtt://b', from: '2026-11-20T09:00:00Z', until: '2026-11-20T10:00:00Z' };
  for (let i = 0; i < 3; i++) await folder.append('a', `,"dup":true ${i}`, { dup: i === 1, id: 'x,"dup":true', qos: 1 });
  await folder.appendAll([gapEvent(gap, 'me')]);
  await folder.restart();
  await folder.append('b', '', { dup: true, source: 's' });
  folder.nowMs += 3_600_000;
  await folder.append('c');
  await folder.seal();
  const parts = (await manifestsOf(folder)).map((manifest) => manifest.parts[0]!);
  const [first, second, third] = parts.sort((a, b) => a.firstSeq - b.firstSeq);
  assert.deepEqual([first!.dup, second!.dup, third!.dup], [1, 1, undefined]);
  assert.deepEqual(first!.gaps, [{ seq: 4, ...gap }]);
  assert.deepEqual(first!.start, { opened: '2026-11-20T10:00:00.000Z' });
  assert.deepEqual(second!.start?.previous, { epoch: first!.epoch, last: 4, closed: '2026-11-20T10:00:00.000Z' });
  assert.deepEqual([second!.gaps, third!.start], [undefined, undefined]);
});

test('segments that close later are sealed by themselves', async () => {
  await using folder = await ArchiveFolder.create();
  const sealer = await folder.openSealer();
  await sealer.run();
  for (const topic of ['one', 'two', 'three']) {
    await folder.append(topic);
    await folder.journal.rotate();
  }
  await sealer.run();
  assert.equal(sealer.statistics.segments, 3);
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['one', 'two', 'three'],
  );
});

test('excluded events are left out, and the manifest says which', async () => {
  await using folder = await ArchiveFolder.create();
  for (const topic of ['keep/1', 'noise/a', 'noise/b', 'keep/2', 'x/debug/y', 'keep/3']) await folder.append(topic);
  const sealer = await folder.seal({ exclude: { filters: ['noise/#'], regex: ['/debug/'] } });
  const [manifest] = await manifestsOf(folder);
  assert.deepEqual(manifest!.parts[0]!.absent, [
    { first: 2, last: 3, reason: 'excluded' },
    { first: 5, last: 5, reason: 'excluded' },
  ]);
  assert.equal(manifest!.count, 3);
  assert.equal(sealer.statistics.excluded, 3);
});

test('a segment of which everything is excluded leaves a manifest without an object', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('noise/a');
  await folder.append('noise/b');
  await folder.seal({ exclude: { filters: ['noise/#'] } });
  const [manifest] = await manifestsOf(folder);
  assert.equal(manifest!.object, null);
  assert.deepEqual(manifest!.parts[0]!.absent, [{ first: 1, last: 2, reason: 'excluded' }]);
  assert.match(manifest!.key, /^dt=2026-11-20\/hour=10\//);
});

test('an empty regex excludes nothing, and a bad one is refused by name (archive defect 1)', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('a');
  const sealer = await folder.seal({ exclude: { regex: [''] } });
  assert.equal(sealer.statistics.events, 1);
  await assert.rejects(folder.openSealer({ exclude: { regex: ['fine', '(open'] } }), { code: 'HYD_CONFIG', message: /"\(open"/ });
  await assert.rejects(folder.openSealer({ exclude: { filters: ['a/#/b'] } }), { code: 'HYD_CONFIG', message: /"a\/#\/b"/ });
  await assert.rejects(folder.openSealer({ layout: 'daily', codec: 'zstd' }), { code: 'HYD_CONFIG', message: /gzip/ });
});

test('a damaged line never gets into an object: it is kept beside it and its sequence is in the manifest', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 1; i <= 9; i++) await folder.append('a', `payload ${i}`);
  await folder.journal.rotate();
  const { path } = folder.journal.segments[0]!;
  const bytes = await readFile(path);
  const damage = (text: string) => {
    const at = bytes.indexOf(`"data":"${Buffer.from(text).toString('base64')}"`);
    bytes[at + 8]! ^= 1;
  };
  damage('payload 3');
  damage('payload 4');
  damage('payload 9');
  // The newline between 6 and 7 is gone: 6 is damaged by what stands there, 7 is whole.
  const newline = bytes.indexOf(10, bytes.indexOf(Buffer.from('payload 6').toString('base64')));
  bytes[newline] = 0x20;
  await writeFile(path, bytes);
  const sealer = await folder.openSealer();
  await sealer.run();
  const [manifest] = await manifestsOf(folder);
  assert.deepEqual(manifest!.parts[0]!.absent, [
    { first: 3, last: 4, reason: 'damaged' },
    { first: 6, last: 6, reason: 'damaged' },
    { first: 9, last: 9, reason: 'damaged' },
  ]);
  assert.deepEqual(
    (await folder.find()).map((event) => event.seq),
    [1, 2, 5, 7, 8],
  );
  const kept = String(await folder.store.get(manifest!.key.replace('.manifest.json', '.damaged'))).split('\n');
  assert.equal(kept.length, 5);
  assert.equal(sealer.statistics.damaged, 4);
  assert.ok(folder.errors().includes('damaged lines were left out of the archive and kept beside it'));
  const object = `${manifest!.key.slice(0, manifest!.key.lastIndexOf('/'))}/${manifest!.object}`;
  for (const line of String(gunzipSync(await folder.store.get(object)))
    .trim()
    .split('\n'))
    JSON.parse(line);
});

test('what a segment holds above its last sequence is in the next one and is sealed once', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 1; i <= 5; i++) await folder.append('a', `${i}`);
  await folder.journal.rotate();
  const [segment] = folder.journal.segments;
  // As after a failed fsync: the journal says that the segment ends at 3, and the rest follows in another.
  const rest = await readFile(segment!.path);
  const info: SegmentInfo = { ...segment!, path: segment!.path, last: 3, closed: true };
  const second = segment!.path.replace('000000000000001', '000000000000004');
  const lines = String(rest).split('\n');
  await writeFile(second, [lines[0], lines[4], lines[5], ''].join('\n'));
  const segments = [info, { ...info, path: second, first: 4, last: 5, bytes: (await stat(second)).size }];
  const journal = {
    id: folder.journal.id,
    segments,
    head: 5,
    onClosed: () => () => {},
    hold: () => ({ set() {}, release() {} }),
    trim: async () => [],
  };
  const sealer = await folder.openSealer({ journal });
  await sealer.run();
  assert.deepEqual(
    (await manifestsOf(folder)).map(({ parts }) => [parts[0]!.firstSeq, parts[0]!.lastSeq, parts[0]!.count]),
    [
      [1, 3, 3],
      [4, 5, 2],
    ],
  );
});

test('a clock that steps back over midnight overwrites nothing (archive defect 7)', async () => {
  await using folder = await ArchiveFolder.create('2026-11-21T00:00:10Z');
  await folder.append('after/midnight');
  folder.nowMs = Date.parse('2026-11-20T23:59:50Z');
  await folder.append('before/midnight');
  folder.nowMs = Date.parse('2026-11-21T00:00:05Z');
  await folder.append('after/again');
  await folder.seal();
  const keys = (await manifestsOf(folder)).map(({ key }) => `${key.slice(0, 21)} ${key.slice(-45, -14)}`);
  assert.deepEqual(keys, [
    'dt=2026-11-20/hour=23 000000000000002-000000000000002',
    'dt=2026-11-21/hour=00 000000000000001-000000000000001',
    'dt=2026-11-21/hour=00 000000000000003-000000000000003',
  ]);
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['after/midnight', 'before/midnight', 'after/again'],
  );
});

test('a segment of several hours becomes an object for each', async () => {
  await using folder = await ArchiveFolder.create();
  const hours = ['2026-11-20T10:59:59Z', '2026-11-20T11:00:00Z', '2026-11-20T11:30:00Z', '2026-11-20T12:00:00Z'];
  const paths: string[] = [];
  for (const hour of hours) {
    folder.nowMs = Date.parse(hour);
    await folder.append('a', hour);
    paths.push(folder.journal.segments.at(-1)!.path);
  }
  await folder.journal.rotate();
  const texts = await Promise.all([...new Set(paths)].map((path) => readFile(path, 'utf8')));
  const [first] = folder.journal.segments;
  await writeFile(
    first!.path,
    texts[0] +
      texts
        .slice(1)
        .map((text) => text.slice(text.indexOf('\n') + 1))
        .join(''),
  );
  const whole = { ...first!, path: first!.path, last: 4, bytes: (await stat(first!.path)).size, closed: true };
  const journal = {
    id: folder.journal.id,
    segments: [whole],
    head: 4,
    onClosed: () => () => {},
    hold: () => ({ set() {}, release() {} }),
    trim: async () => [],
  };
  const sealer = await folder.openSealer({ journal });
  await sealer.run();
  const sealed = (await manifestsOf(folder)).map(({ key, parts }) => [key.slice(0, 21), parts[0]!.firstSeq, parts[0]!.lastSeq]);
  assert.deepEqual(sealed, [
    ['dt=2026-11-20/hour=10', 1, 1],
    ['dt=2026-11-20/hour=11', 2, 3],
    ['dt=2026-11-20/hour=12', 4, 4],
  ]);
});

test('a segment that a session needs is sealed and stays; the next start does not seal it again', async () => {
  await using folder = await ArchiveFolder.create();
  folder.journal.hold('a session').set(1);
  await folder.append('a');
  await folder.append('b');
  await folder.seal();
  await folder.append('c');
  const [segment] = folder.journal.segments;
  assert.ok(await stat(segment!.path));
  await folder.restart();
  const sealer = await folder.seal();
  assert.equal(sealer.statistics.segments, 1, 'only the one of the second epoch');
  assert.equal(sealer.statistics.events, 1);
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['a', 'b', 'c'],
  );
  assert.deepEqual(folder.errors(), []);
});

test('a manifest that cannot be read stops nothing: what it should cover is sealed again', async () => {
  await using folder = await ArchiveFolder.create();
  folder.journal.hold('a session').set(1);
  await folder.append('a');
  await folder.seal();
  const { key } = (await manifestsOf(folder))[0]!;
  await folder.close();
  await writeFile(join(folder.archiveDir, key), 'not JSON');
  await mkdir(join(folder.archiveDir, '2026'));
  await writeFile(join(folder.archiveDir, '2026/20261120.manifest.json'), 'nor this');
  await folder.openJournal();
  const sealer = await folder.openSealer();
  await sealer.run();
  assert.equal(sealer.statistics.pending, 0);
  assert.equal(sealer.statistics.quarantined, 1);
  assert.equal((await folder.store.get(key)).subarray(0, 6).toString(), '{"v":1');
});

/** A store of which puts fail as long as `fails` says so. */
function failingStore(store: ObjectStore, fails: (key: string) => boolean): ObjectStore {
  return Object.assign(Object.create(store) as ObjectStore, {
    put: async (...args: Parameters<ObjectStore['put']>) => {
      if (fails(args[0])) throw new HydrantError('HYD_STORE', `cannot write object ${args[0]}: EIO`);
      return store.put(...args);
    },
    list: (prefix?: string) => store.list(prefix),
    get: store.get.bind(store),
    head: store.head.bind(store),
    stream: store.stream.bind(store),
    delete: store.delete.bind(store),
    clean: () => store.clean(),
  });
}

test('the source stays until the object and its manifest are there (archive defect 5), and one that fails does not block the rest (archive defect 10)', async () => {
  await using folder = await ArchiveFolder.create();
  for (const topic of ['one', 'two', 'three']) {
    await folder.append(topic);
    await folder.journal.rotate();
  }
  let broken = true;
  const store = failingStore(folder.store, (key) => broken && key.includes('-000000000000001-') && key.endsWith('.manifest.json'));
  const sealer = await folder.openSealer({ store });
  await sealer.run();
  assert.equal(sealer.statistics.segments, 2);
  assert.equal(sealer.statistics.pending, 1);
  assert.match(sealer.statistics.lastError, /EIO/);
  assert.equal(folder.journal.firstSeq, 1, 'nothing is removed while the first is not sealed');
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['one', 'two', 'three'],
  );
  broken = false;
  await sealer.run();
  assert.equal(sealer.statistics.pending, 0);
  assert.equal(sealer.statistics.quarantined, 0, 'the object that was there already is the same');
  assert.equal(folder.journal.firstSeq, 3);
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['one', 'two', 'three'],
  );
});

test('what fails is tried again by itself', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('one');
  await folder.journal.rotate();
  let failures = 1;
  const done = Promise.withResolvers<void>();
  const store = failingStore(folder.store, (key) => {
    if (failures-- > 0) return true;
    if (key.endsWith('.manifest.json')) done.resolve();
    return false;
  });
  const sealer = await folder.openSealer({ store, checkMs: 3_600_000 });
  await done.promise;
  await sealer.run();
  assert.equal(sealer.statistics.failures, 1);
  assert.equal(sealer.statistics.segments, 1);
  assert.equal(sealer.statistics.lastError, '');
});

test('an object that is there already with the same lines is success, however it is packed', async () => {
  await using folder = await ArchiveFolder.create();
  folder.journal.hold('a session').set(1);
  for (let i = 0; i < 100; i++) await folder.append('a', `${i}`);
  await folder.seal({ level: 1 });
  const before = await manifestsOf(folder);
  await folder.close();
  await folder.store.delete(before[0]!.key);
  await folder.openJournal();
  const sealer = await folder.openSealer({ level: 9 });
  await sealer.run();
  assert.equal(sealer.statistics.quarantined, 0);
  const after = await manifestsOf(folder);
  assert.equal(after[0]!.rawSha256, before[0]!.rawSha256);
  assert.notEqual(after[0]!.sha256, before[0]!.sha256);
  assert.deepEqual(folder.errors(), []);
});

test('other content under an object’s name is set aside with an alarm, never overwritten (archive defect 7)', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('a');
  await folder.journal.rotate();
  const [segment] = folder.journal.segments;
  const base = `dt=2026-11-20/hour=10/${segment!.journal}-${segment!.epoch}-000000000000001-000000000000001`;
  const foreign = { 'ndjson.gz': 'not even gzip', 'manifest.json': '{"v":1}', idx: 'junk' };
  for (const [ending, text] of Object.entries(foreign))
    await folder.store.put(`${base}.${ending}`, Buffer.from(text), { ifNoneMatch: true });
  const sealer = await folder.openSealer();
  await sealer.run();
  assert.equal(sealer.statistics.quarantined, 2);
  const aside = (await collect(folder.store.list('quarantine/'))).map(({ key }) => key);
  assert.deepEqual(await Promise.all(aside.map(async (key) => String(await folder.store.get(key)))), ['{"v":1}', 'not even gzip']);
  assert.ok(aside.every((key) => key.startsWith(`quarantine/${base}.`)));
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['a'],
  );
  assert.equal(folder.errors().filter((message) => message.startsWith('other content was found')).length, 2);
});

test('files that are not the sealer’s own are never touched (archive defect 6)', async () => {
  await using folder = await ArchiveFolder.create();
  await mkdir(folder.archiveDir, { recursive: true });
  const own = ['archive/notes.json', 'journal/20220101.json', 'journal/x.json.gz'];
  for (const name of own) await writeFile(join(folder.path, name), 'mine');
  await folder.append('a');
  await folder.journal.rotate();
  await copyFile(folder.journal.segments[0]!.path, join(folder.journalDir, 'copy.ndjson'));
  await folder.append('b');
  await folder.seal();
  for (const name of own) assert.equal(await readFile(join(folder.path, name), 'utf8'), 'mine', name);
  assert.ok(await stat(join(folder.journalDir, 'copy.ndjson')));
});

test('archive files are readable by their owner only (archive defect 16)', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('a');
  await folder.seal();
  const files = await folder.files('archive');
  assert.equal(files.length, 3);
  for (const name of files) assert.equal((await stat(join(folder.archiveDir, name))).mode & 0o777, 0o600, name);
});

test('closing in the middle leaves the rest for the next start', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 5; i++) {
    await folder.append(`t/${i}`);
    await folder.journal.rotate();
  }
  const sealer = await folder.openSealer();
  await sealer.close();
  assert.ok(sealer.statistics.segments < 5, 'closed before it was done');
  await folder.restart();
  await folder.seal();
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['t/0', 't/1', 't/2', 't/3', 't/4'],
  );
  assert.equal((await manifestsOf(folder)).length, 5);
});
