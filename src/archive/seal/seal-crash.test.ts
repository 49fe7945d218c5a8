import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { type Output, run } from '../../testing/child.ts';
import { verifyArchive } from '../verify/verify.ts';

const CHILD = fileURLToPath(new URL('../../testing/seal-child.ts', import.meta.url));
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

function seal(folder: ArchiveFolder, how: string, crash?: string): Promise<Output> {
  return run(process.execPath, [CHILD, folder.path, how, String(folder.nowMs)], { env: { HYDRANT_CRASH: crash } });
}

const POINTS = {
  hive: ['seal.block:5', 'seal.written', 'seal.verified', 'seal.put:2', 'seal.indexed', 'seal.manifest', 'seal.hold:2', 'seal.trimmed'],
  daily: ['compose.staged', 'compose.manifest', 'compose.put', 'compose.removed:2'],
  same: ['compact.staged', 'compact.manifest', 'compact.put', 'compact.removed:2'],
  parquet: ['compact.staged', 'compact.manifest', 'compact.put', 'compact.removed:2'],
};

/** Names of what is left in the archive when all is done, without the epoch; undefined: that of three objects. */
const LEFT: Record<string, string[] | undefined> = {
  daily: ['20261120.idx', '20261120.json.gz', '20261120.manifest.json'],
  same: ['idx', 'manifest.json', 'ndjson.gz'].map((ending) => `000000000000001-000000000000300.${ending}`),
  parquet: ['parquet', 'parquet.idx', 'parquet.manifest.json'].map((ending) => `000000000000001-000000000000300.${ending}`),
};

for (const [how, points] of Object.entries(POINTS)) {
  for (const point of points) {
    test(`a SIGKILL at ${point}${how === 'parquet' ? ', making a Parquet file,' : ''} leaves what the next start finishes: every event once, nothing stray`, async () => {
      await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
      const isCompacted = how === 'same' || how === 'parquet';
      const topics = await folder.appendSegments(100, isCompacted ? 60_000 : HOUR_MS);
      await folder.close();
      if (how !== 'hive') folder.nowMs += DAY_MS;
      const killed = await seal(folder, how, point);
      assert.equal(killed.signal, 'SIGKILL', `the child ended with ${killed.code}: ${killed.stderr}`);
      const found = (await folder.find()).map((event) => event.topic);
      assert.deepEqual(found, topics, 'nothing is missing or twice right after the crash');
      if (isCompacted)
        assert.deepEqual((await verifyArchive(folder.catalogue())).problems, [], 'what is not finished is nothing to tell of');

      const finished = await seal(folder, how);
      assert.equal(finished.code, 0, finished.stderr);
      const { statistics } = JSON.parse(finished.stdout.trim().split('\n').at(-1)!);
      assert.equal(statistics.quarantined, 0);
      assert.equal(statistics.failures, 0, finished.stdout);
      assert.deepEqual(
        (await folder.find()).map((event) => event.topic),
        topics,
      );
      const verified = await verifyArchive(folder.catalogue());
      assert.deepEqual(verified.problems, []);
      assert.equal(verified.events, topics.length);
      assert.deepEqual(await folder.files('sealing'), []);
      assert.deepEqual(await folder.files('compacting'), []);
      const names = (await folder.files('archive')).map((name) => name.replace(/.*\/(?:[0-9a-f]{16}-[0-9a-f]{8}-)?/, ''));
      if (LEFT[how]) assert.deepEqual(names, LEFT[how]);
      else assert.equal(names.length, 9, names.join());
      await folder.openJournal();
      assert.equal(folder.journal.segments.length, 1, 'what is sealed has left the journal');
    });
  }
}
