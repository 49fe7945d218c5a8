import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { closed, connect5, field, packet, properties, recordFrames } from './wire.ts';

// MQTT 5 chapters 1 and 2: data representation, fixed header, packet identifiers, properties.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

const BAD_TEXTS = {
  'a surrogate': [0xed, 0xa0, 0x80],
  'a sequence cut short': [0x61, 0xc3],
  'U+0000': [0x61, 0, 0x62],
};

for (const [what, bytes] of Object.entries(BAD_TEXTS)) {
  const bad = field(bytes);

  test(`[MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-3.3.2-1] [MQTT-3.8.3-1] [MQTT-3.10.3-1] [MQTT-4.7.3-2] tells 0x81 to a client with ${what} in a topic or filter`, async () => {
    for (const sent of [packet(0x30, bad, [0], [0x78]), packet(0x82, [0, 1, 0], bad, [0]), packet(0xa2, [0, 1, 0], bad)]) {
      using client = await connect();
      client.sendBytes(sent);
      await client.expect('disconnect', { reasonCode: 0x81 });
      await client.expectClose();
    }
  });

  test(`[MQTT-1.5.7-1] [MQTT-3.3.2-13] [MQTT-3.3.2-19] tells 0x81 to a client with ${what} in a property of a PUBLISH`, async () => {
    const fine = field('fine');
    for (const property of [
      [0x26, ...bad, ...fine],
      [0x26, ...fine, ...bad],
      [0x08, ...bad],
      [0x03, ...bad],
    ]) {
      using client = await connect();
      client.sendBytes(packet(0x30, field('a'), properties(property), [0x78]));
      await client.expect('disconnect', { reasonCode: 0x81 });
      await client.expectClose();
    }
  });

  test(`[MQTT-3.1.3-4] [MQTT-3.1.3-11] [MQTT-3.1.3-12] refuses with 0x81 a CONNECT with ${what} in client id, will topic or user name`, async () => {
    for (const sent of [
      connect5(0x02, [bad]),
      connect5(0x06, [field('utf8'), [0], bad, field('x')]),
      connect5(0x82, [field('utf8'), bad]),
    ]) {
      using client = await RawClient.open(server.mqttUrl, 5);
      client.sendBytes(sent);
      await client.expect('connack', { reasonCode: 0x81, sessionPresent: false });
      await client.expectClose();
    }
  });
}

test('[MQTT-1.5.4-3] strips no U+FEFF from topic, filter, property or payload', async () => {
  using client = await connect();
  await client.subscribe(['\ufeffbom/+', 'bom/+']);
  const mark = { contentType: '\ufeffplain', userProperties: { '\ufeffname': '\ufeffvalue' } };
  client.publish('\ufeffbom/a', '\ufeffpayload', { properties: mark });
  const got = await client.expectMessage('\ufeffbom/a', '\ufeffpayload');
  assert.equal(got.properties?.contentType, mark.contentType);
  assert.deepEqual({ ...got.properties?.userProperties }, mark.userProperties);
  await client.expectQuiet();
});

test('[MQTT-1.5.5-1] encodes each length in as few bytes as possible, whatever the publisher did', async () => {
  using client = await connect();
  await client.subscribe('len/#');
  const frames = recordFrames(client);
  const overhead = field('len/a').length + 1;
  const sizes = [127, 128, 16_383, 16_384];
  for (const size of sizes) client.publish('len/a', 'x'.repeat(size - overhead));
  client.sendBytes([0x30, 0x89, 0x80, 0x00, ...field('len/b'), 0, 0x78]);
  client.sendBytes([0x30, 0x89, 0x00, ...field('len/c'), 0x80, 0x00]);
  await client.messages(sizes.length);
  await client.expectMessage('len/b', 'x');
  await client.expectMessage('len/c', '');
  const heads = [[127], [128, 1], [255, 127], [128, 128, 1]];
  assert.deepEqual(
    heads.map((head, i) => [...frames[i]!.subarray(1, 1 + head.length)]),
    heads,
  );
  assert.deepEqual([...frames[4]!], packet(0x30, field('len/b'), [0, 0x78]));
  assert.deepEqual([...frames[5]!], packet(0x30, field('len/c'), [0]));
});

/** The low half of the first byte of each packet that a server sends, but PUBLISH. */
const FLAGS: Record<number, number> = { 2: 0, 4: 0, 5: 0, 6: 2, 7: 0, 9: 0, 11: 0, 13: 0, 14: 0 };

for (const version of [4, 5] as const) {
  test(`[MQTT-2.1.3-1] [MQTT3-2.2.2-1] sends every packet with the flags of its type (level ${version})`, async () => {
    using client = await RawClient.open(server.mqttUrl, version);
    const frames = recordFrames(client);
    client.auto = true;
    client.sendConnect({ clientId: `flags${version}` });
    await client.expect('connack');
    await client.subscribe(`flags${version}/#`, 2);
    for (const qos of [0, 1, 2] as QoS[]) await client.deliver(`flags${version}/a`, 'x', { qos });
    await client.take('pubrel');
    await client.unsubscribe(`flags${version}/#`);
    client.send({ cmd: 'pingreq' });
    await client.take('pingresp');
    using other = await connect({ version, clientId: `flags${version}` });
    await closed(client);
    await other.ping();
    const types = new Set(frames.map((frame) => frame[0]! >> 4));
    assert.deepEqual(
      [...types].sort((a, b) => a - b),
      version === 5 ? [2, 3, 4, 5, 6, 7, 9, 11, 13, 14] : [2, 3, 4, 5, 6, 7, 9, 11, 13],
    );
    for (const frame of frames) if (frame[0]! >> 4 !== 3) assert.equal(frame[0]! & 15, FLAGS[frame[0]! >> 4], frame.toString('hex'));
    const published = frames.filter((frame) => frame[0]! >> 4 === 3).map((frame) => frame[0]!);
    assert.deepEqual(published, [0x30, 0x32, 0x34]);
  });
}

test('[MQTT-2.1.3-1] [MQTT-3.6.1-1] [MQTT-3.8.1-1] [MQTT-3.10.1-1] [MQTT-3.14.1-1] [MQTT-3.15.1-1] tells 0x81 to a client whose fixed header has other flags', async () => {
  const id = [0, 1];
  for (const sent of [
    packet(0x42, id),
    packet(0x51, id),
    packet(0x60, id),
    packet(0x6a, id),
    packet(0x72, id),
    packet(0x80, id, [0], field('a'), [0]),
    packet(0x8a, id, [0], field('a'), [0]),
    packet(0xa0, id, [0], field('a')),
    packet(0xa3, id, [0], field('a')),
    packet(0xc1),
    packet(0xe1),
    packet(0xf1, [0x19, 0]),
  ]) {
    using client = await connect();
    client.sendBytes(sent);
    await client.expect('disconnect', { reasonCode: 0x81 });
    await client.expectClose();
  }
});

test('[MQTT-2.2.1-2] [MQTT-2.2.2-1] [MQTT-4.3.1-1] [MQTT-3.3.1-2] an event without properties: QoS 0, DUP 0, no packet id, a property length of 0', async () => {
  using client = await connect();
  await client.subscribe('bare/#', 2);
  const frames = recordFrames(client);
  client.publish('bare/a', 'x');
  await client.expectMessage('bare/a', 'x');
  assert.deepEqual([...frames[0]!], packet(0x30, field('bare/a'), [0, 0x78]));
});

test('[MQTT-2.2.1-6] [MQTT-2.2.2-1] [MQTT-3.8.4-1] [MQTT-3.8.4-2] [MQTT-3.10.4-4] [MQTT-3.10.4-5] SUBACK and UNSUBACK: the packet id, a property length of 0, the codes', async () => {
  using client = await connect();
  const frames = recordFrames(client);
  for (const [high, low] of [
    [0, 1],
    [0x12, 0x34],
    [255, 255],
  ] as const) {
    client.sendBytes(packet(0x82, [high, low, 0], field('ids/a'), [1]));
    client.sendBytes(packet(0xa2, [high, low, 0], field('ids/a'), field('ids/b')));
    await client.expect('suback');
    await client.expect('unsuback');
    assert.deepEqual([...frames.shift()!], packet(0x90, [high, low, 0, 1]));
    assert.deepEqual([...frames.shift()!], packet(0xb0, [high, low, 0, 0, 0x11]));
  }
});

test('closes a client whose SUBSCRIBE, UNSUBSCRIBE or PUBLISH has packet id 0', async () => {
  for (const sent of [
    packet(0x82, [0, 0, 0], field('a'), [0]),
    packet(0xa2, [0, 0, 0], field('a')),
    packet(0x32, field('a'), [0, 0, 0, 0x78]),
    packet(0x34, field('a'), [0, 0, 0, 0x78]),
  ]) {
    using client = await connect();
    client.sendBytes(sent);
    await client.expect('disconnect', { reasonCode: 0x82 });
    await client.expectClose();
  }
});
