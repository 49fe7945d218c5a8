import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { createFsStore } from '../../storage/drivers/fs.ts';
import { createUnionStore } from '../../storage/union.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import { Catalogue } from '../catalogue.ts';
import { parseArchiveKey } from '../keys.ts';
import { listItems } from '../read/ls.ts';
import { scan } from '../read/scan.ts';
import type { SealerOptions } from '../sealer-options.ts';
import { verifyArchive } from '../verify/verify.ts';
import type { CompactOptions } from './compact-options.ts';
import type { Upkeep, UpkeepOptions } from './upkeep.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const COMPACT: CompactOptions = { afterMs: 15 * MINUTE_MS, minObjects: 2, maxBytes: 2 ** 28, format: 'same' };
const PARQUET: CompactOptions = { ...COMPACT, format: 'parquet' };

const keysOf = async (folder: ArchiveFolder) => (await collect(folder.store.list())).map(({ key }) => key);
const objectsOf = async (folder: ArchiveFolder) => (await keysOf(folder)).filter((key) => parseArchiveKey(key)?.file === 'object');
const topicsOf = async (folder: ArchiveFolder) => (await folder.find()).map((event) => event.topic);
const problemsOf = async (folder: ArchiveFolder) => (await verifyArchive(folder.catalogue())).problems;
const manifestOf = async (folder: ArchiveFolder, ending: string): Promise<Manifest> => {
  const keys = (await keysOf(folder)).filter((key) => key.endsWith(ending));
  assert.equal(keys.length, 1, keys.join());
  return decodeManifest(await folder.store.get(keys[0]!), keys[0]!);
};
/** First and last sequence of each object, in the order of keys. */
const rangesOf = async (folder: ArchiveFolder) =>
  (await objectsOf(folder)).map((key) => /(\d{15})-(\d{15})/.exec(key)!.slice(1).map(Number).join('-'));

/** Segments of 10 events each, a minute apart, from the folder's time on; all sealed. */
async function fill(folder: ArchiveFolder, segments: number, options: Partial<SealerOptions> = {}) {
  const sealer = await folder.openSealer(options);
  for (let segment = 0; segment < segments; segment++) {
    for (let i = 0; i < 10; i++) await folder.append(`s/${segment}/${i}`, `payload ${segment} ${i}`);
    folder.nowMs += MINUTE_MS;
    await folder.journal.rotate();
  }
  await sealer.run();
  return sealer;
}

/** Looks twice: what one look has made is what the next finds. */
async function compact(upkeep: Upkeep): Promise<void> {
  await upkeep.run();
  await upkeep.run();
}

test('small objects of an hour that is over become one, byte for byte; they stay a while beside it, and every event is told once', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 3);
  const lines = Buffer.concat(await Promise.all((await objectsOf(folder)).map(async (key) => gunzipSync(await folder.store.get(key)))));
  const topics = await topicsOf(folder);
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT });
  folder.nowMs = Date.parse('2026-11-20T11:14:59Z');
  await compact(upkeep);
  assert.equal(upkeep.statistics.compacted, 0, 'the hour may still get something');

  folder.nowMs += 1000;
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-10', '1-30', '11-20', '21-30']);
  assert.deepEqual(await topicsOf(folder), topics);
  assert.deepEqual(await problemsOf(folder), [], 'what is not removed yet is nothing to tell of');
  assert.equal((await verifyArchive(folder.catalogue())).events, 30);
  assert.deepEqual(
    (await collect(listItems(folder.catalogue()))).map(({ events }) => events),
    [30],
  );

  folder.nowMs += 5 * MINUTE_MS;
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-30']);
  assert.equal((await keysOf(folder)).length, 3);
  const [key] = await objectsOf(folder);
  assert.ok(gunzipSync(await folder.store.get(key!)).equals(lines));
  const manifest = await manifestOf(folder, '.manifest.json');
  assert.deepEqual(
    manifest.parts.map(({ firstSeq, lastSeq, count }) => [firstSeq, lastSeq, count]),
    [[1, 30, 30]],
  );
  assert.equal(manifest.blocks.length, 3);
  assert.deepEqual(await topicsOf(folder), topics);
  assert.deepEqual(
    (await folder.find({ filters: ['s/1/+'] })).map(({ seq }) => seq),
    [11, 12, 13, 14, 15, 16, 17, 18, 19, 20],
  );
  assert.deepEqual(await problemsOf(folder), []);
  assert.deepEqual(upkeep.statistics, {
    compacted: 1,
    compactedParts: 3,
    removed: 0,
    removedBytes: 0,
    quarantined: 0,
    failures: 0,
    lastError: '',
  });
  assert.deepEqual(await folder.files('compacting'), []);
});

test('an hour is put together by the clock alone, also when nothing arrives any more', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  const { promise, resolve } = Promise.withResolvers<void>();
  folder.openUpkeep(sealer, {
    compact: COMPACT,
    checkMs: 5,
    log: (_level, message) => message === 'put objects of an hour together' && resolve(),
  });
  folder.nowMs += 2 * HOUR_MS;
  await promise;
});

test('an hour waits for every segment that has events of it', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  await folder.append('late');
  const late = sealer.unsealed.filter(({ first }) => first === 21);
  assert.equal(late.length, 1, 'also when it is still written');
  await folder.journal.rotate();
  await sealer.run();
  folder.nowMs = Date.parse('2026-11-20T11:20:00Z');
  let unsealed = late;
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0, unsealed: () => unsealed });
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-10', '11-20', '21-21']);
  unsealed = [];
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-21']);
});

test('what comes late to an hour is put together with what was put together before', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2, { codec: 'zstd' });
  folder.nowMs = Date.parse('2026-11-20T11:20:00Z');
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT });
  await compact(upkeep);
  // The clock steps back into the hour.
  folder.nowMs = Date.parse('2026-11-20T10:30:00Z');
  await folder.append('again');
  await folder.journal.rotate();
  await sealer.run();
  folder.nowMs = Date.parse('2026-11-20T12:20:00Z');
  await compact(upkeep);
  folder.nowMs += 5 * MINUTE_MS;
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-21']);
  assert.equal((await topicsOf(folder)).at(-1), 'again');
  assert.equal((await topicsOf(folder)).length, 21);
  assert.deepEqual(await problemsOf(folder), []);
});

test('a clock that steps back over the hour overwrites nothing: what does not follow each other stays apart', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:58:00Z');
  await (await fill(folder, 2)).close();
  folder.nowMs = Date.parse('2026-11-20T11:00:00Z');
  await (await fill(folder, 2)).close();
  folder.nowMs = Date.parse('2026-11-20T10:40:00Z');
  const sealer = await fill(folder, 3);
  const topics = await topicsOf(folder);
  folder.nowMs = Date.parse('2026-11-20T12:20:00Z');
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 });
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-20', '41-70', '21-40']);
  assert.deepEqual(await topicsOf(folder), topics);
  assert.deepEqual(await problemsOf(folder), []);
  assert.deepEqual(folder.errors(), []);
});

test('a clock that stepped back does not keep the parts for ever', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  folder.nowMs = Date.parse('2026-11-21T00:00:00Z');
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT });
  await compact(upkeep);
  folder.nowMs = Date.parse('2026-11-20T12:00:00Z');
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-20']);
});

test('epochs, codecs and large objects are not mixed', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await fill(folder, 2);
  await folder.restart();
  await (await fill(folder, 2)).close();
  await fill(folder, 2, { codec: 'zstd' });
  await folder.restart();
  const payload = Buffer.from(Array.from({ length: 9000 }, (_, i) => (i * 7919) % 251));
  const sealer = await folder.openSealer();
  for (let i = 0; i < 3; i++) {
    await folder.append('large', payload);
    await folder.journal.rotate();
  }
  await sealer.run();
  const topics = await topicsOf(folder);
  const sizes = (await collect(folder.store.list())).filter(({ key }) => parseArchiveKey(key)?.file === 'object');
  const largest = Math.max(...sizes.map(({ bytes }) => bytes));
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: { ...COMPACT, maxBytes: largest + 10 }, graceMs: 0 }));
  const found = await objectsOf(folder);
  assert.deepEqual(found.map((key) => key.slice(key.lastIndexOf('.') + 1)).sort(), ['gz', 'gz', 'gz', 'gz', 'gz', 'zst'], found.join('\n'));
  assert.deepEqual(await topicsOf(folder), topics);
  assert.deepEqual(await problemsOf(folder), []);
});

test('fewer objects than minObjects stay as they are', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 3);
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: { ...COMPACT, minObjects: 4 }, graceMs: 0 }));
  assert.equal((await objectsOf(folder)).length, 3);
});

test('what is excluded or damaged stays said in the manifest, and damaged lines are kept', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (const topic of ['a', 'noise/1', 'b']) {
    await folder.append(topic);
    await folder.journal.rotate();
  }
  await folder.append('c');
  await folder.append('d');
  const { path } = folder.journal.segments.at(-1)!;
  await folder.close();
  await folder.openJournal();
  const text = await readFile(path, 'utf8');
  await writeFile(path, text.replace('"topic":"c"', '"topic":"C"'));
  const sealer = await folder.seal({ exclude: { filters: ['noise/#'] } });
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 }));
  const manifest = await manifestOf(folder, '.manifest.json');
  assert.deepEqual(
    manifest.parts.map(({ firstSeq, lastSeq, count, absent }) => ({ firstSeq, lastSeq, count, absent })),
    [
      {
        firstSeq: 1,
        lastSeq: 5,
        count: 3,
        absent: [
          { first: 2, last: 2, reason: 'excluded' },
          { first: 4, last: 4, reason: 'damaged' },
        ],
      },
    ],
  );
  assert.deepEqual(
    (await keysOf(folder)).map((key) => key.slice(key.indexOf('.') + 1)),
    ['idx', 'manifest.json', 'ndjson.gz', 'damaged'],
  );
  // The segment with the damaged line is the journal's last one, which stays.
  assert.deepEqual(
    (await problemsOf(folder)).filter(({ name }) => name.startsWith('dt=')).map(({ kind, firstSeq }) => [kind, firstSeq]),
    [['damaged', 4]],
  );
});

test('an hour with a damaged object stays as it is, is told of once, and does not keep others from it', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await (await fill(folder, 2)).close();
  folder.nowMs = Date.parse('2026-11-20T11:00:00Z');
  const sealer = await fill(folder, 2);
  const [object] = await objectsOf(folder);
  const bytes = await folder.store.get(object!);
  bytes[bytes.length - 6]! ^= 1;
  await writeFile(join(folder.archiveDir, object!), bytes);
  folder.nowMs += 2 * HOUR_MS;
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 });
  await compact(upkeep);
  folder.nowMs += HOUR_MS;
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-10', '11-20', '21-40']);
  const told = folder.logged.filter(({ level }) => level === 'error');
  assert.equal(told.length, 1);
  assert.equal(told[0]!.fields.hour, '2026-11-20T10:00Z');
});

test('a search goes on over what is put together and removed under it: every event once', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 4);
  folder.nowMs += 2 * HOUR_MS;
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 });
  await upkeep.close();
  const found: number[] = [];
  const catalogue = new Catalogue({ store: folder.store });
  for await (const records of scan(catalogue)) {
    found.push(...records.map(({ event }) => event.seq));
    if (found.length === 10) await compact(folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 }));
  }
  assert.deepEqual(await rangesOf(folder), ['1-40']);
  assert.deepEqual(
    found,
    Array.from({ length: 40 }, (_, i) => i + 1),
  );
});

test('a check goes on over what is put together and removed under it: nothing is missing, nothing twice', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 4);
  folder.nowMs += 2 * HOUR_MS;
  const { store } = folder;
  const get = store.get.bind(store);
  let reads = 0;
  // Of the first object the block was read, of the second one the manifest.
  store.get = async (key, range) => {
    if (range && key.endsWith('.ndjson.gz') && ++reads === 2) await compact(folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 }));
    return get(key, range);
  };
  const result = await verifyArchive(new Catalogue({ store }));
  assert.deepEqual(await rangesOf(folder), ['1-40']);
  assert.deepEqual(result.problems, []);
  assert.deepEqual([result.objects, result.events], [1, 40]);
});

test('with a remote home an hour waits until all of it is there; parts are read from here while they still are', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 3);
  const topics = await topicsOf(folder);
  const home = createFsStore(join(folder.path, 'remote'));
  const read = createUnionStore([
    { name: 'here', store: folder.store },
    { name: 'there', store: home },
  ]);
  const keys = await keysOf(folder);
  const isLast = (key: string) => key.includes('-000000000000021-');
  const upload = async (key: string) => home.put(key, await folder.store.get(key), { ifNoneMatch: true });
  for (const key of keys.filter((own) => !isLast(own))) await upload(key);
  folder.nowMs += 2 * HOUR_MS;
  const options: Partial<UpkeepOptions> = { store: home, read, compact: COMPACT, graceMs: 0 };
  const upkeep = folder.openUpkeep(sealer, options);
  await compact(upkeep);
  assert.equal(upkeep.statistics.compacted, 0);
  for (const key of keys.filter(isLast)) await upload(key);
  // What is here already gone is read there, and the other way round.
  for (const key of keys.slice(0, 3)) await folder.store.delete(key);
  await compact(upkeep);
  assert.equal(upkeep.statistics.compacted, 1);
  const stored = (await collect(home.list())).map(({ key }) => key);
  assert.equal(stored.length, 3, stored.join('\n'));
  assert.equal((await keysOf(folder)).length, 6, 'local files are not its business');
  const catalogue = new Catalogue({ store: read });
  const found: string[] = [];
  for await (const records of scan(catalogue)) found.push(...records.map(({ event }) => event.topic));
  assert.deepEqual(found, topics);
  assert.deepEqual((await verifyArchive(catalogue)).problems, []);
  assert.deepEqual(folder.errors(), []);
});

test('what the journal still holds for a session is not sealed again when its objects were put together', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  folder.journal.hold('a session').set(15);
  const sealer = await fill(folder, 3);
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 }));
  assert.deepEqual(await rangesOf(folder), ['1-30']);
  const topics = await topicsOf(folder);
  assert.equal(topics.length, 30);
  await folder.restart();
  const again = await folder.seal();
  assert.equal(again.statistics.segments, 0);
  assert.deepEqual(await rangesOf(folder), ['1-30']);
  assert.deepEqual(await topicsOf(folder), topics);
});

test('retention takes parts that are not removed yet with the whole, so that no hole appears', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await (await fill(folder, 3)).close();
  folder.nowMs = Date.parse('2026-11-20T11:00:00Z');
  const sealer = await fill(folder, 1);
  folder.nowMs = Date.parse('2026-11-20T12:20:00Z');
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT });
  await compact(upkeep);
  assert.deepEqual(await rangesOf(folder), ['1-10', '1-30', '11-20', '21-30', '31-40']);
  const sizes = await collect(folder.store.list());
  const all = sizes.reduce((sum, { bytes }) => sum + bytes, 0);
  upkeep.configure({ compact: COMPACT, retention: { bytes: all - 1 } });
  folder.nowMs += MINUTE_MS;
  await upkeep.run();
  assert.deepEqual(await rangesOf(folder), ['31-40']);
  assert.equal(upkeep.statistics.removed, 1);
  assert.deepEqual(await problemsOf(folder), []);
});

test('what a crash left of an earlier try, made of fewer parts, goes', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 3);
  const [, key] = (await keysOf(folder)).filter((name) => name.endsWith('.manifest.json'));
  const manifest = decodeManifest(await folder.store.get(key!), key!);
  manifest.parts[0]!.lastSeq = 30;
  manifest.object = manifest.object!.replace('-000000000000020.', '-000000000000030.');
  const stray = key!.replace('-000000000000020.', '-000000000000030.');
  await folder.store.put(stray, Buffer.from(JSON.stringify(manifest)), { ifNoneMatch: true });
  assert.deepEqual(await problemsOf(folder), []);
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: COMPACT, graceMs: 0 }));
  assert.deepEqual(await rangesOf(folder), ['1-30']);
  assert.equal((await keysOf(folder)).length, 3, (await keysOf(folder)).join('\n'));
});

test('it stops at once while it waits for its turn, and begins nothing after', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  folder.nowMs += 2 * HOUR_MS;
  const ready = Promise.withResolvers<void>();
  const upkeep = folder.openUpkeep(sealer, { compact: COMPACT, ready: ready.promise });
  await upkeep.close();
  ready.resolve();
  await upkeep.run();
  assert.deepEqual(await rangesOf(folder), ['1-10', '11-20']);
});

test('a store that fails is tried again by itself', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  folder.nowMs += 2 * HOUR_MS;
  const { promise, resolve } = Promise.withResolvers<void>();
  let failures = 0;
  const { promise: isAway, resolve: fail } = Promise.withResolvers<void>();
  const { store } = folder;
  const put = store.put.bind(store);
  store.put = async (...args) => {
    if (!args[0].endsWith('.ndjson.gz') || failures++ > 0) return put(...args);
    fail();
    throw new Error('the store is away');
  };
  const upkeep = folder.openUpkeep(sealer, {
    compact: COMPACT,
    log: (_level, message) => message === 'put objects of an hour together' && resolve(),
  });
  await isAway;
  await promise;
  assert.equal(upkeep.statistics.failures, 1);
  assert.ok((await rangesOf(folder)).includes('1-20'));
});

test('an hour becomes a Parquet file, also of one object only, and is read like the others', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await (await fill(folder, 3)).close();
  folder.nowMs = Date.parse('2026-11-20T11:00:00Z');
  const sealer = await fill(folder, 1, { codec: 'zstd' });
  const lines = Buffer.concat(
    await Promise.all(
      (await objectsOf(folder)).map(async (key) => {
        const bytes = await folder.store.get(key);
        return key.endsWith('.gz') ? gunzipSync(bytes) : zstdDecompressSync(bytes);
      }),
    ),
  );
  folder.nowMs = Date.parse('2026-11-20T12:20:00Z');
  const upkeep = folder.openUpkeep(sealer, { compact: PARQUET });
  await compact(upkeep);
  // The second hour has both forms of the same sequences now.
  assert.deepEqual(await rangesOf(folder), ['1-10', '1-30', '11-20', '21-30', '31-40', '31-40']);
  assert.equal((await topicsOf(folder)).length, 40);
  assert.deepEqual(await problemsOf(folder), []);
  folder.nowMs += 5 * MINUTE_MS;
  await compact(upkeep);
  assert.deepEqual(
    (await keysOf(folder)).map((key) => key.slice(key.indexOf('.') + 1)),
    ['parquet', 'parquet.idx', 'parquet.manifest.json', 'parquet', 'parquet.idx', 'parquet.manifest.json'],
  );
  const found: Buffer[] = [];
  for await (const records of folder.scan()) for (const { line } of records) found.push(line, Buffer.from('\n'));
  assert.ok(Buffer.concat(found).equals(lines), 'byte for byte');
  assert.deepEqual(
    (await folder.find({ filters: ['s/2/+'], fromSeq: 25 })).map(({ seq, topic, payload }) => [seq, topic, String(payload)]),
    [25, 26, 27, 28, 29, 30].map((seq) => [seq, `s/2/${seq - 21}`, `payload 2 ${seq - 21}`]),
  );
  assert.equal((await folder.find({ sinceMs: Date.parse('2026-11-20T11:00:00Z') })).length, 10);
  const result = await verifyArchive(folder.catalogue());
  assert.deepEqual(result.problems, []);
  assert.deepEqual([result.objects, result.events], [2, 40]);
  assert.deepEqual(
    (await collect(listItems(folder.catalogue()))).map(({ events, hour }) => [hour, events]),
    [
      ['10', 30],
      ['11', 10],
    ],
  );
  // Made once; nothing is left to do.
  folder.nowMs += HOUR_MS;
  await compact(upkeep);
  assert.equal(upkeep.statistics.compacted, 2);
});

test('a Parquet file is read without its manifest too, and one that is damaged is told of', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await fill(folder, 2);
  folder.nowMs += 2 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: PARQUET, graceMs: 0 }));
  const topics = await topicsOf(folder);
  const [key] = await objectsOf(folder);
  const bytes = await folder.store.get(key!);
  const broken = Buffer.from(bytes);
  broken[Math.floor(bytes.length / 3)]! ^= 0x10;
  await writeFile(join(folder.archiveDir, key!), broken);
  const kinds = (await problemsOf(folder)).map(({ kind }) => kind);
  assert.ok(kinds.includes('hash'), kinds.join());
  const search = folder.scan();
  await collect(search);
  assert.equal(search.statistics.damaged, 20);

  await writeFile(join(folder.archiveDir, key!), bytes);
  await rm(join(folder.archiveDir, `${key}.manifest.json`));
  assert.deepEqual(await topicsOf(folder), topics);
  assert.deepEqual(
    (await problemsOf(folder)).map(({ kind }) => kind),
    ['orphan-object'],
  );
});

test('DuckDB reads Parquet files with their columns and their hive partitions', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await folder.append('site/1/temp', Buffer.from([0, 255, 10]), { qos: 2, retain: true, id: 'e-1', contentType: 'x/y', source: 'dev' });
  await folder.append('site/2/temp', '21.5', { props: { user: [['unit', 'C']] } });
  folder.nowMs = Date.parse('2026-11-20T11:30:00Z');
  await folder.append('site/1/temp', '22', { dup: true, qos: 1 });
  const sealer = await folder.seal();
  folder.nowMs += 3 * HOUR_MS;
  await compact(folder.openUpkeep(sealer, { compact: PARQUET, graceMs: 0 }));
  const { DuckDBInstance } = await import('@duckdb/node-api');
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    const table = `read_parquet('${folder.archiveDir}/**/*.parquet', hive_partitioning = true)`;
    const rows = async (sql: string) => (await connection.runAndReadAll(sql)).getRowObjectsJson();
    assert.deepEqual(
      await rows(`select seq, strftime(ts at time zone 'UTC', '%H:%M:%S') as at, topic, hex(payload) as data, id, qos, retain, dup, content_type,
        source, props->>'$.user[0][1]' as unit, cast(dt as varchar) as dt, cast(hour as integer) as hour, journal, line is null as plain
        from ${table} order by seq`),
      [
        ['1', '10:00:00', 'site/1/temp', '00FF0A', 'e-1', 2, true, false, 'x/y', 'dev', null, 10],
        ['2', '10:00:00', 'site/2/temp', '32312E35', null, 0, false, false, null, null, 'C', 10],
        ['3', '11:30:00', 'site/1/temp', '3232', null, 1, false, true, null, null, null, 11],
      ].map(([seq, at, topic, data, id, qos, retain, dup, content_type, source, unit, hour]) => ({
        seq,
        at,
        topic,
        data,
        id,
        qos,
        retain,
        dup,
        content_type,
        source,
        unit,
        dt: '2026-11-20',
        hour,
        journal: '0123456789abcdef',
        plain: true,
      })),
    );
    assert.deepEqual(
      await rows(`select count(*)::integer as n from ${table} where hour = 11 and ts >= timestamptz '2026-11-20 11:00:00+00'`),
      [{ n: 1 }],
    );
    assert.deepEqual(await rows(`select column_type from (describe select ts, payload from ${table})`), [
      { column_type: 'TIMESTAMP WITH TIME ZONE' },
      { column_type: 'BLOB' },
    ]);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
});
