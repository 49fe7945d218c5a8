import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEvents, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';

const MB = 1_000_000;

async function metric(server: HydrantServer, pattern: RegExp): Promise<number> {
  const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
  return Number(pattern.exec(text)?.[1] ?? 0);
}

const UNTOLD = /^hydrant_dropped_total\{reason="own-event"\} (\d+)$/m;
const PENDING = /^hydrant_journal_pending_bytes (\d+)$/m;
const MESSAGES = /^hydrant_messages_in_total (\d+)$/m;
const WRITABLE = /^hydrant_journal_writable (\d)$/m;

async function until(ready: () => Promise<boolean>, what: string): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while (!(await ready())) assert.ok(performance.now() < deadlineMs, `waited for ${what}`);
}

test('on a full disk clients come and go; the events about them are dropped and counted, and told again when there is space', {
  timeout: 120_000,
}, async () => {
  await using disk = await mountSmallDisk(30 * MB);
  await disk.fill(22 * MB);
  const data = join(disk.path, 'data');
  await using server = await startHydrant({ data, set: { 'health.minFreeBytes': 0 } });
  using publisher = await RawClient.connect(server.mqttUrl, { clientId: 'publisher' });
  const events = 300;
  for (let n = 1; n <= events; n++) publisher.publish('full/a', Buffer.alloc(64 * 1024), { qos: 1, messageId: n });
  await until(async () => (await metric(server, WRITABLE)) === 0, 'the disk to be full');
  await until(async () => (await metric(server, MESSAGES)) === events, 'all to have come');
  const [untold, pending] = [await metric(server, UNTOLD), await metric(server, PENDING)];
  const count = 30;
  for (let i = 0; i < count; i++) {
    using client = await RawClient.connect(server.mqttUrl, { clientId: `full-${i}` });
    await client.subscribe('some/#');
    await client.disconnect();
  }
  // A connection is gone a moment after its client has seen the end of it.
  await until(async () => (await metric(server, UNTOLD)) - untold >= 3 * count, 'the events to be counted');
  assert.equal((await metric(server, UNTOLD)) - untold, 3 * count);
  assert.equal(await metric(server, PENDING), pending, 'room that clients’ events could have had');
  await disk.free();
  await until(async () => (await metric(server, WRITABLE)) === 1, 'the disk to be written again');
  using client = await RawClient.connect(server.mqttUrl, { clientId: 'later' });
  await client.disconnect();
  await server.stop();
  assert.deepEqual(await findEvents(data, '$hydrant/clients/full-1/#'), []);
  assert.equal((await findEvents(data, '$hydrant/clients/later/+')).length, 2);
});
