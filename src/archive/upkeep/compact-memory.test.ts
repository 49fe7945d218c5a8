import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { run } from '../../testing/child.ts';

const CHILD = fileURLToPath(new URL('../../testing/seal-child.ts', import.meta.url));
const TOPICS = 500_000;
const BATCH = 10_000;

test('half a million topics in an hour are put together to a Parquet file in bounded memory, and each is found', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const sealer = await folder.openSealer({ level: 1 });
  for (let from = 0; from < TOPICS; from += BATCH) {
    const events = Array.from({ length: BATCH }, (_, i) => ({
      topic: `plant/${from + i}/temperature`,
      payload: Buffer.from(`{"value":${i}}`),
      qos: 0 as const,
      retain: false,
    }));
    await folder.appendAll(events);
    if (from % 100_000 === 0) await folder.journal.rotate();
  }
  await folder.journal.rotate();
  await sealer.run();
  await folder.close();
  folder.nowMs += 2 * 3_600_000;
  const { code, stdout, stderr } = await run(process.execPath, [CHILD, folder.path, 'parquet', String(folder.nowMs)], {
    timeoutMs: 300_000,
  });
  assert.equal(code, 0, stderr);
  const { maxRssMb } = JSON.parse(stdout.trim().split('\n').at(-1)!);
  // Without a limit on topics and rows in memory it takes more than a gigabyte.
  assert.ok(maxRssMb < 450, `${Math.round(maxRssMb)} MiB`);
  const names = (await folder.files('archive')).map((name) => name.slice(name.indexOf('.') + 1));
  assert.deepEqual(names, ['parquet', 'parquet.idx', 'parquet.manifest.json']);
  for (const topic of [0, 99_999, 123_456, TOPICS - 1].map((i) => `plant/${i}/temperature`)) {
    const found = await folder.find({ filters: [topic] });
    assert.deepEqual(
      found.map((event) => event.topic),
      [topic],
    );
  }
});
