import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, auto: true, ...options });

/** Connects, and returns the session-present flag of the answer. */
async function present(options: RawConnect): Promise<boolean> {
  using client = await connect(options);
  await client.disconnect();
  return client.connack.sessionPresent;
}

test('[MQTT-3.2.2-16] [MQTT-3.1.3-6] [MQTT-3.1.3-7] tells a client without a client id which one it got, and keeps its session under it', async () => {
  using client = await connect({ clientId: '', properties: { sessionExpiryInterval: 60 } });
  const assigned = client.connack.properties?.assignedClientIdentifier as string;
  assert.match(assigned, /./);
  using other = await connect({ clientId: '' });
  assert.notEqual(other.connack.properties?.assignedClientIdentifier, assigned);
  await client.disconnect();
  assert.equal(await present({ clientId: assigned, clean: false }), true);
});

test('[MQTT-3.1.2-4] [MQTT-3.1.2-5] [MQTT-3.1.2-6] [MQTT-3.1.2-23] [MQTT-3.1.4-4] [MQTT-3.2.2-2] [MQTT-3.2.2-3] clean start decides what begins, session expiry what stays', async () => {
  const lasting = { sessionExpiryInterval: 600 };
  const clientId = 'start5';
  assert.equal(await present({ clientId, clean: true, properties: lasting }), false);
  assert.equal(await present({ clientId, clean: false, properties: lasting }), true);
  assert.equal(await present({ clientId, clean: false }), true);
  assert.equal(await present({ clientId, clean: false, properties: lasting }), false, 'no expiry interval: it ended with its connection');
  assert.equal(await present({ clientId, clean: true, properties: lasting }), false);
  assert.equal(await present({ clientId, clean: false }), true);
});

test('[MQTT-4.1.0-2] forgets a session once its expiry interval has passed', async () => {
  using watcher = await connect();
  await watcher.subscribe('expired5/#');
  const clientId = 'expired5';
  // The will of the session is published when the session ends: that is the event to wait for.
  const will = { topic: 'expired5/will', payload: Buffer.from('x'), properties: { willDelayInterval: 600 } };
  const client = await connect({ clientId, clean: true, will, properties: { sessionExpiryInterval: 1 } });
  client.destroy();
  await watcher.expectMessage('expired5/will', 'x');
  assert.equal(await present({ clientId, clean: false }), false);
});

test('DISCONNECT changes the expiry interval, but cannot give one to a session that had none', async () => {
  const clientId = 'change5';
  const first = await connect({ clientId, properties: { sessionExpiryInterval: 600 } });
  await first.disconnect({ reasonCode: 0, properties: { sessionExpiryInterval: 0 } });
  assert.equal(await present({ clientId, clean: false }), false);
  using second = await connect({ clientId });
  second.send({ cmd: 'disconnect', reasonCode: 0, properties: { sessionExpiryInterval: 600 } });
  await second.expect('disconnect', { reasonCode: 0x82 });
  await second.expectClose();
});

test('[MQTT-3.1.4-3] tells the older client that its session was taken over', async () => {
  using older = await connect({ clientId: 'taken5' });
  using newer = await connect({ clientId: 'taken5' });
  await older.expect('disconnect', { reasonCode: 0x8e });
  await older.expectClose();
  await newer.ping();
});

test('[MQTT-3.1.0-2] [MQTT-4.13.2-1] answers a second CONNECT with DISCONNECT 0x82', async () => {
  using client = await connect();
  client.sendConnect();
  await client.expect('disconnect', { reasonCode: 0x82 });
  await client.expectClose();
});

test('[MQTT-4.13.1-1] answers a malformed packet with DISCONNECT 0x81', async () => {
  for (const bytes of [
    [0x30, 4, 0, 9, 0x61, 0x62],
    [0x36, 7, 0, 1, 0x61, 0, 1, 0, 0x78],
    [0x80, 7, 0, 1, 0, 0, 1, 0x61, 0],
  ]) {
    using client = await connect();
    client.sendBytes(bytes);
    await client.expect('disconnect', { reasonCode: 0x81 });
    await client.expectClose();
  }
});

test('[MQTT-3.2.2-15] states its maximum packet size and answers a larger packet with DISCONNECT 0x95', async () => {
  using client = await connect();
  const limit = client.connack.properties?.maximumPacketSize as number;
  assert.ok(limit > 0);
  client.sendBytes([0x30, 0xff, 0xff, 0xff, 0x7f, 0, 1, 0x61]);
  await client.expect('disconnect', { reasonCode: 0x95 });
  await client.expectClose();
});

test('takes a password without a user name', async () => {
  using client = await RawClient.open(server.mqttUrl, 5);
  client.sendBytes([0x10, 20, 0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 0x42, 0, 0, 0, 0, 2, 0x70, 0x77, 0, 3, 1, 2, 3]);
  await client.expect('connack', { reasonCode: 0 });
});

test('[MQTT-4.12.0-1] [MQTT-4.12.0-4] refuses an authentication method with 0x8C', async () => {
  using client = await RawClient.open(server.mqttUrl, 5);
  client.sendConnect({ properties: { authenticationMethod: 'SCRAM-SHA-1' } });
  await client.expect('connack', { reasonCode: 0x8c });
  await client.expectClose();
});

test('refuses a receive maximum or a packet size of 0', async () => {
  for (const property of [
    [0x21, 0, 0],
    [0x27, 0, 0, 0, 0],
  ]) {
    using client = await RawClient.open(server.mqttUrl, 5);
    const body = [0, 4, 0x4d, 0x51, 0x54, 0x54, 5, 2, 0, 0, property.length, ...property, 0, 2, 0x72, 0x6d];
    client.sendBytes([0x10, body.length, ...body]);
    await client.expect('connack', { reasonCode: 0x82 });
    await client.expectClose();
  }
});

test('[MQTT-3.3.4-9] [MQTT-3.3.4-10] [MQTT-4.9.0-2] never has more in flight than the receive maximum', async () => {
  using publisher = await connect();
  using client = await connect({ auto: false, properties: { receiveMaximum: 3 } });
  await client.subscribe('flight5/#', 2);
  for (let i = 0; i < 10; i++) await publisher.deliver('flight5/a', `${i}`, { qos: i % 2 ? 1 : 2 });
  for (let i = 0; i < 10; ) {
    const held = await client.messages(Math.min(3, 10 - i));
    await client.ping();
    for (const packet of held) {
      assert.equal(packet.payload.toString(), `${i++}`);
      client.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.messageId);
      if (packet.qos === 1) continue;
      await client.take('pubrel', { messageId: packet.messageId });
      client.ack('pubcomp', packet.messageId);
    }
  }
});

test('[MQTT-3.1.2-24] [MQTT-3.1.2-25] sends nothing larger than the client takes, and goes on with the next', async () => {
  using publisher = await connect();
  using client = await connect({ properties: { maximumPacketSize: 200 } });
  await client.subscribe('size5/#', 1);
  await publisher.deliver('size5/a', 'x'.repeat(500), { qos: 1 });
  await publisher.deliver('size5/a', 'small', { qos: 1 });
  await client.expectMessage('size5/a', 'small');
});

test('[MQTT-3.14.4-3] DISCONNECT 0x00 drops the will, 0x04 publishes it', async () => {
  using watcher = await connect();
  await watcher.subscribe('will5/#');
  for (const reasonCode of [0, 4]) {
    const client = await connect({ will: { topic: 'will5/a', payload: Buffer.from(`${reasonCode}`) } });
    await client.disconnect({ reasonCode });
  }
  await watcher.expectMessage('will5/a', '4');
  await watcher.expectQuiet();
});

test('[MQTT-3.1.2-8] [MQTT-3.1.3-9] waits the will delay, and publishes nothing when the client is back before', async () => {
  using watcher = await connect();
  await watcher.subscribe('delay5/#');
  const session = (clientId: string): RawConnect => ({
    clientId,
    clean: false,
    properties: { sessionExpiryInterval: 60 },
    will: { topic: `delay5/${clientId}`, payload: Buffer.from('x'), properties: { willDelayInterval: 1 } },
  });
  const back = await connect(session('back5'));
  back.destroy();
  using again = await connect(session('back5'));
  const gone = await connect(session('gone5'));
  const startMs = performance.now();
  gone.destroy();
  await watcher.expectMessage('delay5/gone5', 'x');
  assert.ok(performance.now() - startMs >= 900);
  await again.ping();
  await watcher.expectQuiet();
});

test('a clean start ends the session, and with it the wait of a will that its client left behind', async () => {
  using watcher = await connect();
  await watcher.subscribe('ends5/#');
  const clientId = 'ends5';
  const will = { topic: 'ends5/will', payload: Buffer.from('x'), properties: { willDelayInterval: 3600 } };
  const client = await connect({ clientId, will, properties: { sessionExpiryInterval: 7200 } });
  await client.disconnect({ reasonCode: 0x04 });
  await watcher.expectQuiet();
  using _ = await connect({ clientId, clean: true });
  await watcher.expectMessage('ends5/will', 'x');
});

test('a takeover publishes the older will, unless it has a delay and the session goes on', async () => {
  using watcher = await connect();
  await watcher.subscribe('over5/#');
  const cases = [
    { name: 'clean', clean: true, willDelayInterval: 60 },
    { name: 'prompt', clean: false, willDelayInterval: 0 },
    { name: 'delayed', clean: false, willDelayInterval: 60 },
  ];
  for (const { name, clean, willDelayInterval } of cases) {
    const session = { clientId: `over5-${name}`, properties: { sessionExpiryInterval: 60 } };
    const will = { topic: `over5/${name}`, payload: Buffer.from('older'), properties: { willDelayInterval } };
    using older = await connect({ ...session, clean: true, will });
    using newer = await connect({ ...session, clean });
    await older.take('disconnect', { reasonCode: 0x8e });
    if (name !== 'delayed') await watcher.expectMessage(`over5/${name}`, 'older');
    await newer.ping();
  }
  await watcher.expectQuiet();
});
