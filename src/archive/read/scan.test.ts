import assert from 'node:assert/strict';
import { appendFile, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { parseTimeRange } from '../../core/time-range.ts';
import { encodeMark } from '../../journal/mark.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ObjectInfo, ObjectStore } from '../../storage/store.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { SEED_DAYS, seedLine } from '../../testing/seed-archive.ts';
import { matchFilter } from '../../wire/topic.ts';
import { Catalogue, openCatalogue } from '../catalogue.ts';
import { type Damage, type ScanOptions, scan } from './scan.ts';

const HOUR_MS = 3_600_000;

async function place(folder: ArchiveFolder, name: string, content: string | Uint8Array): Promise<void> {
  const path = join(folder.archiveDir, name);
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, content);
}

async function findWithDamage(folder: ArchiveFolder, options: ScanOptions = {}) {
  const damages: Damage[] = [];
  const scan = folder.scan({ ...options, onDamaged: (damage) => damages.push(damage) });
  const topics: string[] = [];
  for await (const records of scan) topics.push(...records.map(({ event }) => event.topic));
  return { topics, damages, statistics: scan.statistics };
}

test('sealed objects and open segments are read as one, in order, each event once, with its own line and identity', async () => {
  await using folder = await ArchiveFolder.create();
  folder.journal.hold('a session').set(3);
  for (let i = 1; i <= 6; i++) {
    await folder.append(`t/${i}`, `payload ${i}`, { qos: 1, retain: i % 2 === 0, source: 'c' });
    if (i % 2 === 0) await folder.journal.rotate();
  }
  const sealer = await folder.openSealer();
  await sealer.run();
  await folder.append('t/7');
  assert.equal(folder.journal.firstSeq, 3, 'two of the sealed segments are still there');
  const seen: string[] = [];
  for await (const records of folder.scan()) {
    for (const { event, line, journal, epoch } of records) {
      seen.push(event.topic);
      assert.equal(JSON.parse(String(line)).seq, event.seq);
      assert.equal(journal, folder.journal.id);
      assert.equal(epoch, folder.journal.epoch);
    }
  }
  assert.deepEqual(seen, ['t/1', 't/2', 't/3', 't/4', 't/5', 't/6', 't/7']);
  const fourth = (await folder.find())[3]!;
  assert.deepEqual(
    { ...fourth, payload: String(fourth.payload) },
    { topic: 't/4', payload: 'payload 4', qos: 1, retain: true, seq: 4, ts: fourth.ts, source: 'c' },
  );
});

test('objects outside the time asked for are not opened, nor those without a matching topic', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T00:00:00Z');
  for (let hour = 0; hour < 6; hour++) {
    await folder.append(`even/${hour % 2 === 0}`, `${hour}`);
    folder.nowMs += HOUR_MS;
  }
  await folder.append('last');
  await folder.seal();
  const middle = await findWithDamage(folder, { sinceMs: Date.parse('2026-11-20T02:00:00Z'), untilMs: Date.parse('2026-11-20T04:00:00Z') });
  assert.deepEqual(middle.topics, ['even/true', 'even/false']);
  assert.deepEqual([middle.statistics.objectsScanned, middle.statistics.objectsSkipped, middle.statistics.linesScanned], [2, 5, 2]);
  const even = await findWithDamage(folder, { filters: ['even/true'] });
  assert.deepEqual(even.topics, ['even/true', 'even/true', 'even/true']);
  // The newest segment stays in the journal and is read.
  assert.deepEqual([even.statistics.objectsScanned, even.statistics.objectsSkipped], [4, 3]);
});

test('the range is exact: since is included, until is not', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00.000Z');
  for (let i = 0; i < 10; i++) {
    await folder.append(`t/${i}`);
    folder.nowMs += 1;
  }
  const at = (ms: number) => Date.parse('2026-11-20T10:00:00.000Z') + ms;
  const inRange = async () => (await findWithDamage(folder, { sinceMs: at(3), untilMs: at(6) })).topics;
  assert.deepEqual(await inRange(), ['t/3', 't/4', 't/5']);
  await folder.journal.rotate();
  await folder.append('open');
  await folder.seal();
  assert.equal(folder.journal.firstSeq, 11);
  assert.deepEqual(await inRange(), ['t/3', 't/4', 't/5']);
});

test('the range is exact to the nanosecond as written, sealed, open and in a day of the seed program', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00.123Z');
  // Events of one millisecond are written 10 ns apart: .123000001, .123000011, …
  for (let i = 0; i < 5; i++) await folder.append(`t/${i}`);
  const range = parseTimeRange(
    { since: '2026-11-20T10:00:00.123000011Z', until: '2026-11-20T10:00:00.123000031Z' },
    { nowMs: folder.nowMs },
  );
  const inRange = async () => (await findWithDamage(folder, range)).topics;
  assert.deepEqual(await inRange(), ['t/1', 't/2']);
  await folder.journal.rotate();
  await folder.append('open');
  await folder.seal();
  assert.equal(folder.journal.firstSeq, 6);
  assert.deepEqual(await inRange(), ['t/1', 't/2']);
  const lines = ['1', '11', '21', '31'].map((ns) => seedLine(`2026-11-20T10:00:00.1230000${ns.padStart(2, '0')}Z`, `s/${ns}`, ns));
  await place(folder, '20261120.json', lines.join(''));
  assert.deepEqual(await inRange(), ['s/11', 's/21', 't/1', 't/2']);
});

test('limit ends after so many matches, max-scan after so many lines looked at', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 20; i++) await folder.append(i % 5 === 0 ? 'hit' : 'miss');
  const limited = await findWithDamage(folder, { filters: ['hit'], limit: 2 });
  assert.deepEqual(limited.topics, ['hit', 'hit']);
  assert.equal(limited.statistics.stopped, 'limit');
  assert.equal(limited.statistics.linesScanned, 6);
  const bounded = await findWithDamage(folder, { filters: ['hit'], maxScan: 11 });
  assert.deepEqual(bounded.topics, ['hit', 'hit', 'hit']);
  assert.equal(bounded.statistics.stopped, 'max-scan');
  const all = await findWithDamage(folder, { filters: ['hit'], maxScan: 20, limit: 5 });
  assert.equal(all.topics.length, 4);
  assert.equal(all.statistics.stopped, undefined);
});

test('where sees the whole event', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 5; i++) await folder.append('t', `${i}`, { qos: i > 2 ? 1 : 0 });
  await folder.seal();
  const found = await folder.find({ where: (event) => event.qos === 1 && String(event.payload) !== '4' });
  assert.deepEqual(
    found.map((event) => event.seq),
    [4],
  );
});

test('reading can begin at a sequence and end before one, of the newest journal', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 30; i++) {
    await folder.append(`t/${i}`, 'x'.repeat(500));
    if (i % 10 === 9) await folder.journal.rotate();
  }
  const sealer = await folder.openSealer({ blockBytes: 1024 });
  await sealer.run();
  await place(folder, '2022/20220630.json.gz', gzipSync(SEED_DAYS[0]!.lines));
  assert.deepEqual(
    (await folder.find({ fromSeq: 14, toSeq: 23 })).map((event) => event.seq),
    [14, 15, 16, 17, 18, 19, 20, 21, 22],
  );
  const { statistics } = await findWithDamage(folder, { fromSeq: 19, toSeq: 21 });
  assert.ok(statistics.linesScanned < 15, `looked at ${statistics.linesScanned} lines for two`);
  assert.equal((await folder.find({ fromSeq: 31 })).length, 0);
});

test('nothing beyond the durable mark is shown', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('durable');
  await folder.append('not/yet');
  const { path } = folder.journal.segments[0]!;
  await folder.journal.close();
  const text = await readFile(path, 'utf8');
  const [header, first] = text.split('\n');
  const offset = header!.length + first!.length + 2;
  await writeFile(join(folder.journalDir, 'mark'), encodeMark({ segment: basename(path), offset, seq: 1 }));
  assert.deepEqual(
    (await folder.find()).map((event) => event.topic),
    ['durable'],
  );
});

test('what is sealed and removed while it is being read is read from its object', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 6; i++) {
    await folder.append(`t/${i}`);
    await folder.journal.rotate();
  }
  const topics: string[] = [];
  for await (const records of folder.scan()) {
    if (topics.length === 0) {
      const sealer = await folder.openSealer();
      await sealer.run();
      assert.equal(folder.journal.firstSeq, 6);
    }
    topics.push(...records.map(({ event }) => event.topic));
  }
  assert.deepEqual(topics, ['t/0', 't/1', 't/2', 't/3', 't/4', 't/5']);
});

test('an hour that is put into its day while it is being read is read from the day', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (let i = 0; i < 40; i++) await folder.append(`t/${i}`, 'x'.repeat(300));
  await folder.journal.rotate();
  await folder.append('open');
  const hive = await folder.openSealer({ blockBytes: 1024 });
  await hive.run();
  await hive.close();
  folder.nowMs += 24 * HOUR_MS;
  const topics: string[] = [];
  for await (const records of folder.scan({ limit: 40 })) {
    if (topics.length === 0) {
      await folder.journal.rotate();
      const daily = await folder.openSealer({ layout: 'daily' });
      await daily.run();
      assert.equal(daily.statistics.days, 1);
    }
    topics.push(...records.map(({ event }) => event.topic));
  }
  assert.deepEqual(
    topics,
    Array.from({ length: 40 }, (_, i) => `t/${i}`),
  );
});

test('an hour that is put into its day between two looks at the store is not missed', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (let i = 0; i < 4; i++) await folder.append(`t/${i}`);
  await folder.seal();
  folder.nowMs += 24 * HOUR_MS;
  await folder.append('open');
  const { store } = folder;
  const catalogue = new Catalogue({ store: Object.assign(Object.create(store) as ObjectStore, { list, get: store.get.bind(store) }) });
  let looks = 0;
  async function* list(prefix?: string): AsyncGenerator<ObjectInfo> {
    yield* store.list(prefix);
    if (++looks > 1) return;
    const daily = await folder.openSealer({ layout: 'daily' });
    await daily.run();
    assert.equal(daily.statistics.days, 1);
  }
  const topics: string[] = [];
  for await (const records of scan(catalogue, { toSeq: 5 })) topics.push(...records.map(({ event }) => event.topic));
  assert.deepEqual(topics, ['t/0', 't/1', 't/2', 't/3']);
});

test('objects that overlap tell each event once', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 1; i <= 12; i++) await folder.append(`t/${i}`);
  await folder.journal.rotate();
  const [segment] = folder.journal.segments;
  const lines = (await readFile(segment!.path, 'utf8')).split('\n');
  const segments: SegmentInfo[] = [];
  for (const [first, last] of [
    [1, 10],
    [8, 12],
  ] as const) {
    const path = join(folder.path, `${first}.ndjson`);
    await writeFile(path, [lines[0], ...lines.slice(first, last + 1), ''].join('\n'));
    segments.push({ ...segment!, path, first, last, closed: true, bytes: (await stat(path)).size });
  }
  const hold = { set() {}, release() {} };
  const sealer = await folder.openSealer({
    journal: { id: folder.journal.id, segments, head: 12, onClosed: () => () => {}, hold: () => hold, trim: async () => [] },
  });
  await sealer.run();
  await rm(folder.journalDir, { recursive: true });
  assert.equal((await folder.catalogue().list()).pieces.length, 2);
  assert.deepEqual(
    (await folder.find()).map((event) => event.seq),
    [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
  );
});

test('a damaged line is told of with its place, counted and left out; reading goes on', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 6; i++) await folder.append(`t/${i}`, 'payload');
  const { path } = folder.journal.segments[0]!;
  const bytes = await readFile(path);
  const at = bytes.indexOf('"t/2"');
  bytes[at + 1]! ^= 0x20;
  await writeFile(path, bytes);
  for (const filters of [[], ['#'], ['t/5'], ['t/2', 't/5']]) {
    const { topics, damages, statistics } = await findWithDamage(folder, { filters });
    assert.deepEqual(topics, filters.length > 0 && filters[0] !== '#' ? ['t/5'] : ['t/0', 't/1', 't/3', 't/4', 't/5']);
    assert.equal(statistics.damaged, 1);
    assert.deepEqual(damages, [{ name: path, offset: bytes.lastIndexOf(10, at) + 1, lines: 1, reason: damages[0]!.reason }]);
    assert.match(damages[0]!.reason, /crc/);
  }
});

for (const codec of ['gzip', 'zstd'] as const) {
  test(`${codec}: a damaged block of an object is told of, the others are read`, async () => {
    await using folder = await ArchiveFolder.create();
    for (let i = 0; i < 40; i++) await folder.append(`t/${i}`, 'x'.repeat(400));
    await folder.seal({ codec, blockBytes: 2048 });
    await rm(folder.journalDir, { recursive: true });
    const [piece] = (await folder.catalogue().list()).pieces;
    const block = (await folder.catalogue().manifest(piece!.manifestKey))!.blocks[2]!;
    const object = await folder.store.get(piece!.name);
    object[block.offset + block.bytes - 3]! ^= 0xff;
    await writeFile(join(folder.archiveDir, piece!.name), object);
    const { topics, damages, statistics } = await findWithDamage(folder);
    assert.equal(topics.length, 40 - block.count);
    assert.equal(statistics.damaged, block.count);
    assert.deepEqual([damages.length, damages[0]!.name, damages[0]!.lines], [1, piece!.name, block.count]);
  });

  test(`${codec}: an object without a manifest is read all the same`, async () => {
    await using folder = await ArchiveFolder.create();
    for (let i = 0; i < 30; i++) await folder.append(`t/${i}`);
    await folder.seal({ codec, blockBytes: 512 });
    await rm(folder.journalDir, { recursive: true });
    for (const name of await folder.files('archive')) if (!name.includes('ndjson')) await rm(join(folder.archiveDir, name));
    assert.deepEqual(
      (await folder.find()).map((event) => event.topic),
      Array.from({ length: 30 }, (_, i) => `t/${i}`),
    );
  });
}

test('an abort ends the scan', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 4; i++) {
    await folder.append('t');
    await folder.journal.rotate();
  }
  const abort = new AbortController();
  await assert.rejects(
    async () => {
      for await (const _ of folder.scan({ signal: abort.signal })) abort.abort(new Error('enough'));
    },
    { code: 'HYD_ABORTED' },
  );
});

test('progress ends at the total', async () => {
  await using folder = await ArchiveFolder.create();
  for (let i = 0; i < 20; i++) await folder.append('t', 'x'.repeat(200));
  await folder.seal({ blockBytes: 1024 });
  let last = { bytesDone: 0, bytesTotal: -1 };
  for await (const _ of folder.scan({
    onProgress: (progress) => {
      assert.ok(progress.bytesDone >= last.bytesDone);
      last = progress;
    },
  }));
  assert.equal(last.bytesDone, last.bytesTotal);
});

test('a bad filter is refused, and a folder without journal and archive is named', async () => {
  await using folder = await ArchiveFolder.create();
  assert.throws(() => folder.scan({ filters: ['a/#/b'] }), { code: 'HYD_FILTER' });
  await assert.rejects(openCatalogue(join(folder.path, 'none')), { code: 'HYD_DATA_MISSING', message: /none/ });
});

test('days that the seed program wrote are read: escapes, null, nanoseconds, several days, and the torn last line is told of', async () => {
  await using folder = await ArchiveFolder.create();
  for (const { day, lines } of SEED_DAYS) await place(folder, `2022/${day}.json.gz`, gzipSync(lines));
  const { topics, damages } = await findWithDamage(folder);
  assert.deepEqual(topics, ['home/<kitchen>/temp&hum', 'home/door', 'home/übergang', 'home/door', 'site/1/x', 'home/door']);
  assert.deepEqual(
    damages.map(({ name, offset }) => [name, offset]),
    [['2022/20220702.json.gz', SEED_DAYS[2]!.lines.lastIndexOf('\n') + 1]],
  );
  const events = await folder.find();
  assert.deepEqual(
    events.map((event) => [event.ts, String(event.payload), event.seq]),
    [
      ['2022-06-30T00:00:00.000000001Z', '{"t":21.5}', 0],
      ['2022-06-30T12:00:00Z', '', 0],
      ['2022-06-30T23:59:59.999999999Z', 'café', 0],
      ['2022-07-01T00:00:00.5Z', '', 0],
      ['2022-07-01T08:15:30.123456Z', '\u0000�\n', 0],
      ['2022-07-02T01:00:00.1Z', 'open', 0],
    ],
  );
  const range = { sinceMs: Date.parse('2022-06-30T12:00:00Z'), untilMs: Date.parse('2022-07-01T08:15:30.123Z') };
  assert.deepEqual(
    (await folder.find({ ...range, filters: ['home/#'] })).map((event) => event.ts),
    ['2022-06-30T12:00:00Z', '2022-06-30T23:59:59.999999999Z', '2022-07-01T00:00:00.5Z'],
  );
});

test('a .gz is never trusted beside its .json, and a local one is read when it stands alone (archive defects 13 and 14)', async () => {
  await using folder = await ArchiveFolder.create();
  const whole = gzipSync(SEED_DAYS[0]!.lines);
  await place(folder, '20220630.json', SEED_DAYS[0]!.lines);
  await place(folder, '20220630.json.gz', whole.subarray(0, 40));
  await place(folder, '20220701.json.gz', gzipSync(SEED_DAYS[1]!.lines));
  const { topics, damages } = await findWithDamage(folder);
  assert.deepEqual(topics, ['home/<kitchen>/temp&hum', 'home/door', 'home/übergang', 'home/door', 'site/1/x']);
  assert.deepEqual(damages, []);
});

test('an event near midnight is found in the file of the day before or after, where the seed program may have put it', async () => {
  await using folder = await ArchiveFolder.create();
  await place(folder, '2022/20220630.json.gz', gzipSync(seedLine('2022-07-01T00:00:00.3Z', 'late', 'x')));
  await place(folder, '2022/20220702.json.gz', gzipSync(seedLine('2022-07-01T23:59:59.9Z', 'early', 'x')));
  const day = { sinceMs: Date.parse('2022-07-01'), untilMs: Date.parse('2022-07-02') };
  assert.deepEqual(
    (await folder.find(day)).map((event) => event.topic),
    ['late', 'early'],
  );
});

test('a torn line glued to the next one costs only itself (archive defect 12)', async () => {
  await using folder = await ArchiveFolder.create();
  const [first, second, third] = ['one', 'two', 'three'].map((topic) => seedLine('2022-06-30T01:00:00Z', topic, topic));
  await place(folder, '20220630.json', `${first}${first!.slice(0, 50)}${second}${third!.slice(0, -1)}${first}`);
  const { topics, damages } = await findWithDamage(folder);
  assert.deepEqual(topics, ['one', 'two', 'three', 'one']);
  assert.deepEqual(
    damages.map(({ offset }) => offset),
    [first!.length],
  );
});

test('a gzip that is cut off gives all that is whole in it and says so; a line over 1 MiB is read (archive defect 14)', async () => {
  await using folder = await ArchiveFolder.create();
  const long = seedLine('2022-06-30T01:00:00Z', 'long', Buffer.alloc(3_000_000, 'x'));
  const noise = Array.from({ length: 3000 }, (_, i) => seedLine('2022-06-30T02:00:00Z', `n/${i}`, Buffer.from(String(Math.sin(i))))).join(
    '',
  );
  const packed = gzipSync(long + noise);
  await place(folder, '2022/20220630.json.gz', packed.subarray(0, packed.length - 2000));
  await place(folder, '2022/20220701.json.gz', gzipSync(SEED_DAYS[1]!.lines));
  const { topics, damages, statistics } = await findWithDamage(folder);
  assert.equal(topics[0], 'long');
  assert.ok(topics.length > 2000 && topics.length < 3003, `${topics.length} events`);
  assert.deepEqual(topics.slice(-2), ['home/door', 'site/1/x'], 'the next day is read');
  assert.match(damages.at(-1)!.reason, /cut off/);
  assert.ok(statistics.damaged > 0);
});

test('the index costs what matches, sealed or not', async () => {
  await using folder = await ArchiveFolder.create();
  const events = Array.from({ length: 12_000 }, (_, i) => ({
    topic: `t/${i % 100}`,
    payload: Buffer.alloc(100),
    qos: 0 as const,
    retain: false,
  }));
  await folder.appendAll(events);
  await folder.journal.rotate();
  const open = await findWithDamage(folder, { filters: ['t/7'] });
  assert.equal(open.topics.length, 120);
  assert.equal(open.statistics.linesScanned, 120);
  await folder.append('open');
  const sealer = await folder.openSealer({ blockBytes: 64 * 1024 });
  await sealer.run();
  const sealed = await findWithDamage(folder, { filters: ['t/7', 't/9'] });
  assert.equal(sealed.topics.length, 240);
  assert.ok(sealed.statistics.linesScanned <= 241, `${sealed.statistics.linesScanned} lines`);
  for (const name of await folder.files('archive')) if (name.endsWith('.idx')) await writeFile(join(folder.archiveDir, name), 'junk');
  const without = await findWithDamage(folder, { filters: ['t/7', 't/9'] });
  assert.equal(without.topics.length, 240, 'a damaged index is done without');
  assert.ok(without.statistics.linesScanned >= 12_000);
  // An index that does not reach the end is not believed.
  await folder.appendAll(events);
  const { path } = folder.journal.segments.at(-1)!;
  await folder.journal.rotate();
  await folder.journal.close();
  const line = (await readFile(path, 'utf8')).split('\n').at(-2)!;
  await appendFile(path, `${line}\n`);
  const mark = { segment: basename(path), offset: (await stat(path)).size, seq: folder.journal.head + 1 };
  await writeFile(join(folder.journalDir, 'mark'), encodeMark(mark));
  const scanned = await findWithDamage(folder, { filters: ['t/99'] });
  assert.ok(scanned.statistics.linesScanned > 12_000);
});

const topicOf = fc.constantFrom('a', 'a/b', 'a/b/c', 'b/ü', '<x>/y', 'x/y/z', 'a//b');
const filterOf = fc.constantFrom('#', 'a', 'a/#', '+/b', 'a/+/c', 'b/ü', '+/y/#', '<x>/#', 'none', 'a/+/b');

test('scanning gives what filtering every event would, whatever is sealed how', { timeout: 120_000 }, async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.record({ topic: topicOf, stepMs: fc.integer({ min: 0, max: HOUR_MS }), rotate: fc.boolean() }), {
        minLength: 1,
        maxLength: 30,
      }),
      fc.array(filterOf, { maxLength: 2 }),
      fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true })),
      fc.constantFrom(...(['open', 'hive-gzip', 'hive-zstd', 'daily', 'half'] as const)),
      async (events, filters, [from, to], how) => {
        await using folder = await ArchiveFolder.create('2026-11-20T20:00:00Z');
        const startMs = folder.nowMs;
        const times: number[] = [];
        for (const [i, { topic, stepMs, rotate }] of events.entries()) {
          folder.nowMs += stepMs;
          times.push(folder.nowMs);
          await folder.append(topic, `${i}`);
          if (rotate) await folder.journal.rotate();
          if (how === 'half' && i === events.length >> 1) await folder.seal({ blockBytes: 300 });
        }
        const endMs = folder.nowMs + 1;
        if (how.startsWith('hive')) await folder.seal({ codec: how === 'hive-zstd' ? 'zstd' : 'gzip', blockBytes: 300 });
        if (how === 'daily') {
          folder.nowMs += 48 * HOUR_MS;
          await folder.seal({ layout: 'daily', blockBytes: 300 });
        }
        if (how !== 'open' && how !== 'half') await rm(folder.journalDir, { recursive: true });
        const sinceMs = Math.round(startMs + (endMs - startMs) * Math.min(from, to));
        const untilMs = Math.round(startMs + (endMs - startMs) * Math.max(from, to));
        const expected = events.flatMap(({ topic }, i) => {
          const wanted = filters.length === 0 || filters.some((filter) => matchFilter(filter, topic));
          return wanted && times[i]! >= sinceMs && times[i]! < untilMs ? [`${i + 1} ${topic}`] : [];
        });
        const found = (await folder.find({ filters, sinceMs, untilMs })).map((event) => `${event.seq} ${event.topic}`);
        assert.deepEqual(found, expected);
      },
    ),
    { numRuns: 20 },
  );
});
