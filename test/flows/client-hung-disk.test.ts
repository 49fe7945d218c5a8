import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { generic, openClient } from '../../src/client/index.ts';
import { within } from '../../src/testing/deadline.ts';
import { HandEngine } from '../../src/testing/hand-engine.ts';
import { startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const WAIT_MS = 30_000;

/** Holds the lock of an outbox, so that its thread stands still in a commit, as with a disk that hangs. */
function hang(outbox: string): Disposable {
  const database = new DatabaseSync(join(outbox, 'outbox.db'));
  database.exec('BEGIN IMMEDIATE');
  return { [Symbol.dispose]: () => database.close() };
}

test('close ends although the disk hangs, and what is on its way to it rejects; what was stored before is left', async () => {
  await using folder = await createTempFolder();
  const engine = new HandEngine();
  const client = await openClient({ outbox: folder.path, bus: engine });
  await client.publish({ topic: 'a', payload: 'stored' }).stored;
  await within(engine.until(1), WAIT_MS, 'it to be sent');
  using _hung = hang(folder.path);
  const publication = client.publish({ topic: 'a', payload: 'hangs' });
  engine.ack();
  // SQLite gives up by itself after 10 s, and says something else.
  const gaveUp = assert.rejects(publication.stored, { code: 'HYD_OUTBOX', message: /has not answered in time/ });
  assert.deepEqual(await within(client.close({ deadlineMs: 200 }), WAIT_MS, 'the client to close'), { remaining: 1 });
  await within(gaveUp, WAIT_MS, 'who publishes to be told');
});

test('flush ends at its deadline although the disk hangs', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  const profile = generic({ device: 'd' });
  const topic = '/devices/d/config';
  await using service = await openClient({ outbox: ':memory:', url: server.url });
  await service.publish({ topic, payload: 'x', retain: true }).acked;
  await using client = await openClient({ outbox: folder.path, url: server.url, profile });
  await client.publish({ topic: 'a', payload: 'x' }).acked;
  await client.flush();
  const hung = hang(folder.path);
  const keeping = client.config().next();
  await within(client.subscribe(topic).next(), WAIT_MS, 'the configuration');
  let flushed: { remaining: number } | undefined;
  const first = Promise.race([client.flush({ deadlineMs: 100 }).then((left) => (flushed = left)), keeping]);
  await within(first, WAIT_MS, 'the flush');
  assert.deepEqual(flushed, { remaining: 0 }, 'before SQLite gives up');
  hung[Symbol.dispose]();
  await within(keeping, WAIT_MS, 'the configuration to be given');
});
