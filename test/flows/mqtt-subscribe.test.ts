import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

function text(value: string): number[] {
  return [value.length >> 8, value.length & 255, ...Buffer.from(value)];
}

test('[MQTT3-2.3.1-7] [MQTT3-3.8.4-1] [MQTT3-3.8.4-2] [MQTT3-3.8.4-4] [MQTT3-3.8.4-5] [MQTT3-3.9.3-1] answers SUBSCRIBE with its packet id and a code for each filter, in order', async () => {
  using client = await connect();
  client.send({
    cmd: 'subscribe',
    messageId: 4711,
    subscriptions: [
      { topic: 'many/a', qos: 2 },
      { topic: 'many/b', qos: 0 },
      { topic: 'many/c', qos: 1 },
    ],
  });
  await client.expect('suback', { messageId: 4711, granted: [2, 0, 1] });
});

test('[MQTT3-3.8.3-3] [MQTT3-3.10.3-2] closes a client that subscribes or unsubscribes to nothing', async () => {
  for (const first of [0x82, 0xa2]) {
    using client = await connect();
    client.sendBytes([first, 2, 0, 1]);
    await client.expectClose();
  }
});

test('[MQTT3-3.8.1-1] [MQTT3-3.10.1-1] closes a client whose SUBSCRIBE or UNSUBSCRIBE has other fixed header flags', async () => {
  for (const first of [0x80, 0x81, 0x83, 0x8a, 0xa0, 0xa3]) {
    using client = await connect();
    client.sendBytes([first, first < 0xa0 ? 6 : 5, 0, 1, 0, 1, 0x61, ...(first < 0xa0 ? [0] : [])]);
    await client.expectClose();
  }
});

test('[MQTT3-3.8.3-4] closes a client that asks for QoS 3 or sets reserved bits', async () => {
  for (const byte of [3, 4, 0x40, 0x80]) {
    using client = await connect();
    client.sendBytes([0x82, 6, 0, 1, 0, 1, 0x61, byte]);
    await client.expectClose();
  }
});

test('[MQTT3-4.7.1-2] [MQTT3-4.7.1-3] [MQTT3-4.7.3-1] [MQTT3-3.9.3-2] refuses a filter that is none with 0x80, and grants the others', async () => {
  using client = await connect();
  for (const filter of ['', 'a/#/b', 'a#', '##', 'a+', '+a', 'a/b+/c']) {
    const body = [0, 1, ...text(filter), 1, ...text('fine/a'), 0];
    client.sendBytes([0x82, body.length, ...body]);
    await client.expect('suback', { messageId: 1, granted: [0x80, 0] });
  }
  client.publish('fine/a', 'x');
  await client.expectMessage('fine/a', 'x');
});

const MATCHES: [filter: string, matching: string[], others: string[]][] = [
  [
    'sport/tennis/player1/#',
    ['sport/tennis/player1', 'sport/tennis/player1/ranking', 'sport/tennis/player1/score/wimbledon'],
    ['sport/tennis'],
  ],
  ['sport/+', ['sport/', 'sport/tennis'], ['sport', 'sport/tennis/player1']],
  ['+/+', ['/finance', 'a/b'], ['finance']],
  ['/+', ['/finance'], ['finance', '/finance/b']],
  ['+/tennis/#', ['sport/tennis', 'sport/tennis/a/b'], ['tennis', 'sport/a/tennis']],
  ['sport/+/player1', ['sport/tennis/player1', 'sport//player1'], ['sport/player1', 'sport/a/b/player1']],
  ['a//b', ['a//b'], ['a/b', 'a///b']],
];

for (const [filter, matching, others] of MATCHES) {
  test(`[MQTT3-3.3.2-3] [MQTT3-3.8.3-2] ${filter} matches ${matching.join(' ')}, not ${others.join(' ')}`, async () => {
    using client = await connect();
    await client.subscribe([filter, 'end-of-matches']);
    for (const topic of [...others, ...matching]) client.publish(topic, 'x');
    client.publish('end-of-matches', '');
    for (const topic of matching) await client.expectMessage(topic, 'x');
    await client.expectMessage('end-of-matches', '');
  });
}

test('[MQTT3-4.7.2-1] a filter that starts with a wildcard never yields a topic that starts with $', async () => {
  using wild = await connect();
  using named = await connect();
  await wild.subscribe(['#', '+/uptime', '+/#']);
  await named.subscribe(['$data/#', '$data/+']);
  wild.publish('$data/uptime', 'x');
  wild.publish('data/end', 'end');
  await named.expectMessage('$data/uptime', 'x');
  await wild.expectMessage('data/end', 'end');
});

test('[MQTT3-3.3.5-1] overlapping filters yield one delivery, at the highest QoS granted', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe({ 'over/#': 0, 'over/+': 2, 'over/a': 1 });
  for (const qos of [0, 1, 2] as const) await client.deliver('over/a', `${qos}`, { qos });
  await client.deliver('over/a/b', 'deep', { qos: 2 });
  for (const qos of [0, 1, 2]) assert.deepEqual(seen(await subscriber.take('publish')), [`${qos}`, qos]);
  assert.deepEqual(seen(await subscriber.take('publish')), ['deep', 0]);
  await client.deliver('over/end', 'end');
  assert.deepEqual(seen(await subscriber.take('publish')), ['end', 0]);

  function seen(packet: { payload: string | Buffer; qos: number }): [string, number] {
    return [packet.payload.toString(), packet.qos];
  }
});

test('[MQTT3-3.8.4-3] the same filter again replaces the subscription and its QoS', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect({ auto: true });
  await subscriber.subscribe('replace/a', 2);
  await subscriber.subscribe('replace/a', 0);
  await client.deliver('replace/a', 'x', { qos: 2 });
  await client.deliver('replace/a', 'y', { qos: 2 });
  await subscriber.expectMessage('replace/a', 'x', { qos: 0 });
  await subscriber.expectMessage('replace/a', 'y', { qos: 0 });
  await subscriber.unsubscribe('replace/a');
  await client.deliver('replace/a', 'z', { qos: 2 });
  await subscriber.expectQuiet();
});

test('[MQTT3-2.3.1-7] [MQTT3-3.10.4-4] [MQTT3-3.10.4-5] answers UNSUBSCRIBE with its packet id, also for filters it does not know', async () => {
  using client = await connect();
  await client.subscribe('gone/a');
  client.send({ cmd: 'unsubscribe', messageId: 815, unsubscriptions: ['gone/a', 'never/there'] });
  await client.expect('unsuback', { messageId: 815 });
});

test('[MQTT3-3.10.4-1] [MQTT3-3.10.4-2] [MQTT3-3.10.4-6] removes exactly the filters named, and delivers nothing more through them', async () => {
  using client = await connect();
  await client.subscribe(['exact/+', 'exact/a', 'exact/b', 'exact2/#']);
  await client.unsubscribe('exact/+', 'exact/B', 'exact2/+', 'exact/b');
  for (const topic of ['exact/b', 'exact/c', 'exact/a', 'exact2/x']) client.publish(topic, 'x');
  await client.expectMessage('exact/a', 'x');
  await client.expectMessage('exact2/x', 'x');
});

test('[MQTT3-3.10.4-3] completes a QoS 2 delivery that had begun before UNSUBSCRIBE', async () => {
  using client = await connect({ auto: true });
  using subscriber = await connect();
  await subscriber.subscribe('begun/#', 2);
  await client.deliver('begun/a', 'x', { qos: 2 });
  const { messageId } = await subscriber.expectMessage('begun/a', 'x', { qos: 2 });
  await subscriber.unsubscribe('begun/#');
  subscriber.ack('pubrec', messageId);
  await subscriber.expect('pubrel', { messageId });
  subscriber.ack('pubcomp', messageId);
  await subscriber.expectQuiet();
});

test('[MQTT3-3.10.4-3] sends an unacknowledged QoS 1 delivery again after UNSUBSCRIBE and reconnect', async () => {
  using client = await connect();
  {
    using subscriber = await connect({ clientId: 'begun1', clean: false });
    await subscriber.subscribe('begun1/#', 1);
    await client.deliver('begun1/a', 'x', { qos: 1 });
    await subscriber.expectMessage('begun1/a', 'x', { dup: false });
    await subscriber.unsubscribe('begun1/#');
    await subscriber.disconnect();
  }
  await client.deliver('begun1/a', 'not for you', { qos: 1 });
  using back = await connect({ clientId: 'begun1', clean: false });
  const packet = await back.expectMessage('begun1/a', 'x', { dup: true, qos: 1 });
  back.ack('puback', packet.messageId);
  await back.expectQuiet();
});

test('takes 500 filters in one SUBSCRIBE and delivers through each', async () => {
  using client = await connect();
  const filters = Array.from({ length: 500 }, (_, i) => `bulk/${i}/+`);
  const suback = await client.subscribe(filters, 1);
  assert.equal(suback.granted.length, 500);
  for (const i of [0, 250, 499]) {
    client.publish(`bulk/${i}/x`, `${i}`);
    await client.expectMessage(`bulk/${i}/x`, `${i}`);
  }
});
