import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

test('[MQTT3-4.3.1-1] [MQTT3-3.3.1-2] [MQTT3-2.3.1-5] sends a QoS 0 event on once, without packet id, and answers its publisher nothing', async () => {
  using client = await connect();
  using subscriber = await connect();
  await subscriber.subscribe('qos0/a', 2);
  client.publish('qos0/a', 'x');
  const packet = await subscriber.expectMessage('qos0/a', 'x', { qos: 0, dup: false, retain: false });
  assert.equal(packet.messageId, undefined);
  await client.ping();
});

test('[MQTT3-4.3.2-2] [MQTT3-2.3.1-6] [MQTT3-3.3.4-1] acknowledges QoS 1 with the packet id it came with', async () => {
  using client = await connect();
  for (const messageId of [1, 2, 300, 65_535]) {
    client.publish('qos1/a', 'x', { qos: 1, messageId });
    await client.expect('puback', { messageId });
  }
});

test('[MQTT3-4.3.3-2] [MQTT3-2.3.1-6] [MQTT3-3.3.4-1] goes PUBREC, PUBCOMP with the packet id of a QoS 2 publish', async () => {
  using client = await connect();
  for (const messageId of [1, 300, 65_535]) {
    client.publish('qos2/a', 'x', { qos: 2, messageId });
    await client.expect('pubrec', { messageId });
    client.ack('pubrel', messageId);
    await client.expect('pubcomp', { messageId });
  }
});

test('[MQTT3-4.3.2-2] takes the same packet id after its PUBACK for a new event, DUP or not', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('again/a', 1);
  for (const dup of [false, false, true]) {
    client.publish('again/a', `dup ${dup}`, { qos: 1, messageId: 7, dup });
    await client.expect('puback', { messageId: 7 });
  }
  for (const payload of ['dup false', 'dup false', 'dup true']) await subscriber.expectMessage('again/a', payload, { dup: false });
});

test('[MQTT3-4.3.3-2] delivers a QoS 2 event once, however often it is sent before PUBREL', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('once/#', 1);
  for (const dup of [false, true, true]) {
    client.publish('once/a', 'x', { qos: 2, messageId: 9, dup });
    await client.expect('pubrec', { messageId: 9 });
  }
  client.ack('pubrel', 9);
  await client.expect('pubcomp', { messageId: 9 });
  client.ack('pubrel', 9);
  await client.expect('pubcomp', { messageId: 9 });
  await client.deliver('once/a', 'new', { qos: 2, messageId: 9 });
  await subscriber.expectMessage('once/a', 'x');
  await subscriber.expectMessage('once/a', 'new');
});

test('[MQTT3-4.3.3-2] delivers once what was sent twice in one write', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('twice/#', 2);
  client.publish('twice/a', 'x', { qos: 2, messageId: 3 });
  client.publish('twice/a', 'x', { qos: 2, messageId: 3, dup: true });
  await client.take('pubrec', { messageId: 3 });
  client.ack('pubrel', 3);
  await client.take('pubcomp', { messageId: 3 });
  await client.deliver('twice/end', 'end', { qos: 2 });
  await subscriber.expectMessage('twice/a', 'x');
  await subscriber.take('pubrel');
  await subscriber.expectMessage('twice/end', 'end');
});

test('[MQTT3-3.3.1-3] does not hand on the DUP flag of a publisher', async () => {
  using client = await connect();
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('dup/a', 2);
  await client.deliver('dup/a', '1', { qos: 1, dup: true });
  await client.deliver('dup/a', '2', { qos: 2, dup: true });
  for (const payload of ['1', '2']) {
    const packet = await subscriber.take('publish');
    assert.deepEqual([packet.payload.toString(), packet.dup], [payload, false]);
  }
});

test('[MQTT3-3.3.1-4] closes a client that publishes with QoS 3', async () => {
  using client = await connect();
  client.sendBytes([0x36, 6, 0, 1, 0x61, 0, 1, 0x78]);
  await client.expectClose();
});

test('[MQTT3-3.3.2-2] [MQTT3-4.7.1-1] closes a client that publishes to a wildcard', async () => {
  for (const topic of ['a/+', '#', 'a/#', '+']) {
    using client = await connect();
    client.sendBytes([0x30, 2 + topic.length, 0, topic.length, ...Buffer.from(topic)]);
    await client.expectClose();
  }
});

test('[MQTT3-4.7.3-1] closes a client that publishes to an empty topic', async () => {
  using client = await connect();
  client.sendBytes([0x30, 3, 0, 0, 0x78]);
  await client.expectClose();
});

test('[MQTT3-2.3.1-1] closes a client that uses packet id 0', async () => {
  for (const bytes of [
    [0x32, 6, 0, 1, 0x61, 0, 0, 0x78],
    [0x34, 6, 0, 1, 0x61, 0, 0, 0x78],
    [0x82, 6, 0, 0, 0, 1, 0x61, 0],
    [0xa2, 5, 0, 0, 0, 1, 0x61],
  ]) {
    using client = await connect();
    client.sendBytes(bytes);
    await client.expectClose();
  }
});

test('[MQTT3-3.8.4-6] delivers at the lower of published and granted QoS', async () => {
  using client = await connect({ auto: true });
  for (const granted of [0, 1, 2] as QoS[]) {
    using subscriber = await connect({ auto: true });
    const suback = await subscriber.subscribe(`lower/${granted}`, granted);
    assert.deepEqual(suback.granted, [granted]);
    for (const qos of [0, 1, 2] as QoS[]) {
      await client.deliver(`lower/${granted}`, `${qos}`, { qos });
      const packet = await subscriber.take('publish');
      assert.deepEqual([packet.payload.toString(), packet.qos], [`${qos}`, Math.min(qos, granted)]);
    }
  }
});

test('[MQTT3-4.6.0-2] [MQTT3-4.6.0-3] acknowledges in the order of arrival', async () => {
  using client = await connect();
  const ids = Array.from({ length: 200 }, (_, i) => 1 + ((i * 7919) % 60_000));
  for (const messageId of ids) client.publish('acks/1', 'x', { qos: 1, messageId });
  for (const messageId of ids) await client.expect('puback', { messageId });
  for (const messageId of ids) client.publish('acks/2', 'x', { qos: 2, messageId });
  for (const messageId of ids) await client.expect('pubrec', { messageId });
  for (const messageId of ids) client.ack('pubrel', messageId);
  for (const messageId of ids) await client.expect('pubcomp', { messageId });
});

test('[MQTT3-4.6.0-5] [MQTT3-4.6.0-6] delivers in the order of publishing, at each QoS, to each subscriber', async () => {
  using client = await connect({ auto: true });
  using first = await connect({ auto: true });
  using second = await connect({ auto: true });
  await first.subscribe('order/#', 2);
  await second.subscribe({ 'order/+': 1, 'order/#': 2 });
  const count = 300;
  for (let i = 0; i < count; i++) client.publish(`order/${i % 3}`, `${i}`, { qos: (i % 3) as QoS });
  for (const subscriber of [first, second]) {
    const got = await subscriber.messages(count);
    for (const qos of [0, 1, 2]) {
      const numbers = got.filter((packet) => packet.topic === `order/${qos}`).map((packet) => Number(packet.payload));
      assert.deepEqual(
        numbers,
        Array.from({ length: count / 3 }, (_, i) => 3 * i + qos),
      );
    }
  }
});

test('[MQTT3-2.3.1-4] never has one packet id out twice', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect();
  await subscriber.subscribe('ids/#', 2);
  for (let i = 0; i < 10; i++) await client.deliver('ids/a', `${i}`, { qos: i % 2 ? 1 : 2 });
  const held = await subscriber.messages(10);
  const ids = held.map((packet) => packet.messageId as number);
  assert.equal(new Set(ids).size, 10);
  assert.ok(ids.every((id) => id >= 1 && id <= 65_535));
  for (const packet of held.slice(0, 5)) {
    subscriber.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.messageId);
    if (packet.qos === 2) {
      await subscriber.expect('pubrel', { messageId: packet.messageId });
      subscriber.ack('pubcomp', packet.messageId);
    }
  }
  for (let i = 0; i < 5; i++) await client.deliver('ids/a', 'more', { qos: 1 });
  const more = (await subscriber.messages(5)).map((packet) => packet.messageId as number);
  const out = [...ids.slice(5), ...more];
  assert.equal(new Set(out).size, out.length);
});

test('[MQTT3-4.3.3-1] sends PUBREL for a PUBREC, and is done after PUBCOMP', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect();
  await subscriber.subscribe('out2/a', 2);
  await client.deliver('out2/a', 'x', { qos: 2 });
  const { messageId } = await subscriber.expectMessage('out2/a', 'x', { qos: 2, dup: false });
  subscriber.ack('pubrec', messageId);
  await subscriber.expect('pubrel', { messageId });
  subscriber.ack('pubcomp', messageId);
  await subscriber.expectQuiet();
});

test('serves on a client that acknowledges what was never sent', async () => {
  using client = await connect();
  client.ack('puback', 77);
  client.ack('pubcomp', 78);
  await client.ping();
});

test('[MQTT3-4.7.3-4] [MQTT3-1.5.3-3] changes no character of a topic', async () => {
  const topics = ['plain', '/plain', 'plain/', '//', 'PLAIN', 'é', 'e\u0301', '\ufeffbom', 'a b', '世界/🚰', '$data/x'];
  using client = await connect();
  for (const topic of topics) {
    using subscriber = await connect();
    await subscriber.subscribe(topic);
    for (const other of topics) client.publish(other, 'x');
    client.publish(topic, 'end');
    await subscriber.expectMessage(topic, 'x');
    await subscriber.expectMessage(topic, 'end');
  }
});

test('[MQTT3-4.7.3-3] carries a topic of 65 535 bytes', async () => {
  const topic = `long/${'x'.repeat(65_530)}`;
  using client = await connect();
  await client.subscribe('long/+');
  client.publish(topic, 'x');
  await client.expectMessage(topic, 'x');
});

test('carries payloads untouched: empty, every byte value, 256 kB at random', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('bytes/#', 2);
  const payloads = [Buffer.alloc(0), Buffer.from(Array.from({ length: 256 }, (_, i) => i)), randomBytes(256 * 1024)];
  for (const qos of [0, 1, 2] as QoS[]) {
    for (const payload of payloads) {
      await client.deliver('bytes/a', payload, { qos });
      const packet = await subscriber.take('publish');
      assert.equal(packet.qos, qos);
      assert.ok(payload.equals(packet.payload as Buffer));
    }
  }
});

test('sends an event back to its own publisher when that is subscribed', async () => {
  using client = await connect({ auto: true });
  await client.subscribe('self/a', 1);
  client.publish('self/a', 'x', { qos: 1 });
  await client.take('publish', { topic: 'self/a' });
  await client.take('puback');
});
