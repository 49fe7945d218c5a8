import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { FaultyStore } from '../../testing/faulty-store.ts';
import { seedLine } from '../../testing/seed-archive.ts';
import { verifyArchive } from '../verify/verify.ts';
import type { RetentionOptions } from './retention.ts';

const HOUR_MS = 3_600_000;

/** Six sealed hours and one that is written, from 20:00 on. */
async function filled(layout: 'hive' | 'daily' = 'hive'): Promise<ArchiveFolder> {
  const folder = await ArchiveFolder.create('2026-11-20T20:00:00Z');
  for (let hour = 0; hour < 6; hour++) {
    for (let i = 0; i < 20; i++) await folder.append(`h/${hour}`, `${i}`);
    folder.nowMs += HOUR_MS;
  }
  await folder.append('open');
  const sealer = await folder.openSealer({ layout });
  await sealer.run();
  await sealer.close();
  return folder;
}

async function retain(folder: ArchiveFolder, retention: RetentionOptions, layout: 'hive' | 'daily' = 'hive') {
  const sealer = await folder.openSealer({ layout });
  await sealer.run();
  const upkeep = folder.openUpkeep(sealer, { retention });
  await upkeep.run();
  await upkeep.close();
  await sealer.close();
  return upkeep.statistics;
}

const topics = async (folder: ArchiveFolder) => [...new Set((await folder.find()).map((event) => event.topic))];
const bytesOf = async (folder: ArchiveFolder) => (await collect(folder.store.list())).reduce((sum, { bytes }) => sum + bytes, 0);

test('objects whose events are all older than the age are removed with their manifests, and nothing else', async () => {
  await using folder = await filled();
  // It is 02:00; the hour of 22 ended three hours ago.
  const { removed } = await retain(folder, { ageMs: 3 * HOUR_MS });
  assert.equal(removed, 3);
  assert.deepEqual(await topics(folder), ['h/3', 'h/4', 'h/5', 'open']);
  assert.equal((await folder.files('archive')).length, 9);
  assert.deepEqual((await verifyArchive(folder.catalogue())).problems, []);
  assert.equal(folder.logged.filter(({ message, fields }) => message === 'removed an archive object' && fields.reason === 'age').length, 3);
});

test('the oldest objects are removed until the rest is within the bytes', async () => {
  await using folder = await filled();
  const before = await bytesOf(folder);
  const maxBytes = Math.floor(before / 2);
  const { removed, removedBytes } = await retain(folder, { bytes: maxBytes });
  const after = await bytesOf(folder);
  assert.ok(after <= maxBytes);
  assert.equal(removedBytes, before - after);
  assert.ok(removed >= 3 && removed < 6);
  assert.deepEqual(await topics(folder), [...Array.from({ length: 6 - removed }, (_, i) => `h/${i + removed}`), 'open']);
  assert.deepEqual((await verifyArchive(folder.catalogue())).problems, []);
});

test('what is not sealed yet is never removed, nor what the journal still holds', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T20:00:00Z');
  const hold = folder.journal.hold('a session');
  for (let hour = 0; hour < 4; hour++) {
    await folder.append(`h/${hour}`);
    folder.nowMs += HOUR_MS;
  }
  hold.set(3);
  const first = await retain(folder, { bytes: 0, ageMs: HOUR_MS });
  assert.equal(first.removed, 2);
  assert.deepEqual(await topics(folder), ['h/2', 'h/3']);
  hold.release();
  folder.nowMs += 30 * 24 * HOUR_MS;
  await folder.append('now');
  await retain(folder, { bytes: 0 });
  assert.deepEqual(await topics(folder), ['now']);
});

test('days go like hours, the seed program’s too', async () => {
  await using folder = await filled('daily');
  await folder.store.put('2022/20220630.json.gz', gzipSync(seedLine('2022-06-30T01:00:00Z', 'seed', 'x')), { ifNoneMatch: true });
  folder.nowMs += 24 * HOUR_MS;
  await folder.append('next');
  await retain(folder, {}, 'daily');
  assert.deepEqual(await topics(folder), ['seed', 'h/0', 'h/1', 'h/2', 'h/3', 'h/4', 'h/5', 'open', 'next']);
  await retain(folder, { ageMs: 26 * HOUR_MS }, 'daily');
  assert.deepEqual(await topics(folder), ['h/4', 'h/5', 'open', 'next']);
});

test('a day whose manifest cannot be read goes when its time has come, and so do those after it (archive defect 10)', async () => {
  await using folder = await filled('daily');
  await folder.store.delete('2026/20261120.manifest.json');
  await folder.store.put('2026/20261120.manifest.json', Buffer.from('{'), { ifNoneMatch: true });
  await folder.store.put('2026/20261121.json', Buffer.from(seedLine('2026-11-21T00:00:00Z', 'seed', 'x')), { ifNoneMatch: true });
  folder.nowMs += 48 * HOUR_MS;
  const { failures } = await retain(folder, { ageMs: 12 * HOUR_MS });
  assert.equal(failures, 0);
  assert.deepEqual(
    (await collect(folder.store.list('2026'))).map(({ key }) => key),
    [],
  );
});

test('closing does not wait for all that is to be removed', async () => {
  await using folder = await filled();
  const store = new FaultyStore(folder.store);
  const sealer = await folder.openSealer();
  await sealer.run();
  const deleting = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  store.before = async (call) => {
    if (call !== 'delete') return;
    deleting.resolve();
    await goOn.promise;
  };
  const upkeep = folder.openUpkeep(sealer, { store, retention: { ageMs: 1 } });
  await deleting.promise;
  const closing = upkeep.close();
  goOn.resolve();
  await closing;
  assert.equal(upkeep.statistics.removed, 1);
  assert.deepEqual(folder.errors(), []);
  assert.equal((await topics(folder)).length, 6);
});

test('a clock that stepped back makes no hole: objects of a journal go in the order of their sequences', async () => {
  await using folder = await ArchiveFolder.create('2026-11-21T10:00:00Z');
  await folder.append('first/later');
  folder.nowMs = Date.parse('2026-11-20T10:00:00Z');
  await folder.append('then/earlier');
  folder.nowMs = Date.parse('2026-11-22T11:30:00Z');
  await folder.append('open');
  const sealer = await folder.openSealer();
  await sealer.run();
  await sealer.close();
  await retain(folder, { ageMs: 30 * HOUR_MS });
  assert.deepEqual(await topics(folder), ['first/later', 'then/earlier', 'open']);
  folder.nowMs += HOUR_MS;
  await retain(folder, { ageMs: 24 * HOUR_MS });
  assert.deepEqual(await topics(folder), ['open']);
});
