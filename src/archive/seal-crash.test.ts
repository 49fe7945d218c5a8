import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ArchiveFolder } from '../testing/archive-folder.ts';
import { type Output, run } from '../testing/child.ts';
import { verifyArchive } from './verify.ts';

const CHILD = fileURLToPath(new URL('../testing/seal-child.ts', import.meta.url));
const DAY_MS = 86_400_000;

function seal(folder: ArchiveFolder, layout: string, crash?: string): Promise<Output> {
  return run(process.execPath, [CHILD, folder.path, layout, String(folder.nowMs)], { env: { HYDRANT_CRASH: crash } });
}

/** Three segments of one day; of the middle one some events are damaged before they are sealed. */
async function fill(folder: ArchiveFolder): Promise<string[]> {
  const topics: string[] = [];
  for (let segment = 0; segment < 3; segment++) {
    const events = Array.from({ length: 100 }, (_, i) => ({
      topic: `s/${segment}/${i}`,
      payload: Buffer.alloc(200, i),
      qos: 0 as const,
      retain: false,
    }));
    await folder.appendAll(events);
    topics.push(...events.map((event) => event.topic));
    folder.nowMs += 3_600_000;
  }
  await folder.close();
  return topics;
}

const POINTS = {
  hive: ['seal.block:5', 'seal.written', 'seal.verified', 'seal.put:2', 'seal.indexed', 'seal.manifest', 'seal.hold:2', 'seal.trimmed'],
  daily: ['compose.staged', 'compose.manifest', 'compose.put', 'compose.removed:2'],
};

for (const [layout, points] of Object.entries(POINTS)) {
  for (const point of points) {
    test(`a SIGKILL at ${point} leaves what the next start finishes: every event once, nothing stray`, async () => {
      await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
      const topics = await fill(folder);
      if (layout === 'daily') folder.nowMs += DAY_MS;
      const killed = await seal(folder, layout, point);
      assert.equal(killed.signal, 'SIGKILL', `the child ended with ${killed.code}: ${killed.stderr}`);
      const found = (await folder.find()).map((event) => event.topic);
      assert.deepEqual(found, topics, 'nothing is missing or twice right after the crash');

      const finished = await seal(folder, layout);
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
      const names = (await folder.files('archive')).map((name) => name.replace(/.*\//, ''));
      const expected = layout === 'daily' ? ['20261120.idx', '20261120.json.gz', '20261120.manifest.json'] : 9;
      if (typeof expected === 'number') assert.equal(names.length, expected, names.join());
      else assert.deepEqual(names, expected);
      await folder.openJournal();
      assert.equal(folder.journal.segments.length, 1, 'what is sealed has left the journal');
    });
  }
}
