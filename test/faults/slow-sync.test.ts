import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { injectFaults } from '../../src/testing/inject.ts';
import { RawClient } from '../../src/testing/raw-client.ts';

const DELAY_MS = 400;

test('a disk that takes 400 ms to sync delays acknowledgement and delivery, and nothing else', { timeout: 60_000 }, async () => {
  await using server = await startHydrant();
  const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);
  using watcher = await connect({ auto: true });
  await watcher.subscribe('slow/#', 1);
  using publisher = await connect();
  await publisher.deliver('slow/first', '', { qos: 1 });
  await watcher.take('publish', { topic: 'slow/first' });
  const journal = join(server.data, 'journal');
  const [segment] = (await readdir(journal)).filter((name) => name.endsWith('.ndjson'));
  await using _ = await injectFaults(server.pid, [`fdatasync:delay_exit=${DELAY_MS * 1_000}`], join(journal, segment as string));

  const startMs = performance.now();
  publisher.publish('slow/a', 'x', { qos: 1, messageId: 50 });
  for (let i = 0; i < 10; i++) await watcher.ping();
  using late = await connect({ clientId: 'late', clean: false });
  await late.subscribe('late/#', 1);
  assert.ok(performance.now() - startMs < DELAY_MS, 'others waited for the disk');
  assert.deepEqual(publisher.inbox, []);
  await publisher.expect('puback', { messageId: 50 });
  assert.ok(performance.now() - startMs >= DELAY_MS, 'acknowledged before it was synced: the delay was not injected');
  await watcher.expectMessage('slow/a', 'x');

  // A takeover that repeats what is not yet synced waits for the same commit [MQTT3-4.3.3-2].
  using older = await connect({ clientId: 'taken', clean: false });
  older.publish('slow/two', 'y', { qos: 2, messageId: 7 });
  using newer = await connect({ clientId: 'taken', clean: false });
  assert.equal(newer.connack.sessionPresent, true);
  newer.publish('slow/two', 'y', { qos: 2, messageId: 7, dup: true });
  await newer.expect('pubrec', { messageId: 7 });
  newer.ack('pubrel', 7);
  await newer.expect('pubcomp', { messageId: 7 });
  await watcher.expectMessage('slow/two', 'y');
  await watcher.expectQuiet();
  assert.equal((await findEvents(server.data, 'slow/two')).length, 1);
});
