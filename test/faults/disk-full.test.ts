import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEvents, type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { mountSmallDisk, type SmallDisk } from '../../src/testing/small-disk.ts';

const MB = 1_000_000;
const EVENTS = 160;
const PAYLOAD = Buffer.alloc(64 * 1024, 'f');

/** Resolves with what /readyz says once it answers with this status. */
async function readiness(server: HydrantServer, status: 200 | 503, timeoutMs = 20_000): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  for (;;) {
    const response = await fetch(new URL('/readyz', server.httpUrl), { signal });
    const text = await response.text();
    if (response.status === status) return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Publishes EVENTS events of 64 kB without waiting; `acknowledged` grows as the server answers. */
function publishAll(client: RawClient, topic: string, first: number, acknowledged: Set<number>): void {
  client.onPacket = (packet) => {
    if (packet.cmd === 'puback') acknowledged.add(packet.messageId as number);
  };
  for (let n = first; n < first + EVENTS; n++)
    client.publish(topic, Buffer.concat([Buffer.from(`${n} `), PAYLOAD]), { qos: 1, messageId: n });
}

async function stored(disk: SmallDisk, topic: string): Promise<number[]> {
  const events = await findEvents(join(disk.path, 'data'), topic);
  return events.map((event) => Number.parseInt(event.payload.toString(), 10));
}

async function until(ready: () => boolean, what: string): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  while (!ready()) {
    assert.ok(performance.now() < deadlineMs, `waited for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('a full disk acknowledges nothing it did not keep, still answers, says so, and goes on when there is space', {
  timeout: 120_000,
}, async () => {
  await using disk = await mountSmallDisk(30 * MB);
  await disk.fill(16 * MB);
  const data = join(disk.path, 'data');
  await using server = await startHydrant({ data, set: { 'health.minFreeBytes': 0 } });
  await readiness(server, 200);
  const url = server.mqttUrl;

  using subscriber = await RawClient.connect(url, { clientId: 'full-sub', clean: false, auto: true });
  await subscriber.subscribe('full/#', 1);
  using half = await RawClient.connect(url, { clientId: 'full-half', clean: false });
  half.publish('half/a', 'x', { qos: 2, messageId: 1 });
  await half.expect('pubrec', { messageId: 1 });

  using publisher = await RawClient.connect(url);
  const acknowledged = new Set<number>();
  publishAll(publisher, 'full/a', 1, acknowledged);
  const why = await readiness(server, 503);
  assert.match(why, /full|space/i);
  assert.ok(acknowledged.size < EVENTS, 'everything fitted: the disk is too large for this test');

  using other = await RawClient.connect(url);
  await other.ping();
  half.ack('pubrel', 1);
  await half.expect('pubcomp', { messageId: 1 });
  const health = await fetch(new URL('/healthz', server.httpUrl));
  assert.equal(health.status, 200);
  const held = [...acknowledged];
  const kept = new Set(await stored(disk, 'full/a'));
  for (const n of held) assert.ok(kept.has(n), `event ${n} was acknowledged and is not on disk`);

  await disk.free();
  await readiness(server, 200);
  if (publisher.closed) {
    using again = await RawClient.connect(url);
    publishAll(again, 'full/a', 1, acknowledged);
    await until(() => acknowledged.size === EVENTS, 'the rest to be acknowledged');
  } else await until(() => acknowledged.size === EVENTS, 'the rest to be acknowledged');

  const all = new Set(await stored(disk, 'full/a'));
  for (let n = 1; n <= EVENTS; n++) assert.ok(all.has(n), `event ${n} is missing`);
  const seen = new Set<number>();
  while (seen.size < EVENTS) seen.add(Number.parseInt((await subscriber.take('publish')).payload.toString(), 10));
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

test('a server killed on a full disk lost nothing it had acknowledged', { timeout: 120_000 }, async () => {
  await using disk = await mountSmallDisk(30 * MB);
  await disk.fill(18 * MB);
  const data = join(disk.path, 'data');
  const acknowledged = new Set<number>();
  {
    await using server = await startHydrant({ data, set: { 'health.minFreeBytes': 0 } });
    using publisher = await RawClient.connect(server.mqttUrl);
    publishAll(publisher, 'killed/a', 1, acknowledged);
    await readiness(server, 503);
    await server.kill();
  }
  const kept = new Set(await stored(disk, 'killed/a'));
  for (const n of acknowledged) assert.ok(kept.has(n), `event ${n} was acknowledged and is not on disk`);
  await disk.free();
  await using server = await startHydrant({ data, set: { 'health.minFreeBytes': 0 } });
  using client = await RawClient.connect(server.mqttUrl);
  await client.deliver('killed/a', '9999', { qos: 1 });
  assert.deepEqual(new Set(await stored(disk, 'killed/a')), new Set([...kept, 9999]));
});
