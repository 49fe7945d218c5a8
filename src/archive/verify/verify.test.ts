import assert from 'node:assert/strict';
import { cp, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeMark } from '../../journal/mark.ts';
import { createFsStore } from '../../storage/drivers/fs.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { SEED_DAYS } from '../../testing/seed-archive.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { gapEvent } from '../../wire/gap.ts';
import { decodeManifest, encodeManifest, type Manifest } from '../../wire/manifest.ts';
import { openCatalogue } from '../catalogue.ts';
import { verifyArchive } from './verify.ts';
import type { VerifyResult } from './verify-report.ts';

const HOUR_MS = 3_600_000;

/** Three hours with ten events each, sealed; what is not is gone from the journal. */
async function sealedFolder(codec: 'gzip' | 'zstd' = 'gzip'): Promise<ArchiveFolder> {
  const folder = await ArchiveFolder.create('2026-11-20T21:00:00Z');
  for (let hour = 0; hour < 3; hour++) {
    for (let i = 0; i < 10; i++) await folder.append(`h/${hour}`, `payload ${i}`.repeat(10));
    folder.nowMs += HOUR_MS;
  }
  await folder.append('open');
  const sealer = await folder.openSealer({ codec, blockBytes: 600 });
  await sealer.run();
  await sealer.close();
  return folder;
}

const verify = (folder: ArchiveFolder): Promise<VerifyResult> => verifyArchive(folder.catalogue());
const kinds = (result: VerifyResult): string[] =>
  result.problems.map(({ kind, firstSeq, lastSeq }) => [kind, firstSeq, lastSeq].filter((part) => part !== undefined).join(' '));
const archiveFiles = async (folder: ArchiveFolder, ending: string) =>
  (await folder.files('archive')).filter((name) => name.endsWith(ending));

async function edit(folder: ArchiveFolder, name: string, change: (bytes: Buffer) => Buffer): Promise<void> {
  const path = join(folder.archiveDir, name);
  const bytes = await readFile(path);
  await writeFile(path, change(bytes));
}

const editManifest = (folder: ArchiveFolder, name: string, change: (manifest: Manifest) => void) =>
  edit(folder, name, (bytes) => {
    const manifest = decodeManifest(bytes, name);
    change(manifest);
    return encodeManifest(manifest);
  });

test('a whole archive is ok, summed by day; an event that is in a segment and in its object counts once', async () => {
  await using folder = await sealedFolder();
  folder.journal.hold('a session').set(1);
  await folder.restart();
  await folder.append('next/epoch');
  await folder.seal();
  const result = await verify(folder);
  assert.deepEqual(result.problems, []);
  assert.equal(result.status, 'ok');
  assert.equal(result.events, 32);
  assert.deepEqual(
    result.days.map(({ day, objects, events, problems }) => ({ day, objects, events, problems })),
    [
      { day: '2026-11-20', objects: 3, events: 30, problems: 0 },
      { day: '2026-11-21', objects: 2, events: 2, problems: 0 },
    ],
  );
});

for (const codec of ['gzip', 'zstd'] as const) {
  test(`${codec}: a changed byte of an object is found`, async () => {
    await using folder = await sealedFolder(codec);
    const [object] = await archiveFiles(folder, codec === 'gzip' ? '.gz' : '.zst');
    await edit(folder, object!, (bytes) => {
      bytes[bytes.length >> 1]! ^= 1;
      return bytes;
    });
    const result = await verify(folder);
    assert.equal(result.status, 'partial');
    assert.deepEqual([...new Set(result.problems.map(({ kind }) => kind))].sort(), ['count', 'hash', 'unreadable']);
    assert.ok(result.problems.every(({ name, day }) => name === object && day === '2026-11-20'));
  });

  test(`${codec}: an object that is cut short is found`, async () => {
    await using folder = await sealedFolder(codec);
    const [object] = await archiveFiles(folder, codec === 'gzip' ? '.gz' : '.zst');
    await truncate(join(folder.archiveDir, object!), 200);
    const found = (await verify(folder)).problems.map(({ kind }) => kind);
    assert.ok(found.includes('size') && found.includes('unreadable') && found.includes('hash'), found.join());
  });
}

test('bytes that were added behind an object are found by its size', async () => {
  await using folder = await sealedFolder();
  const [object] = await archiveFiles(folder, '.gz');
  await edit(folder, object!, (bytes) => Buffer.concat([bytes, gzipSync('')]));
  assert.deepEqual(kinds(await verify(folder)), ['size']);
});

test('a hole between objects is a gap, with its sequences; before the first object nothing is missing', async () => {
  await using folder = await sealedFolder();
  const [first, second] = (await archiveFiles(folder, '.manifest.json')).map((name) => name.slice(0, -'.manifest.json'.length));
  const remove = async (base: string) => {
    for (const ending of ['.ndjson.gz', '.idx', '.manifest.json']) await rm(join(folder.archiveDir, base + ending));
  };
  await remove(second!);
  assert.deepEqual(kinds(await verify(folder)), ['gap 11 20']);
  await remove(first!);
  assert.deepEqual(kinds(await verify(folder)), [], 'retention takes the oldest');
});

test('a missing segment between the objects and the journal is a gap', async () => {
  await using folder = await sealedFolder();
  const last = (await archiveFiles(folder, '.manifest.json')).at(-1)!.slice(0, -'.manifest.json'.length);
  for (const ending of ['.ndjson.gz', '.idx', '.manifest.json']) await rm(join(folder.archiveDir, last + ending));
  assert.deepEqual(kinds(await verify(folder)), ['gap 21 30']);
});

test('an object without its manifest and a manifest without its object are orphans', async () => {
  await using folder = await sealedFolder();
  const bases = (await archiveFiles(folder, '.manifest.json')).map((name) => name.slice(0, -'.manifest.json'.length));
  await rm(join(folder.archiveDir, `${bases[0]}.manifest.json`));
  await rm(join(folder.archiveDir, `${bases[1]}.ndjson.gz`));
  const result = await verify(folder);
  assert.deepEqual(kinds(result).sort(), ['gap 11 20', 'orphan-manifest 11 20', 'orphan-object 1 10']);
});

test('a manifest that cannot be read is named', async () => {
  await using folder = await sealedFolder();
  const [name] = await archiveFiles(folder, '.manifest.json');
  await writeFile(join(folder.archiveDir, name!), '{"v":2}');
  const result = await verify(folder);
  assert.deepEqual(kinds(result).sort(), ['manifest', 'orphan-object 1 10']);
  assert.match(result.problems.find(({ kind }) => kind === 'manifest')!.detail, /manifest.*v/);
});

test('counts and hashes that do not agree with the object are found', async () => {
  await using folder = await sealedFolder();
  const [first, second, third] = await archiveFiles(folder, '.manifest.json');
  await editManifest(folder, first!, (manifest) => {
    manifest.rawSha256 = 'f'.repeat(64);
  });
  await editManifest(folder, second!, (manifest) => {
    manifest.sha256 = '0'.repeat(64);
  });
  await editManifest(folder, third!, (manifest) => {
    manifest.count++;
    manifest.parts[0]!.count++;
    manifest.blocks[0]!.count++;
  });
  const found = (await verify(folder)).problems.map(({ kind, detail }) => `${kind}: ${detail}`);
  assert.equal(found.length, 3);
  assert.match(found[0]!, /^hash: the sha256 of its lines/);
  assert.match(found[1]!, /^hash: its sha256/);
  assert.match(found[2]!, /^count: it has 10 readable lines, its manifest says 11/);
});

test('sequences that a manifest claims and the object does not have, or the other way round, are found', async () => {
  await using folder = await sealedFolder();
  const [first, second] = await archiveFiles(folder, '.manifest.json');
  await editManifest(folder, first!, (manifest) => {
    manifest.parts[0]!.absent = [{ first: 4, last: 4, reason: 'excluded' }];
  });
  await editManifest(folder, second!, (manifest) => {
    manifest.parts[0]!.firstSeq = 10;
  });
  const found = kinds(await verify(folder));
  assert.ok(found.includes('order 4 4'), found.join());
  assert.ok(found.includes('gap 10 10'), found.join());
  assert.ok(found.includes('duplicate 10 10'), found.join());
});

test('the same sequences in two objects are duplicates, in two epochs a fork', async () => {
  await using folder = await sealedFolder();
  const copy = async (from: string, to: string) => {
    for (const name of (await folder.files('archive')).filter((file) => file.startsWith(from))) {
      const text = await readFile(join(folder.archiveDir, name));
      await folder.store.put(name.replace(from, to), text, { ifNoneMatch: true });
    }
  };
  const base = (await archiveFiles(folder, '.manifest.json'))[0]!.slice(0, -'.manifest.json'.length);
  const name = base.slice(base.lastIndexOf('/') + 1);
  const other = base.replace('hour=21', 'hour=20');
  await copy(base, other);
  assert.deepEqual(kinds(await verify(folder)), ['duplicate 1 10']);
  for (const file of (await folder.files('archive')).filter((file) => file.startsWith(other))) await rm(join(folder.archiveDir, file));

  const epoch = name.split('-')[1]!;
  const fork = base.replace(epoch, 'ffffffff');
  await copy(base, fork);
  await editManifest(folder, `${fork}.manifest.json`, (manifest) => {
    manifest.object = manifest.object!.replace(epoch, 'ffffffff');
    manifest.parts[0]!.epoch = 'ffffffff';
  });
  const result = await verify(folder);
  assert.deepEqual(kinds(result), ['fork 1 10']);
  assert.match(result.problems[0]!.detail, /another epoch/);
});

test('a new epoch explains a jump of the sequence', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('a');
  await folder.close();
  // As after a crash: without a mark the journal goes on above the reserved block.
  await rm(join(folder.journalDir, 'mark'));
  await folder.openJournal();
  const seq = await folder.append('b');
  assert.ok(seq > 1_000_000);
  await folder.seal();
  assert.deepEqual((await verify(folder)).problems, []);
});

test('damaged lines of a segment are found, below the mark only; so are missing ones', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 1; i <= 8; i++) await folder.append('a', `payload ${i}`);
  const { path } = folder.journal.segments[0]!;
  await folder.journal.close();
  const lines = (await readFile(path, 'utf8')).split('\n');
  lines[3] = lines[3]!.replace('"data":"', '"data":"A');
  lines[5] = `${lines[5]!.slice(0, -3)}0"}`;
  const removed = lines.splice(7, 1)[0]!;
  assert.match(removed, /"seq":7/);
  await writeFile(path, lines.join('\n'));
  const mark = { segment: basename(path), offset: (await stat(path)).size, seq: 8 };
  await writeFile(join(folder.journalDir, 'mark'), encodeMark(mark));
  const result = await verify(folder);
  assert.deepEqual(kinds(result), ['damaged', 'damaged', 'gap 7 7']);
  assert.equal(result.events, 7);
  await writeFile(path, `${lines.join('\n')}torn above the ma`);
  assert.equal((await verify(folder)).problemCount, 3, 'what is above the mark is nobody’s yet');
});

test('lines that were damaged when they were sealed stay a problem', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 1; i <= 4; i++) await folder.append('a', `payload ${i}`);
  await folder.journal.rotate();
  const { path } = folder.journal.segments[0]!;
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"seq":3', '"seq":9'));
  await folder.append('open');
  await folder.seal();
  assert.deepEqual(kinds(await verify(folder)), ['damaged 3 3']);
});

test('an object that the sealer has just put, without its manifest yet, is no problem', async () => {
  await using folder = await sealedFolder();
  folder.journal.hold('a session').set(1);
  await folder.journal.rotate();
  const sealer = await folder.openSealer();
  await sealer.run();
  const last = (await archiveFiles(folder, '.manifest.json')).at(-1)!;
  await rm(join(folder.archiveDir, last));
  assert.deepEqual((await verify(folder)).problems, []);
});

test('days that the seed program wrote are ok; torn lines and cut files in them are found', async () => {
  await using folder = await ArchiveFolder.create();
  for (const { day, lines } of SEED_DAYS.slice(0, 2)) await folder.store.put(`2022/${day}.json.gz`, gzipSync(lines), { ifNoneMatch: true });
  const whole = await verify(folder);
  assert.deepEqual(whole.problems, []);
  assert.equal(whole.events, 5);
  await folder.store.put('2022/20220702.json', Buffer.from(SEED_DAYS[2]!.lines), { ifNoneMatch: true });
  const cut = gzipSync(SEED_DAYS[0]!.lines);
  await folder.store.put('2022/20220703.json.gz', cut.subarray(0, cut.length - 4), { ifNoneMatch: true });
  const result = await verify(folder);
  assert.deepEqual(
    result.problems.map(({ kind, day }) => [kind, day]),
    [
      ['damaged', '2022-07-02'],
      ['unreadable', '2022-07-03'],
    ],
  );
});

test('a day of ours that lost its manifest is an orphan', async () => {
  await using folder = await sealedFolder();
  folder.nowMs += 48 * HOUR_MS;
  await folder.seal({ layout: 'daily' });
  assert.deepEqual((await verify(folder)).problems, []);
  await rm(join(folder.archiveDir, '2026/20261120.manifest.json'));
  assert.deepEqual([...new Set(kinds(await verify(folder)))], ['orphan-object']);
});

test('what was set aside is said', async () => {
  await using folder = await sealedFolder();
  await folder.store.put('quarantine/dt=2026-11-20/hour=21/x.ndjson.gz.0123456789abcdef', Buffer.from('x'), { ifNoneMatch: true });
  assert.deepEqual(kinds(await verify(folder)), ['quarantined']);
});

test('an abort ends the check', async () => {
  await using folder = await sealedFolder();
  const abort = new AbortController();
  await assert.rejects(verifyArchive(folder.catalogue(), { signal: abort.signal, onProgress: () => abort.abort() }), {
    code: 'HYD_ABORTED',
  });
});

for (const moment of ['before the hours are listed', 'while the hours are read']) {
  test(`what is sealed, or put into its day, while it is being checked is checked where it went: ${moment}`, async () => {
    await using folder = await sealedFolder();
    folder.nowMs += 24 * HOUR_MS;
    await folder.append('next');
    const catalogue = folder.catalogue();
    const { store } = catalogue;
    const list = store.list.bind(store);
    let days = 0;
    const moveOn = async () => {
      if (days > 0) return;
      const sealer = await folder.openSealer({ layout: 'daily' });
      await sealer.run();
      days = sealer.statistics.days;
    };
    store.list = async function* (prefix?: string) {
      if (prefix !== 'dt=') return yield* list(prefix);
      if (moment === 'before the hours are listed') await moveOn();
      for await (const info of list(prefix)) {
        yield info;
        if (info.key.includes('hour=23')) await moveOn();
      }
    };
    const result = await verifyArchive(catalogue);
    assert.equal(days, 2);
    assert.deepEqual(result.problems, []);
    assert.equal(result.events, 32);
  });
}

/** Both files of an object, and its index. */
const removeBase = async (folder: ArchiveFolder, base: string) => {
  for (const ending of ['.ndjson.gz', '.idx', '.manifest.json']) await rm(join(folder.archiveDir, base + ending));
};

test('the last objects of an older epoch that are missing are a gap: the next epoch says where it ended', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (let start = 0; start < 3; start++) {
    for (let hour = 0; hour < 2; hour++) {
      for (let i = 0; i < 5; i++) await folder.append('a');
      folder.nowMs += HOUR_MS;
    }
    await folder.restart();
  }
  await folder.append('open');
  await (await folder.seal()).close();
  assert.deepEqual(kinds(await verify(folder)), []);
  const bases = (await archiveFiles(folder, '.manifest.json')).map((name) => name.slice(0, -'.manifest.json'.length));
  await removeBase(folder, bases[3]!);
  const result = await verify(folder);
  assert.deepEqual(kinds(result), ['gap 16 20']);
  assert.match(result.problems[0]!.detail, /no object or segment has them, and that there were so many says .*-000000000000021-/);
  await removeBase(folder, bases[2]!);
  assert.deepEqual(kinds(await verify(folder)), ['gap 11 20'], 'a whole epoch, while an older one is left');
  await removeBase(folder, bases[0]!);
  await removeBase(folder, bases[1]!);
  assert.deepEqual(kinds(await verify(folder)), [], 'retention takes the oldest');
});

test('a gap of the broker is a note with its span, and counted by day; so is an id that a publisher used twice', async () => {
  await using folder = await sealedFolder();
  const gap = { reason: 'session-lost', broker: 'mqtt://b:1883', from: '2026-11-20T09:00:00Z', until: '2026-11-20T10:00:00Z' };
  await folder.appendAll([gapEvent(gap, 'me')]);
  for (const source of ['plc', 'plc', 'other']) await folder.append('a', '', { id: 'id "1"', source });
  await folder.append('a', 'an event that is read in its segment and in its object', { id: '2', source: 'plc' });
  folder.nowMs += HOUR_MS;
  await folder.append('a', '', { id: 'id "1"', source: 'plc' });
  folder.journal.hold('a session').set(1);
  await (await folder.seal()).close();
  const result = await verify(folder);
  assert.equal(result.problemCount, 0);
  assert.deepEqual(
    result.notes.map(({ kind, day, detail, seq }) => [kind, day, detail, seq]),
    [
      [
        'broker-gap',
        '2026-11-21',
        'mqtt://b:1883 may have dropped events between 2026-11-20T09:00:00Z and 2026-11-20T10:00:00Z (session-lost)',
        32,
      ],
      ['repeated-id', '2026-11-21', 'plc had used the id id "1" before', 34],
      ['repeated-id', '2026-11-21', 'plc had used the id id "1" before', 37],
    ],
  );
  assert.deepEqual(
    result.days.map(({ day, brokerGaps, repeatedIds }) => [day, brokerGaps, repeatedIds]),
    [
      ['2026-11-20', 0, 0],
      ['2026-11-21', 1, 2],
    ],
  );
});

test('sequences that were left out on purpose are counted', async () => {
  await using folder = await ArchiveFolder.create();
  for (const topic of ['a', 'noise', 'noise', 'b']) await folder.append(topic);
  await folder.journal.rotate();
  await folder.append('open');
  await (await folder.seal({ exclude: { filters: ['noise'] } })).close();
  const result = await verify(folder);
  assert.deepEqual([result.status, result.events, result.excluded], ['ok', 3, 2]);
});

test('an object that is in both stores is read in both', async () => {
  await using folder = await sealedFolder();
  await using other = await createTempFolder();
  await cp(folder.archiveDir, other.path, { recursive: true });
  const [object] = await archiveFiles(folder, '.gz');
  const path = join(other.path, object!);
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
  const store = createFsStore(other.path);
  const catalogue = await openCatalogue(folder.path, { name: 'elsewhere', store });
  assert.equal((await verifyArchive(catalogue)).status, 'ok');
  const result = await verifyArchive(catalogue, { copies: { local: folder.store, other: { name: 'elsewhere', store } } });
  assert.deepEqual([...new Set(result.problems.map(({ kind, name }) => `${kind} ${name}`))].sort(), [
    `count elsewhere/${object}`,
    `hash elsewhere/${object}`,
    `unreadable elsewhere/${object}`,
  ]);
  assert.equal(result.events, 31);
});
