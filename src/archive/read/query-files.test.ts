import assert from 'node:assert/strict';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createFsStore } from '../../storage/drivers/fs.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { Catalogue } from '../catalogue.ts';
import { gatherQueryFiles } from './query-files.ts';

/** An archive of one object and one open segment, and an empty folder for a query. */
async function create() {
  const folder = await ArchiveFolder.create();
  for (let i = 0; i < 5; i++) await folder.append('a', `payload ${i}`);
  await folder.journal.rotate();
  await folder.append('b', 'open');
  const sealer = await folder.openSealer();
  await sealer.run();
  const target = join(folder.path, 'query');
  await mkdir(target);
  return { folder, target, options: { range: {}, filters: ['#'], roots: [] as string[] } };
}

const sequencesIn = async (path: string): Promise<number[]> => {
  const bytes = await readFile(path);
  const lines = (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString().trim().split('\n');
  return lines.map((line) => (JSON.parse(line) as { seq: number }).seq);
};

test('an object is linked where it lies as a file, else fetched; open segments are copied', async () => {
  const { folder, target, options } = await create();
  await using _ = folder;
  const linked = await gatherQueryFiles(folder.catalogue(), target, { ...options, roots: [folder.archiveDir] });
  const [object, segment] = linked.lines;
  assert.match(object!.slice(target.length), /^\/day=2026-11-20\/journal=0123456789abcdef\/epoch=[0-9a-f]{8}\/1-0000000\.ndjson\.gz$/);
  assert.match(segment!, /\/1-0000001\.ndjson$/);
  assert.deepEqual([await sequencesIn(object!), await sequencesIn(segment!)], [[1, 2, 3, 4, 5], [6]]);
  for (const name of await folder.files('archive')) await folder.store.delete(name);
  assert.deepEqual(await sequencesIn(object!), [1, 2, 3, 4, 5], 'what is removed meanwhile is still there');
});

test('a store that gives other bytes than its manifest says is not believed: the object is read block by block', async () => {
  const { folder, target, options } = await create();
  await using _ = folder;
  const store = createFsStore(folder.archiveDir);
  const stream = store.stream.bind(store);
  store.stream = async function* (key) {
    for await (const chunk of stream(key)) {
      chunk[chunk.length >> 1]! ^= 1;
      yield chunk;
    }
  };
  const files = await gatherQueryFiles(new Catalogue({ store, journalDir: folder.journalDir }), target, options);
  assert.deepEqual(
    files.lines.map((path) => path.slice(path.lastIndexOf('/') + 1)),
    ['1-0000000.ndjson', '1-0000001.ndjson'],
  );
  assert.deepEqual(await Promise.all(files.lines.map(sequencesIn)), [[1, 2, 3, 4, 5], [6]]);
});

test('what is put into its day while files are gathered is found there, each event once', async () => {
  const { folder, target, options } = await create();
  await using _ = folder;
  folder.nowMs += 48 * 3_600_000;
  const store = createFsStore(folder.archiveDir);
  const stream = store.stream.bind(store);
  let days = 0;
  store.stream = async function* (key) {
    if (days === 0) {
      const sealer = await folder.openSealer({ layout: 'daily' });
      await folder.append('c');
      await sealer.run();
      days = sealer.statistics.days;
    }
    yield* stream(key);
  };
  const files = await gatherQueryFiles(new Catalogue({ store, journalDir: folder.journalDir }), target, options);
  assert.equal(days, 1);
  const sequences = (await Promise.all(files.lines.map(sequencesIn))).flat();
  assert.deepEqual(
    sequences.filter((seq) => seq <= 6).sort((a, b) => a - b),
    [1, 2, 3, 4, 5, 6],
  );
});
