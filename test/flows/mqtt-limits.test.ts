import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const PACKET_BYTES = 65_536;
const IN_FLIGHT = 10;
const server = await shareServer({
  set: { 'limits.packetBytes': '64KiB', 'limits.inFlight': IN_FLIGHT, 'limits.connectTimeout': '300ms', 'limits.stalled': '1s' },
});
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

/** A payload that makes a QoS 0 PUBLISH to `a` of exactly this many bytes in all: 1 + 3 of header, 3 of topic. */
const filling = (bytes: number): Buffer => Buffer.alloc(bytes - 7, 'p');

test('closes a connection whose CONNECT does not come in time, also one that trickles', async () => {
  using silent = await RawClient.open(server.mqttUrl);
  using trickling = await RawClient.open(server.mqttUrl);
  trickling.sendBytes([0x10, 20, 0, 4]);
  await silent.expectClose();
  await trickling.expectClose();
});

test('takes a packet of exactly the limit and closes the client that sends one byte more', async () => {
  using subscriber = await connect();
  await subscriber.subscribe('a');
  using client = await connect();
  client.publish('a', filling(PACKET_BYTES));
  const packet = await subscriber.take('publish');
  assert.equal(packet.payload.length, PACKET_BYTES - 7);
  client.publish('a', filling(PACKET_BYTES + 1));
  await client.expectClose();
  await subscriber.expectQuiet();
});

test('[MQTT-3.2.2-15] tells a version 5 client the limit, and 0x95 when it is passed', async () => {
  using client = await connect({ version: 5 });
  assert.equal(client.connack.properties?.maximumPacketSize, PACKET_BYTES);
  client.publish('a', filling(PACKET_BYTES + 1));
  await client.expect('disconnect', { reasonCode: 0x95 });
  await client.expectClose();
});

test('has no more than the limit in flight to a client that does not acknowledge, and goes on as it does', async () => {
  using publisher = await connect({ auto: true });
  using client = await connect();
  await client.subscribe('flight/#', 2);
  for (let i = 0; i < 3 * IN_FLIGHT; i++) await publisher.deliver('flight/a', `${i}`, { qos: i % 2 ? 1 : 2 });
  const held = await client.messages(IN_FLIGHT);
  await client.ping();
  for (let i = 0; i < 3 * IN_FLIGHT; i++) {
    const packet = held[i] ?? (await client.take('publish'));
    assert.equal(packet.payload.toString(), `${i}`);
    client.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.messageId);
    if (packet.qos === 1) continue;
    await client.take('pubrel', { messageId: packet.messageId });
    client.ack('pubcomp', packet.messageId);
  }
  await client.expectQuiet();
});

test('cuts off a reader that takes nothing at all, and gives it the rest when it comes back', { timeout: 60_000 }, async () => {
  using publisher = await connect();
  const count = 400;
  const session = { clientId: 'stalled', clean: false, auto: true };
  using stalled = await connect(session);
  await stalled.subscribe('cut/#', 0);
  await stalled.subscribe('cut/kept', 1);
  stalled.stream.pause();
  const payload = Buffer.alloc(60_000, 's');
  for (let i = 0; i < count; i++) await publisher.deliver('cut/a', payload, { qos: 1 });
  for (let i = 0; i < 5; i++) await publisher.deliver('cut/kept', `${i}`, { qos: 1 });
  await server.logged(
    (entry) => /stall|no progress|slow/i.test(`${entry.message} ${entry.reason}`),
    'a line about the stalled reader',
    20_000,
  );
  stalled.stream.resume();
  await stalled.ended;
  using back = await connect(session);
  assert.equal(back.connack.sessionPresent, true);
  const seen = new Set<string>(
    stalled.history
      .filter((packet) => packet.cmd === 'publish' && packet.topic === 'cut/kept')
      .map((packet) => `${(packet as { payload: Buffer }).payload}`),
  );
  while (seen.size < 5) seen.add((await back.take('publish', { topic: 'cut/kept' })).payload.toString());
});
