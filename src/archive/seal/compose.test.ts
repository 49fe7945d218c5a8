import assert from 'node:assert/strict';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { FaultyStore } from '../../testing/faulty-store.ts';
import { decodeManifest } from '../../wire/manifest.ts';
import { verifyArchive } from '../verify/verify.ts';

const DAY_MS = 86_400_000;
const ONCE = { ifNoneMatch: true } as const;

const keysOf = async (folder: ArchiveFolder) => (await collect(folder.store.list())).map(({ key }) => key);
const topicsOf = async (folder: ArchiveFolder) => (await folder.find()).map((event) => event.topic);

/** What the seed program's reader does with a day: unpack it all, one JSON text a line, four fields. */
async function readAsSeed(folder: ArchiveFolder, key: string): Promise<{ v: number; ts: string; topic: string; data: string | null }[]> {
  const text = String(gunzipSync(await folder.store.get(key)));
  assert.ok(text.endsWith('\n'));
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line));
}

test('a day that is over becomes one object under the seed program’s name, which its reader reads; the hours are removed', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T22:30:00Z');
  const sealer = await folder.openSealer({ layout: 'daily' });
  for (const [topic, at] of [
    ['a/<1>', '22:30:00'],
    ['a/2', '23:00:00'],
    ['a/3', '23:59:59'],
  ]) {
    folder.nowMs = Date.parse(`2026-11-20T${at}Z`);
    await folder.append(topic!, `at ${at}`);
  }
  await folder.journal.rotate();
  await sealer.run();
  assert.equal(sealer.statistics.days, 0, 'the day is not over');
  assert.equal((await keysOf(folder)).filter((key) => key.startsWith('dt=')).length, 6);
  assert.deepEqual(await topicsOf(folder), ['a/<1>', 'a/2', 'a/3']);

  folder.nowMs += 1001;
  await sealer.run();
  assert.equal(sealer.statistics.days, 1);
  assert.deepEqual(await keysOf(folder), ['2026/20261120.idx', '2026/20261120.json.gz', '2026/20261120.manifest.json']);
  const lines = await readAsSeed(folder, '2026/20261120.json.gz');
  assert.deepEqual(
    lines.map(({ v, topic, data }) => [v, topic, String(Buffer.from(data!, 'base64'))]),
    [
      [1, 'a/<1>', 'at 22:30:00'],
      [1, 'a/2', 'at 23:00:00'],
      [1, 'a/3', 'at 23:59:59'],
    ],
  );
  const manifest = decodeManifest(await folder.store.get('2026/20261120.manifest.json'), 'manifest');
  assert.equal(manifest.object, '20261120.json.gz');
  assert.equal(manifest.parts.length, 1);
  assert.deepEqual([manifest.parts[0]!.firstSeq, manifest.parts[0]!.lastSeq, manifest.count], [1, 3, 3]);
  assert.deepEqual(await topicsOf(folder), ['a/<1>', 'a/2', 'a/3']);
  assert.deepEqual((await verifyArchive(folder.catalogue())).problems, []);
  assert.deepEqual(folder.errors(), []);
});

test('a day is closed by the clock alone, also when nothing arrives any more', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T23:59:59Z');
  await folder.append('last/of/day');
  await folder.journal.rotate();
  const { promise, resolve } = Promise.withResolvers<void>();
  const log = folder.log;
  await folder.openSealer({
    layout: 'daily',
    checkMs: 5,
    log: (level, message, fields) => {
      log(level, message, fields);
      if (message === 'put a day together') resolve();
    },
  });
  folder.nowMs += 2000;
  await promise;
  assert.ok((await keysOf(folder)).includes('2026/20261120.json.gz'));
});

test('days that were over while nothing ran are closed at start', async () => {
  await using folder = await ArchiveFolder.create('2026-11-18T12:00:00Z');
  await folder.append('day/18');
  folder.nowMs += DAY_MS;
  await folder.append('day/19');
  await folder.restart();
  folder.nowMs += DAY_MS;
  await folder.append('day/20');
  const sealer = await folder.openSealer({ layout: 'daily' });
  await sealer.run();
  assert.equal(sealer.statistics.days, 2);
  assert.deepEqual(
    (await keysOf(folder)).filter((key) => key.endsWith('.json.gz')),
    ['2026/20261118.json.gz', '2026/20261119.json.gz'],
  );
  assert.deepEqual(await topicsOf(folder), ['day/18', 'day/19', 'day/20']);
});

test('a day waits for every segment that has events of it', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T23:00:00Z');
  await folder.append('early');
  await folder.journal.rotate();
  await folder.append('late');
  // The journal's own clock stays: it closes a segment whose hour is over by itself.
  const clock = { now: () => Date.parse('2026-11-21T00:00:05Z') };
  const sealer = await folder.openSealer({ layout: 'daily', clock });
  await sealer.run();
  assert.equal(sealer.statistics.days, 0);
  await folder.journal.rotate();
  await sealer.run();
  assert.equal(sealer.statistics.days, 1);
  assert.deepEqual(
    (await readAsSeed(folder, '2026/20261120.json.gz')).map(({ topic }) => topic),
    ['early', 'late'],
  );
});

test('a clock that steps back over midnight makes a second object of the day, never another first (archive defect 7)', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T23:59:58Z');
  const sealer = await folder.openSealer({ layout: 'daily' });
  await folder.append('day/20');
  folder.nowMs = Date.parse('2026-11-21T00:00:05Z');
  await folder.append('day/21');
  await folder.journal.rotate();
  await sealer.run();
  const first = await folder.store.get('2026/20261120.json.gz');

  folder.nowMs = Date.parse('2026-11-20T23:59:55Z');
  await folder.append('day/20/again');
  folder.nowMs = Date.parse('2026-11-21T00:10:00Z');
  await folder.append('day/21/again');
  folder.nowMs = Date.parse('2026-11-22T00:00:01Z');
  await folder.journal.rotate();
  await sealer.run();
  assert.deepEqual(
    (await keysOf(folder)).filter((key) => key.endsWith('.json.gz')),
    ['2026/20261120-2.json.gz', '2026/20261120.json.gz', '2026/20261121.json.gz'],
  );
  assert.ok(first.equals(await folder.store.get('2026/20261120.json.gz')));
  assert.deepEqual(await topicsOf(folder), ['day/20', 'day/21', 'day/20/again', 'day/21/again']);
  assert.deepEqual((await verifyArchive(folder.catalogue())).problems, []);
});

test('a day that the seed program wrote is left as it is', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const seed = gzipSync('{"v":1,"ts":"2026-11-20T01:00:00.5Z","topic":"seed","data":null}\n');
  await folder.store.put('2026/20261120.json.gz', seed, ONCE);
  await folder.append('ours');
  folder.nowMs += DAY_MS;
  await folder.seal({ layout: 'daily' });
  assert.ok(seed.equals(await folder.store.get('2026/20261120.json.gz')));
  assert.equal((await readAsSeed(folder, '2026/20261120-2.json.gz'))[0]!.topic, 'ours');
  assert.deepEqual(await topicsOf(folder), ['seed', 'ours']);
});

test('what is excluded or damaged stays said in the day’s manifest, and damaged lines are kept', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await folder.append('a');
  await folder.append('noise/1');
  await folder.journal.rotate();
  await folder.append('noise/2');
  await folder.journal.rotate();
  await folder.append('b');
  folder.nowMs += DAY_MS;
  await folder.seal({ layout: 'daily', exclude: { filters: ['noise/#'] } });
  const manifest = decodeManifest(await folder.store.get('2026/20261120.manifest.json'), 'manifest');
  assert.deepEqual(
    manifest.parts.map(({ firstSeq, lastSeq, count, absent }) => ({ firstSeq, lastSeq, count, absent })),
    [
      {
        firstSeq: 1,
        lastSeq: 4,
        count: 2,
        absent: [
          { first: 2, last: 2, reason: 'excluded' },
          { first: 3, last: 3, reason: 'excluded' },
        ],
      },
    ],
  );
  assert.deepEqual((await verifyArchive(folder.catalogue())).problems, []);
});

test('one day that cannot be put together does not keep the others from it (archive defect 10)', async () => {
  await using folder = await ArchiveFolder.create('2026-11-18T10:00:00Z');
  await folder.append('day/18');
  folder.nowMs += DAY_MS;
  await folder.append('day/19');
  folder.nowMs += DAY_MS;
  await folder.append('day/20');
  await folder.seal({ layout: 'hive' });
  const [object] = (await keysOf(folder)).filter((key) => key.endsWith('.ndjson.gz'));
  const bytes = await folder.store.get(object!);
  bytes[bytes.length - 6]! ^= 1;
  await writeFile(join(folder.archiveDir, object!), bytes);
  await folder.restart();
  const sealer = await folder.openSealer({ layout: 'daily' });
  await sealer.run();
  assert.equal(sealer.statistics.days, 1);
  const failed = folder.logged.filter(({ message }) => message.startsWith('cannot put a day together'));
  assert.deepEqual([...new Set(failed.map(({ fields }) => fields.day))], ['2026-11-18']);
  assert.match(String(failed[0]!.fields.error), /^dt=2026-11-18\/hour=10\//);
  assert.ok((await keysOf(folder)).includes('2026/20261119.json.gz'));
  assert.ok((await keysOf(folder)).includes(object!), 'the damaged one stays where it is');
});

test('a segment that cannot be sealed keeps no other day from being put together (archive defect 10)', async () => {
  await using folder = await ArchiveFolder.create('2026-11-18T10:00:00Z');
  await folder.append('day/18');
  await folder.journal.rotate();
  folder.nowMs += DAY_MS;
  await folder.append('day/19');
  await folder.journal.rotate();
  folder.nowMs += DAY_MS;
  await rename(folder.journal.segments[1]!.path, join(folder.path, 'away'));
  const sealer = await folder.openSealer({ layout: 'daily' });
  await sealer.run();
  assert.equal(sealer.statistics.pending, 1);
  assert.equal(sealer.statistics.days, 1);
  await rename(join(folder.path, 'away'), folder.journal.segments[0]!.path);
  await sealer.run();
  assert.deepEqual(await topicsOf(folder), ['day/18', 'day/19']);
});

test('closing does not wait for a day: it is put together at the next start', async () => {
  await using folder = await ArchiveFolder.create('2026-11-18T10:00:00Z');
  await folder.append('day/18');
  await folder.seal({ layout: 'hive' });
  folder.nowMs += 2 * DAY_MS;
  await folder.restart();
  const store = new FaultyStore(folder.store);
  const reading = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  store.before = async (call) => {
    if (call !== 'stream') return;
    reading.resolve();
    await goOn.promise;
  };
  const sealer = await folder.openSealer({ layout: 'daily', store });
  await reading.promise;
  const closing = sealer.close();
  goOn.resolve();
  await closing;
  assert.equal(sealer.statistics.days, 0);
  assert.deepEqual(folder.errors(), [], 'that is no failure');
  await folder.restart();
  await folder.seal({ layout: 'daily' });
  assert.deepEqual(await topicsOf(folder), ['day/18']);
  assert.ok((await keysOf(folder)).includes('2026/20261118.json.gz'));
});

test('days of a restored folder, which has another journal id, are kept apart', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await folder.append('before');
  await folder.seal();
  await using restored = await ArchiveFolder.create('2026-11-20T11:00:00Z');
  for (const key of await keysOf(folder))
    await restored.store.put(key.replaceAll('0123456789abcdef', 'fedcba9876543210'), await folder.store.get(key), ONCE);
  const key = (await keysOf(restored)).find((name) => name.endsWith('.manifest.json'))!;
  const text = String(await restored.store.get(key)).replaceAll('0123456789abcdef', 'fedcba9876543210');
  await restored.store.delete(key);
  await restored.store.put(key, Buffer.from(text), ONCE);
  await restored.append('after');
  restored.nowMs += DAY_MS;
  await restored.seal({ layout: 'daily' });
  const days = (await keysOf(restored)).filter((name) => name.endsWith('.json.gz'));
  assert.deepEqual(days, ['2026/20261120-2.json.gz', '2026/20261120.json.gz']);
  assert.deepEqual((await topicsOf(restored)).sort(), ['after', 'before']);
});
