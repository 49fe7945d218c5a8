import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../testing/collect.ts';
import { UploadPair } from '../../testing/upload-pair.ts';
import { repairRemote } from './repair.ts';

test('an index of another size in the store keeps nothing from being put again beside it', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(1);
  await (await pair.folder.openSealer()).run();
  const [index = '', ...others] = await pair.localKeys();
  assert.ok(index.endsWith('.idx'));
  await pair.remote.inner.put(index, Buffer.from('of another version'), { ifNoneMatch: true });
  const bodyOf = (key: string) => ({ path: join(pair.folder.archiveDir, key) });
  const repairs = await collect(repairRemote({ local: pair.folder.store, remote: pair.remote, bodyOf }));
  assert.deepEqual(repairs.map(({ key, outcome }) => `${outcome} ${key}`).sort(), others.map((key) => `uploaded ${key}`).sort());
  assert.deepEqual(await pair.remoteKeys(), [index, ...others]);
  assert.deepEqual(await pair.find(), topics);
});
