import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { type Published, RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { field, packet, recordFrames } from './wire.ts';

// MQTT 5 §3.3 PUBLISH, §4.3 quality of service, §4.6 order.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-3.3.1-4] [MQTT-3.3.1-2] tells 0x81 to a client that publishes with QoS 3, or with DUP at QoS 0', async () => {
  for (const first of [0x36, 0x38]) {
    using client = await connect();
    client.sendBytes(packet(first, field('a'), first === 0x36 ? [0, 1] : [], [0, 0x78]));
    await client.expect('disconnect', { reasonCode: 0x81 });
    await client.expectClose();
  }
});

test('[MQTT-3.3.4-1] [MQTT-2.2.1-5] [MQTT-4.3.2-4] [MQTT-4.3.3-8] [MQTT-4.3.3-11] [MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.7.2-1] answers nothing, PUBACK, or PUBREC and PUBCOMP, with the packet id that came', async () => {
  using client = await connect();
  client.publish('answer/a', 'x');
  await client.ping();
  for (const messageId of [1, 300, 65_535]) {
    client.publish('answer/a', 'x', { qos: 1, messageId });
    await client.expect('puback', { messageId, reasonCode: 0 });
    client.publish('answer/a', 'x', { qos: 2, messageId });
    await client.expect('pubrec', { messageId, reasonCode: 0 });
    client.ack('pubrel', messageId);
    await client.expect('pubcomp', { messageId, reasonCode: 0 });
  }
});

test('[MQTT-4.3.2-5] after PUBACK the packet id is a new event, DUP or not', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('again5/a', 1);
  for (const dup of [false, true]) {
    client.publish('again5/a', `${dup}`, { qos: 1, messageId: 7, dup });
    await client.expect('puback', { messageId: 7 });
  }
  for (const payload of ['false', 'true']) await subscriber.expectMessage('again5/a', payload);
});

test('[MQTT-4.3.3-10] [MQTT-4.3.3-12] until PUBREL a repeat is answered and not delivered, after PUBCOMP the packet id is a new event', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('once5/a', 1);
  for (const dup of [false, true, true]) {
    client.publish('once5/a', 'x', { qos: 2, messageId: 9, dup });
    await client.expect('pubrec', { messageId: 9 });
  }
  client.ack('pubrel', 9);
  await client.expect('pubcomp', { messageId: 9 });
  await client.deliver('once5/a', 'new', { qos: 2, messageId: 9 });
  await subscriber.expectMessage('once5/a', 'x');
  await subscriber.expectMessage('once5/a', 'new');
});

test('[MQTT-4.3.3-9] [MQTT-3.5.2-1] [MQTT-3.4.2-1] after PUBREC of 0x80 or more the packet id is a new event', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('second5/#', 1);
  client.publish('$SYS/second5', 'x', { qos: 1, messageId: 3 });
  await client.expect('puback', { messageId: 3, reasonCode: 0x90 });
  client.publish('second5/a', Buffer.from([0xff]), { qos: 2, messageId: 3, properties: { payloadFormatIndicator: true } });
  await client.expect('pubrec', { messageId: 3, reasonCode: 0x99 });
  await client.deliver('second5/a', 'taken', { qos: 2, messageId: 3 });
  await subscriber.expectMessage('second5/a', 'taken');
});

test('[MQTT3-3.3.5-2] a 3.1.1 client is acknowledged a publish that it may not make, and nobody gets it', async () => {
  using client = await connect({ version: 4, auto: true });
  using subscriber = await connect();
  await subscriber.subscribe('$SYS/not-yours', 2);
  for (const qos of [0, 1, 2] as QoS[]) await client.deliver('$SYS/not-yours', 'x', { qos });
  await subscriber.expectQuiet();
});

test('[MQTT-4.3.3-13] the exchange goes on when the event has expired meanwhile', async () => {
  using client = await connect();
  client.publish('late5/a', 'x', { qos: 2, messageId: 4, properties: { messageExpiryInterval: 0 } });
  await client.expect('pubrec', { messageId: 4, reasonCode: 0 });
  client.ack('pubrel', 4);
  await client.expect('pubcomp', { messageId: 4, reasonCode: 0 });
});

test('[MQTT-4.3.2-1] [MQTT-4.3.2-2] [MQTT-4.3.3-1] [MQTT-4.3.3-2] [MQTT-2.2.1-4] [MQTT-3.3.1-3] delivers with a packet id of its own each and DUP 0, whatever DUP was', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect();
  await subscriber.subscribe('ids5/a', 2);
  for (let i = 0; i < 10; i++) await client.deliver('ids5/a', `${i}`, { qos: i % 2 ? 1 : 2, dup: true });
  const got = await subscriber.messages(10);
  assert.deepEqual(
    got.map(({ qos, dup }) => [qos, dup]),
    got.map((_, i) => [i % 2 ? 1 : 2, false]),
  );
  assert.equal(new Set(got.map(({ messageId }) => messageId)).size, 10);
  assert.ok(got.every(({ messageId }) => messageId! > 0));
});

for (const version of [4, 5] as const) {
  test(`[MQTT-4.3.3-4] [MQTT-4.6.0-4] [MQTT-3.6.2-1] [MQTT3-4.6.0-4] answers PUBRECs with PUBRELs in their order (level ${version})`, async () => {
    using client = await connect({ auto: true });
    using subscriber = await connect({ version });
    await subscriber.subscribe(`rel${version}/a`, 2);
    for (let i = 0; i < 20; i++) await client.deliver(`rel${version}/a`, `${i}`, { qos: 2 });
    const ids = (await subscriber.messages(20)).map(({ messageId }) => messageId).toReversed();
    for (const messageId of ids) subscriber.ack('pubrec', messageId);
    for (const messageId of ids) await subscriber.expect('pubrel', version === 5 ? { messageId, reasonCode: 0 } : { messageId });
  });
}

test('[MQTT-4.6.0-2] [MQTT-4.6.0-3] acknowledges in the order of arrival', async () => {
  using client = await connect();
  const ids = Array.from({ length: 100 }, (_, i) => 1 + ((i * 7919) % 60_000));
  for (const messageId of ids) client.publish('acks5/a', 'x', { qos: 1, messageId });
  for (const messageId of ids) await client.expect('puback', { messageId });
  for (const messageId of ids) client.publish('acks5/a', 'x', { qos: 2, messageId });
  for (const messageId of ids) await client.expect('pubrec', { messageId });
});

test('[MQTT-4.6.0-5] [MQTT-4.6.0-6] delivers in the order of publishing, at each QoS', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe({ 'order5/+': 1, 'order5/#': 2 });
  const count = 150;
  for (let i = 0; i < count; i++) client.publish(`order5/${i % 3}`, `${i}`, { qos: (i % 3) as QoS });
  const got = await subscriber.messages(count);
  for (const qos of [0, 1, 2]) {
    const numbers = got.filter(({ topic }) => topic === `order5/${qos}`).map(({ payload }) => Number(payload));
    assert.deepEqual(
      numbers,
      Array.from({ length: count / 3 }, (_, i) => 3 * i + qos),
    );
  }
});

for (const url of ['mqttUrl', 'wsUrl'] as const) {
  test(`[MQTT-4.2-1] [MQTT3-7.1.1-1] carries a megabyte both ways, in order and without loss (${url})`, async () => {
    using client = await RawClient.connect(server[url], { version: 5, auto: true });
    await client.subscribe('stream/#', 1);
    const payload = Buffer.alloc(64 * 1024, 's');
    for (let i = 0; i < 16; i++) client.publish(`stream/${i}`, payload, { qos: 1 });
    const got: Published[] = await client.messages(16);
    assert.deepEqual(
      got.map(({ topic, payload }) => [topic, payload.length]),
      got.map((_, i) => [`stream/${i}`, payload.length]),
    );
  });
}

test('[MQTT3-7.0.0-2] serves a client that uses nothing but the standard: byte for byte', async () => {
  using client = await RawClient.open(server.mqttUrl);
  const frames = recordFrames(client);
  const steps: [sent: number[], answer: number[]][] = [
    [packet(0x10, field('MQTT'), [4, 2, 0, 60], field('plain')), [0x20, 2, 0, 0]],
    [packet(0x82, [0, 10], field('plain/a'), [1]), [0x90, 3, 0, 10, 1]],
    [packet(0x30, field('plain/a'), [0x68, 0x69]), packet(0x30, field('plain/a'), [0x68, 0x69])],
    [packet(0xa2, [0, 11], field('plain/a')), [0xb0, 2, 0, 11]],
    [packet(0xc0), [0xd0, 0]],
  ];
  for (const [sent, answer] of steps) {
    client.sendBytes(sent);
    await client.next();
    assert.deepEqual([...frames.shift()!], answer);
  }
  client.sendBytes(packet(0xe0));
  await client.expectClose();
});
