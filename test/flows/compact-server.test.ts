import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';

test('a server puts together the hours that ended while it was away, as it is told to, and says so on /metrics', async () => {
  await using folder = await ArchiveFolder.create('2025-06-01T10:00:00Z');
  const topics: string[] = [];
  const sealer = await folder.openSealer();
  for (let segment = 0; segment < 3; segment++) {
    await folder.append(`s/${segment}`, 'x');
    topics.push(`s/${segment}`);
    await folder.journal.rotate();
  }
  await sealer.run();
  await folder.close();
  const identity = { format: 1, journal: '0123456789abcdef', created: '2025-06-01T10:00:00Z' };
  await writeFile(join(folder.path, 'hydrant.json'), JSON.stringify(identity));
  {
    await using server = await startHydrant({ data: folder.path, set: { 'archive.compact.enabled': 'false' } });
    assert.match(await metrics(server.httpUrl), /^hydrant_archive_compacted_total 0$/m);
    await server.stop();
    assert.equal((await folder.files('archive')).length, 9);
  }
  await using server = await startHydrant({ data: folder.path, set: { 'archive.compact.format': 'parquet' } });
  await until(async () => /^hydrant_archive_compacted_total 1$/m.test(await metrics(server.httpUrl)), 'an hour to be put together', 30_000);
  assert.match(await metrics(server.httpUrl), /^hydrant_archive_compacted_parts_total 3$/m);
  const found = await findEvents(folder.path, 's/#');
  assert.deepEqual(
    found.map(({ topic }) => topic),
    topics,
  );
  await server.stop();
  const names = (await folder.files('archive')).filter((name) => name.endsWith('.parquet'));
  assert.equal(names.length, 1, names.join());
});

async function metrics(url: string): Promise<string> {
  return await (await fetch(`${url}/metrics`)).text();
}
