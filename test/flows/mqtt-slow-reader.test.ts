import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

const PAYLOAD_BYTES = 64 * 1024;
const EVENTS = 1_000;

async function residentBytes(): Promise<number> {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function payload(i: number): Buffer {
  const bytes = Buffer.alloc(PAYLOAD_BYTES, 0x2e);
  bytes.writeUInt32BE(i);
  return bytes;
}

const number = (packet: { payload: string | Buffer }): number => (packet.payload as Buffer).readUInt32BE();

/** Publishes EVENTS events with at most 50 unacknowledged while `reader` gets every one of them. */
async function flow(topic: string, reader: RawClient): Promise<void> {
  using publisher = await connect();
  for (let i = 0; i < EVENTS; i++) {
    publisher.publish(topic, payload(i), { qos: 1 });
    if (i >= 50) await publisher.take('puback');
    if (i >= 50) assert.equal(number(await reader.take('publish')), i - 50);
  }
  for (let i = EVENTS - 50; i < EVENTS; i++) assert.equal(number(await reader.take('publish')), i);
}

test('a reader that has stalled at QoS 0 holds nobody: others get all, the server drops its events and stays small', async () => {
  using stalled = await connect();
  await stalled.subscribe('stall0/#', 0);
  stalled.stream.pause();
  using reader = await connect({ auto: true });
  await reader.subscribe('stall0/#', 1);
  const before = await residentBytes();
  await flow('stall0/a', reader);
  const grown = (await residentBytes()) - before;
  assert.ok(grown < (EVENTS * PAYLOAD_BYTES) / 2 + 100e6, `grew by ${grown} bytes`);
  stalled.stream.resume();
  using prober = await connect();
  await prober.deliver('stall0/end', 'end', { qos: 1 });
});

test('a reader that has stalled at QoS 1 holds nobody, and gets every event once it reads again', async () => {
  using stalled = await connect({ clientId: 'stall1', clean: false, auto: true });
  await stalled.subscribe('stall1/#', 1);
  stalled.stream.pause();
  using reader = await connect({ auto: true });
  await reader.subscribe('stall1/#', 1);
  await flow('stall1/a', reader);
  stalled.stream.resume();
  const seen = new Set<number>();
  while (seen.size < EVENTS) seen.add(number(await stalled.take('publish', {}, 30_000)));
});

test('a reader that never acknowledges holds nobody, and gets the rest when it begins to', async () => {
  using silent = await connect({ clientId: 'silent', clean: false });
  await silent.subscribe('silent/#', 1);
  using publisher = await connect();
  using reader = await connect({ auto: true });
  await reader.subscribe('silent/#', 1);
  const count = 30_000;
  let acked = 0;
  for (let i = 0; i < count; i++) {
    publisher.publish('silent/a', `${i}`, { qos: 1, messageId: 1 + (i % 60_000) });
    for (; i - acked > 500; acked++) await publisher.take('puback');
  }
  for (; acked < count; acked++) await publisher.take('puback');
  for (let i = 0; i < count; i++) assert.equal((await reader.take('publish')).payload.toString(), `${i}`);
  for (let i = 0; i < count; i++) {
    const packet = await silent.take('publish', {}, 30_000);
    assert.equal(packet.payload.toString(), `${i}`);
    silent.ack('puback', packet.messageId);
  }
});
