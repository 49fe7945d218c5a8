import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { field, packet } from './wire.ts';

// MQTT 5 §4.7 topic names and filters.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-3.3.2-2] [MQTT-4.7.0-1] [MQTT-4.7.3-1] closes a client that publishes to a wildcard or to no topic', async () => {
  for (const topic of ['a/+', '#', 'a/#', '+', '']) {
    using client = await connect();
    client.sendBytes(packet(0x30, field(topic), [0, 0x78]));
    const { reasonCode } = await client.expect('disconnect');
    assert.ok(topic === '' ? reasonCode === 0x82 : reasonCode === 0x90 || reasonCode === 0x81, `${topic} ${reasonCode}`);
    await client.expectClose();
  }
});

test('[MQTT-3.3.2-3] [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.2-1] wildcards match whole levels, and no topic that starts with $', async () => {
  using publisher = await connect();
  const topics = ['lv', 'lv/', 'lv/a', '/lv/a', 'lv/a/b', 'lv//b', '$lv/a'];
  const matches: Record<string, string[]> = {
    'lv/#': ['lv', 'lv/', 'lv/a', 'lv/a/b', 'lv//b'],
    'lv/+': ['lv/', 'lv/a'],
    'lv/+/b': ['lv/a/b', 'lv//b'],
    '+/+': ['lv/', 'lv/a'],
    '+/lv/#': ['/lv/a'],
    '$lv/+': ['$lv/a'],
  };
  for (const [filter, expected] of Object.entries(matches)) {
    using client = await connect();
    await client.subscribe([filter, 'lv-end']);
    for (const topic of [...topics, 'lv-end']) publisher.publish(topic, 'x');
    const got = (await client.messages(expected.length + 1)).map(({ topic }) => topic);
    assert.deepEqual(got, [...expected, 'lv-end'], filter);
  }
});

test('[MQTT-4.7.3-4] matches topics as they are written', async () => {
  const topics = ['Form', 'form', '/form', 'form/', 'f\u00f6rm', 'fo\u0308rm', 'form ', '\ufeffform'];
  using publisher = await connect();
  for (const topic of topics) {
    using client = await connect();
    await client.subscribe([topic, 'form-end']);
    for (const other of [...topics, 'form-end']) publisher.publish(other, 'x');
    await client.expectMessage(topic, 'x');
    await client.expectMessage('form-end', 'x');
  }
});

test('[MQTT-4.7.3-3] carries a topic of 65 535 bytes, through a filter as long', async () => {
  const topic = `long5/${'x'.repeat(65_529)}`;
  using client = await connect();
  await client.subscribe(topic);
  client.publish(topic, 'x');
  await client.expectMessage(topic, 'x');
});
