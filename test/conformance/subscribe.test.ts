import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { field, packet, recordFrames, subscribe } from './wire.ts';

// MQTT 5 §3.8 SUBSCRIBE to §3.11 UNSUBACK, §3.3.4 what a subscription yields.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, auto: true, ...options });

test('[MQTT-3.8.3-2] [MQTT-3.10.3-2] tells 0x82 to a client that subscribes or unsubscribes to nothing', async () => {
  for (const first of [0x82, 0xa2]) {
    using client = await connect();
    client.sendBytes(packet(first, [0, 1, 0]));
    await client.expect('disconnect', { reasonCode: 0x82 });
    await client.expectClose();
  }
});

test('[MQTT-3.8.3-5] tells 0x81 to a client that sets reserved option bits, or asks for QoS 3', async () => {
  for (const options of [0x03, 0x40, 0x80, 0xc1]) {
    using client = await connect();
    client.sendBytes(packet(0x82, [0, 1, 0], field('a'), [options]));
    await client.expect('disconnect', { reasonCode: 0x81 });
    await client.expectClose();
  }
});

test('[MQTT-3.8.4-5] [MQTT-3.8.4-6] [MQTT-3.8.4-7] [MQTT-3.9.3-1] [MQTT-3.9.3-2] [MQTT-4.7.1-1] [MQTT-4.7.1-2] [MQTT-4.7.3-1] SUBACK has for each filter, in order, the QoS granted or 0x8F', async () => {
  using client = await connect();
  const filters = { 'many5/2': 2, 'a#': 1, 'many5/0': 0, 'a/#/b': 1, '+a': 1, 'many5/1': 1, '': 1 } as const;
  const { granted } = await client.subscribe(filters);
  assert.deepEqual(granted, [2, 0x8f, 0, 0x8f, 0x8f, 1, 0x8f]);
  for (const qos of [0, 1, 2]) {
    await client.deliver(`many5/${qos}`, 'x', { qos: 2 });
    await client.take('publish', { topic: `many5/${qos}`, qos: qos as 0 | 1 | 2 });
  }
});

test('[MQTT-3.8.4-8] delivers at the lower of published and granted QoS', async () => {
  using client = await connect();
  for (const granted of [0, 1, 2] as const) {
    using subscriber = await connect();
    await subscriber.subscribe(`lower5/${granted}`, granted);
    for (const qos of [0, 1, 2] as const) {
      await client.deliver(`lower5/${granted}`, `${qos}`, { qos });
      const got = await subscriber.take('publish');
      assert.deepEqual([got.payload.toString(), got.qos], [`${qos}`, Math.min(qos, granted)]);
    }
  }
});

test('[MQTT-3.8.3-3] with no local a client does not get what it publishes itself, others and other sessions do', async () => {
  using client = await connect();
  await subscribe(client, 'local/#', { nl: true });
  using other = await connect();
  await subscribe(other, 'local/#', { nl: true });
  await client.deliver('local/a', 'own', { qos: 1 });
  await other.deliver('local/a', 'other', { qos: 1 });
  await client.expectMessage('local/a', 'other');
  await other.expectMessage('local/a', 'own');
  await client.expectQuiet();
});

test('[MQTT-3.8.4-3] the same filter again replaces the subscription, with all its options', async () => {
  using client = await connect();
  await subscribe(client, 'swap/a', { qos: 2, nl: true }, 7);
  await subscribe(client, 'swap/a', { qos: 0, nl: false }, 8);
  await client.deliver('swap/a', 'x', { qos: 2 });
  const got = await client.take('publish');
  assert.deepEqual([got.qos, got.properties?.subscriptionIdentifier], [0, 8]);
  await client.unsubscribe('swap/a');
  await client.expectQuiet();
});

test('[MQTT-3.8.4-4] replacing a subscription under a flow of events loses none and doubles none', async () => {
  using publisher = await connect();
  using client = await connect();
  await subscribe(client, 'flow/a', { qos: 1 });
  const count = 400;
  for (let i = 0; i < count; i++) {
    publisher.publish('flow/a', `${i}`, { qos: 1 });
    if (i % 20 === 0) await subscribe(client, 'flow/a', { qos: i % 40 ? 1 : 2 });
  }
  const numbers = (await client.messages(count)).map(({ payload }) => Number(payload));
  assert.deepEqual(
    numbers,
    Array.from({ length: count }, (_, i) => i),
  );
});

test('[MQTT-3.3.4-2] [MQTT-3.3.4-3] [MQTT-3.3.4-4] [MQTT-3.3.4-5] overlapping subscriptions: one copy, the highest QoS, every identifier', async () => {
  using client = await connect();
  await subscribe(client, 'over5/#', { qos: 0 }, 1);
  await subscribe(client, 'over5/+', { qos: 2 }, 268_435_455);
  await subscribe(client, 'over5/a', { qos: 1 });
  await subscribe(client, '+/a', { qos: 0 }, 1);
  const seen = async (): Promise<unknown[]> => {
    const { qos, properties } = await client.take('publish');
    return [qos, [properties?.subscriptionIdentifier].flat().sort((a, b) => a! - b!)];
  };
  await client.deliver('over5/a', 'x', { qos: 2 });
  const [qos, ids] = await seen();
  assert.equal(qos, 2);
  assert.deepEqual([...new Set(ids as number[])], [1, 268_435_455]);
  await client.take('pubrel');
  await client.deliver('over5/a/b', 'x', { qos: 2 });
  assert.deepEqual(await seen(), [0, [1]]);
  await client.expectQuiet();
});

test('[MQTT-3.10.4-1] [MQTT-3.10.4-2] [MQTT-3.10.4-6] [MQTT-3.11.3-1] [MQTT-3.11.3-2] UNSUBSCRIBE removes exactly the filters named and says for each, in order, whether it was there', async () => {
  using client = await connect();
  await client.subscribe(['exact5/+', 'exact5/a', 'exact5/b', 'exact6/#']);
  const { granted } = await client.unsubscribe('exact5/+', 'exact5/B', 'exact6/+', 'exact5/b', 'exact5/b');
  assert.deepEqual(granted, [0, 0x11, 0x11, 0, 0x11]);
  for (const topic of ['exact5/b', 'exact5/c', 'exact5/a', 'exact6/x']) client.publish(topic, 'x');
  await client.expectMessage('exact5/a', 'x');
  await client.expectMessage('exact6/x', 'x');
  await client.expectQuiet();
});

test('[MQTT-3.10.4-3] completes QoS 1 and 2 deliveries that had begun before UNSUBSCRIBE, also on the next connection', async () => {
  const session = { clientId: 'begun5', clean: false, auto: false, properties: { sessionExpiryInterval: 60 } };
  using publisher = await connect();
  const ids: (number | undefined)[] = [];
  {
    using client = await connect(session);
    await client.subscribe('begun5/#', 2);
    for (const qos of [1, 2, 2] as const) await publisher.deliver('begun5/a', 'x', { qos });
    ids.push(...(await client.messages(3)).map(({ messageId }) => messageId));
    await client.unsubscribe('begun5/#');
    client.ack('pubrec', ids[1]);
    await client.expect('pubrel', { messageId: ids[1] });
    client.ack('pubcomp', ids[1]);
    await client.expectQuiet();
  }
  using back = await connect(session);
  await back.expectMessage('begun5/a', 'x', { messageId: ids[0], qos: 1, dup: true });
  await back.expectMessage('begun5/a', 'x', { messageId: ids[2], qos: 2, dup: true });
});

test('[MQTT-3.9.2-1] [MQTT-3.9.2-2] SUBACK explains a refusal as long as it is not larger than the client takes', async () => {
  for (const [maximumPacketSize, explained] of [
    [10_000, true],
    [1_215, false],
    [30, false],
  ] as const) {
    using client = await connect({ properties: { maximumPacketSize } });
    const frames = recordFrames(client);
    const filters = Array.from({ length: maximumPacketSize === 1_215 ? 1_200 : 3 }, (_, i) => `room/${i}`);
    const { granted, properties } = await client.subscribe(['#/no', ...filters]);
    assert.deepEqual([granted[0], granted.length], [0x8f, filters.length + 1]);
    assert.equal(properties?.reasonString !== undefined, explained);
    assert.equal(properties?.userProperties, undefined);
    assert.ok(frames[0]!.length <= maximumPacketSize, `${frames[0]!.length} bytes for ${maximumPacketSize}`);
  }
});

test('[MQTT-3.11.2-1] [MQTT-3.11.2-2] UNSUBACK is as short as can be', async () => {
  using client = await connect({ properties: { maximumPacketSize: 20 } });
  const frames = recordFrames(client);
  const { properties } = await client.unsubscribe('never/there', '#/no');
  assert.deepEqual({ ...properties }, {});
  assert.equal(frames[0]!.length, 2 + 2 + 1 + 2);
});
