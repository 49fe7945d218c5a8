import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openOutbox } from '../../client/outbox/open-outbox.ts';
import { outboxEvent } from '../../testing/outbox-event.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { readUnsentIds } from './unsent-ids.ts';

test('the ids of what waits in the outbox are read, of a long backlog the newest, also with holes in it', async () => {
  await using folder = await createTempFolder();
  assert.deepEqual(await readUnsentIds(folder.path, 'events'), [], 'of a new outbox');
  const ids: string[] = [];
  {
    await using outbox = await openOutbox(folder.path);
    await outbox.put(outboxEvent('x', { channel: 'other' }));
    const records = await Promise.all(Array.from({ length: 600 }, (_, n) => outbox.put(outboxEvent(`${n}`))));
    for (const { seq, id } of records.slice(100))
      if (seq % 3 === 0) outbox.remove(seq);
      else ids.push(id);
    for (const { seq } of records.slice(0, 100)) outbox.remove(seq);
    await outbox.settled();
  }
  assert.deepEqual(await readUnsentIds(folder.path, 'events'), ids);
  {
    await using outbox = await openOutbox(folder.path);
    const records = await Promise.all(Array.from({ length: 4000 }, (_, n) => outbox.put(outboxEvent(`${n}`))));
    ids.push(...records.map(({ id }) => id));
  }
  const newest = await readUnsentIds(folder.path, 'events');
  assert.ok(newest.length >= 2000 && newest.length < 3000, `${newest.length}`);
  assert.deepEqual(newest, ids.slice(-newest.length));
});
