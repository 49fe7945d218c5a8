import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { createHistory } from './history.ts';

const HOUR_MS = 3_600_000;

test('what the journal has given up is read by sequence, through filters', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (let i = 1; i <= 30; i++) {
    await folder.append(i % 3 === 0 ? 'third' : 'other', `${i}`);
    if (i % 10 === 0) folder.nowMs += HOUR_MS;
  }
  await folder.append('open');
  const sealer = await folder.openSealer();
  await sealer.run();
  assert.equal(folder.journal.firstSeq, 31);
  const history = createHistory(folder.catalogue(), [folder.journal.id], folder.log);
  const read = async (filters: string[] | undefined, fromSeq: number, toSeq: number) =>
    (await collect(history.read(filters, { fromSeq, toSeq }))).flat().map((event) => event.seq);
  assert.deepEqual(await read(undefined, 9, 12), [9, 10, 11]);
  assert.deepEqual(await read(['third'], 5, 20), [6, 9, 12, 15, 18]);
  assert.deepEqual(await read(['none'], 1, 31), []);
  assert.deepEqual(await read(undefined, 7, 8), [7]);
});

test('the first sequence at or after a moment', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const startMs = folder.nowMs;
  for (let i = 1; i <= 4; i++) {
    await folder.append('a');
    folder.nowMs += HOUR_MS;
  }
  await folder.seal();
  const history = createHistory(folder.catalogue(), [folder.journal.id], folder.log);
  assert.equal(await history.seqAt(0), 1);
  assert.equal(await history.seqAt(startMs + HOUR_MS), 2);
  assert.equal(await history.seqAt(startMs + HOUR_MS + 1), 3);
  assert.equal(await history.seqAt(startMs + 4 * HOUR_MS), undefined);
});

test('another journal’s events in the same archive are not history of this one', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await folder.append('a');
  await folder.seal();
  const history = createHistory(folder.catalogue(), ['fedcba9876543210'], folder.log);
  assert.deepEqual(await collect(history.read(undefined, { fromSeq: 1, toSeq: 100 })), []);
  assert.equal(await history.seqAt(0), undefined);
});

test('what a restored folder had before is its history too, below its own', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await folder.append('a');
  await folder.append('b');
  await folder.seal();
  const history = createHistory(folder.catalogue(), [folder.journal.id, 'fedcba9876543210'], folder.log);
  const read = (await collect(history.read(['b'], { fromSeq: 1, toSeq: 100 }))).flat();
  assert.deepEqual(
    read.map(({ topic, seq }) => [topic, seq]),
    [['b', 2]],
  );
  assert.equal(await history.seqAt(0), 1);
});
