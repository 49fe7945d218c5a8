import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const ALIASES = 3;
const server = await shareServer({ set: { 'limits.topicAliases': ALIASES } });
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, auto: true, ...options });

test('[MQTT-3.3.2-7] [MQTT-3.3.2-12] a client says a topic once and then only its alias, which lives as long as its connection', async () => {
  using reader = await connect();
  await reader.subscribe('alias/#', 1);
  using client = await connect();
  assert.equal(client.connack.properties?.topicAliasMaximum, ALIASES);
  for (const [topic, topicAlias] of [
    ['alias/a', 1],
    ['', 1],
    ['alias/b', 1],
    ['', 1],
    ['alias/c', ALIASES],
    ['', ALIASES],
  ] as const)
    await client.deliver(topic, `${topic}`, { qos: 1, properties: { topicAlias } });
  const got = await reader.messages(6);
  assert.deepEqual(
    got.map(({ topic }) => topic),
    ['alias/a', 'alias/a', 'alias/b', 'alias/b', 'alias/c', 'alias/c'],
  );
  assert.deepEqual(
    got.map(({ properties }) => properties?.topicAlias),
    Array(6).fill(undefined),
  );
  using other = await connect();
  other.publish('', 'x', { properties: { topicAlias: 1 } });
  await other.expect('disconnect', { reasonCode: 0x82 });
  await other.expectClose();
});

test('[MQTT-3.3.2-9] an alias above the maximum, or none at all where none was offered, closes the connection with 0x94', async () => {
  using client = await connect();
  client.publish('alias/a', 'x', { properties: { topicAlias: ALIASES + 1 } });
  await client.expect('disconnect', { reasonCode: 0x94 });
  await client.expectClose();
});

test('[MQTT-3.1.2-26] [MQTT-3.1.2-27] [MQTT-3.3.2-11] uses as many aliases as the client takes, and says a topic again when its alias went to another', async () => {
  using none = await connect();
  await none.subscribe('out/#');
  using client = await connect({ properties: { topicAliasMaximum: 2 } });
  await client.subscribe('out/#', 1);
  using publisher = await connect();
  const topics = ['out/1', 'out/1', 'out/2', 'out/1', 'out/3', 'out/2', 'out/3', 'out/1'];
  for (const topic of topics) await publisher.deliver(topic, topic, { qos: 1 });
  const heard = new Map<number, string>();
  let bare = 0;
  for (const { topic, payload, properties } of await client.messages(topics.length)) {
    const alias = properties?.topicAlias;
    assert.ok(alias === 1 || alias === 2, `alias ${alias}`);
    if (topic === '') bare++;
    else heard.set(alias, topic);
    assert.equal(heard.get(alias), payload.toString());
  }
  assert.equal(bare, 3);
  for (const { properties } of await none.messages(topics.length)) assert.equal(properties?.topicAlias, undefined);
});

test('a topic whose only message was too large for the client has no alias yet', async () => {
  using client = await connect({ properties: { topicAliasMaximum: 5, maximumPacketSize: 100 } });
  await client.subscribe('large/#', 1);
  using publisher = await connect();
  await publisher.deliver('large/a', Buffer.alloc(200), { qos: 1 });
  await publisher.deliver('large/a', 'fits', { qos: 1 });
  await client.expectMessage('large/a', 'fits');
  await publisher.deliver('large/a', 'too', { qos: 1 });
  await client.expectMessage('', 'too');
});
