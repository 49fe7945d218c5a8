import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { auto: true, ...options });

/** Subscribes anew and returns what is retained there, by topic; a live event of its own ends the wait. */
async function retained(filter: string, qos: QoS = 2): Promise<Record<string, string>> {
  using client = await connect();
  await client.subscribe([filter, `end/${client.clientId}`], qos);
  client.publish(`end/${client.clientId}`, 'end');
  const found: Record<string, string> = {};
  for (;;) {
    const packet = await client.take('publish');
    if (packet.topic.startsWith('end/')) return found;
    assert.equal(packet.retain, true, `${packet.topic} without the retain flag`);
    assert.ok(!(packet.topic in found), `${packet.topic} twice`);
    found[packet.topic] = packet.payload.toString();
  }
}

test('[MQTT3-3.3.1-5] [MQTT3-3.3.1-6] [MQTT3-3.3.1-8] gives a new subscriber the last retained event of each matching topic, flagged', async () => {
  using client = await connect();
  for (const [topic, payload] of [
    ['last/a', 'old'],
    ['last/a', 'new'],
    ['last/b/c', 'deep'],
    ['other/a', 'no'],
  ] as const) {
    await client.deliver(topic, payload, { qos: 1, retain: true });
  }
  assert.deepEqual(await retained('last/#'), { 'last/a': 'new', 'last/b/c': 'deep' });
  assert.deepEqual(await retained('last/+'), { 'last/a': 'new' });
  assert.deepEqual(await retained('last/a'), { 'last/a': 'new' });
  assert.deepEqual(await retained('+/a'), { 'last/a': 'new', 'other/a': 'no' });
});

test('[MQTT3-3.3.1-9] clears the flag for a subscriber that was there before', async () => {
  using client = await connect();
  await client.subscribe('there/a', 1);
  await client.deliver('there/a', 'x', { qos: 1, retain: true });
  const packet = await client.take('publish');
  assert.deepEqual([packet.retain, packet.dup], [false, false]);
  assert.deepEqual(await retained('there/a'), { 'there/a': 'x' });
});

test('[MQTT3-3.3.1-10] [MQTT3-3.3.1-11] an empty retained event removes the retained one and goes to subscribers as normal', async () => {
  using client = await connect();
  await client.deliver('clear/a', 'x', { qos: 1, retain: true });
  using subscriber = await connect();
  await subscriber.subscribe('clear/a', 1);
  await subscriber.expectMessage('clear/a', 'x', { retain: true });
  await client.deliver('clear/a', '', { qos: 1, retain: true });
  await subscriber.expectMessage('clear/a', '', { retain: false });
  assert.deepEqual(await retained('clear/#'), {});
  await client.deliver('clear/never', '', { qos: 1, retain: true });
  assert.deepEqual(await retained('clear/#'), {});
});

test('[MQTT3-3.3.1-12] an event without the flag neither replaces nor removes the retained one', async () => {
  using client = await connect();
  await client.deliver('keep/a', 'kept', { qos: 1, retain: true });
  await client.deliver('keep/a', 'live', { qos: 1 });
  await client.deliver('keep/a', '', { qos: 1 });
  assert.deepEqual(await retained('keep/a'), { 'keep/a': 'kept' });
});

test('[MQTT3-3.3.1-7] a retained QoS 0 event replaces the one before', async () => {
  using client = await connect();
  await client.deliver('zero/a', 'one', { qos: 2, retain: true });
  client.publish('zero/a', 'zero', { retain: true });
  await client.deliver('zero/b', 'after', { qos: 1, retain: true });
  assert.deepEqual(await retained('zero/+'), { 'zero/a': 'zero', 'zero/b': 'after' });
});

test('[MQTT3-3.8.4-6] sends a retained event at the lower of its own and the granted QoS', async () => {
  using client = await connect();
  for (const qos of [0, 1, 2] as QoS[]) await client.deliver(`rqos/${qos}`, 'x', { qos, retain: true });
  await client.ping();
  for (const granted of [0, 1, 2] as QoS[]) {
    using subscriber = await connect();
    await subscriber.subscribe('rqos/+', granted);
    for (const packet of await subscriber.messages(3)) assert.equal(packet.qos, Math.min(granted, Number(packet.topic.at(-1))));
  }
});

test('[MQTT3-3.8.4-3] sends retained events again when the same filter is subscribed again', async () => {
  using client = await connect();
  await client.deliver('resub/a', 'x', { qos: 1, retain: true });
  for (let i = 0; i < 3; i++) {
    await client.subscribe('resub/+', 0);
    await client.expectMessage('resub/a', 'x', { retain: true, qos: 0 });
  }
});

test('[MQTT3-3.1.2-7] keeps retained events when the session that published them ends', async () => {
  using client = await connect();
  await client.deliver('owner/a', 'x', { qos: 1, retain: true });
  await client.disconnect();
  assert.deepEqual(await retained('owner/a'), { 'owner/a': 'x' });
});

test('does not send retained events when a session is resumed without a SUBSCRIBE', async () => {
  using client = await connect();
  await client.deliver('resume/a', 'x', { qos: 1, retain: true });
  {
    using subscriber = await connect({ clientId: 'resume', clean: false });
    await subscriber.subscribe('resume/#', 1);
    await subscriber.expectMessage('resume/a', 'x', { retain: true });
    await subscriber.expectQuiet();
    await subscriber.disconnect();
  }
  using back = await connect({ clientId: 'resume', clean: false });
  await client.deliver('resume/b', 'live', { qos: 1 });
  await back.expectMessage('resume/b', 'live', { retain: false });
});

test('[MQTT3-3.3.1-9] delivers a retained event published while the subscriber was away without the flag', async () => {
  {
    using subscriber = await connect({ clientId: 'away', clean: false });
    await subscriber.subscribe('away/#', 1);
    await subscriber.disconnect();
  }
  using client = await connect();
  await client.deliver('away/a', 'x', { qos: 1, retain: true });
  using back = await connect({ clientId: 'away', clean: false });
  await back.expectMessage('away/a', 'x', { retain: false, dup: false, qos: 1 });
});

test('sends 2 000 retained events to one new subscription, each once', async () => {
  using client = await connect();
  for (let i = 0; i < 2_000; i++) client.publish(`heap/${i}`, `${i}`, { qos: 1, retain: true });
  for (let i = 0; i < 2_000; i++) await client.take('puback');
  const found = await retained('heap/+', 1);
  assert.equal(Object.keys(found).length, 2_000);
  assert.ok(Object.entries(found).every(([topic, payload]) => topic === `heap/${payload}`));
});

test('[MQTT3-4.7.2-1] gives # no retained event of a topic that starts with $', async () => {
  using client = await connect();
  await client.deliver('$kept/a', 'x', { qos: 1, retain: true });
  assert.deepEqual(await retained('+/a').then((found) => '$kept/a' in found), false);
  assert.deepEqual(await retained('$kept/#'), { '$kept/a': 'x' });
});
