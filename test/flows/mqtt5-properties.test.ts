import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Published, RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, auto: true, ...options });

const PROPERTIES = {
  payloadFormatIndicator: true,
  contentType: 'text/plain; charset=utf-8',
  responseTopic: 'answers/here',
  correlationData: Buffer.from([0, 1, 254, 255]),
  userProperties: { one: '1', many: ['a', 'b', 'a'], ünïcode: '🚰' },
};

function plain(packet: Published): Record<string, unknown> {
  const properties = structuredClone(packet.properties) as Record<string, unknown>;
  if (properties.correlationData) properties.correlationData = Buffer.from(properties.correlationData as Uint8Array);
  return { ...properties, userProperties: { ...(properties.userProperties as object) } };
}

async function leave(clientId: string, filter: string, version: 4 | 5 = 5): Promise<void> {
  using client = await connect({ clientId, version, clean: false, properties: version === 5 ? { sessionExpiryInterval: 600 } : undefined });
  await client.subscribe(filter, 1);
  await client.disconnect();
}

test('[MQTT-3.3.2-4] [MQTT-3.3.2-15] [MQTT-3.3.2-16] [MQTT-3.3.2-17] [MQTT-3.3.2-20] hands every property on unaltered, live', async () => {
  using client = await connect();
  await client.subscribe('props/#', 2);
  for (const qos of [0, 1, 2] as const) {
    await client.deliver('props/a', 'x', { qos, properties: PROPERTIES });
    assert.deepEqual(plain(await client.take('publish')), PROPERTIES);
  }
});

test('hands every property on to a subscriber that was away, and with a retained event', async () => {
  await leave('props-away', 'kept/#');
  using client = await connect();
  await client.deliver('kept/a', 'x', { qos: 1, retain: true, properties: PROPERTIES });
  using back = await connect({ clientId: 'props-away', clean: false });
  assert.deepEqual(plain(await back.take('publish')), PROPERTIES);
  using fresh = await connect();
  await fresh.subscribe('kept/#', 1);
  const packet = await fresh.take('publish');
  assert.equal(packet.retain, true);
  assert.deepEqual(plain(packet), PROPERTIES);
});

test('[MQTT-3.3.2-18] keeps user properties in the order they were sent, repeated names included', async () => {
  const pairs: [string, string][] = [
    ['b', '1'],
    ['a', '2'],
    ['b', '3'],
  ];
  const wire = pairs.flatMap(([name, value]) => [0x26, 0, 1, name.charCodeAt(0), 0, 1, value.charCodeAt(0)]);
  using client = await connect();
  await client.subscribe('sorted/#');
  const seen: Buffer[] = [];
  const pass = client.stream.onData;
  client.stream.onData = (chunk) => {
    seen.push(chunk);
    pass(chunk);
  };
  const body = [0, 8, ...Buffer.from('sorted/a'), wire.length, ...wire, 0x78];
  client.sendBytes([0x30, body.length, ...body]);
  await client.take('publish', { topic: 'sorted/a' });
  assert.ok(Buffer.concat(seen).includes(Buffer.from(wire)), Buffer.concat(seen).toString('latin1'));
});

test('hands an event on between versions: without properties to 3.1.1, plain from 3.1.1', async () => {
  using five = await connect();
  using four = await connect({ version: 4 });
  await five.subscribe('mixed/#', 1);
  await four.subscribe('mixed/#', 1);
  await five.deliver('mixed/a', 'five', { qos: 1, properties: PROPERTIES });
  await five.take('publish', { topic: 'mixed/a' });
  const packet = await four.expectMessage('mixed/a', 'five');
  assert.equal(packet.properties, undefined);
  await four.deliver('mixed/b', 'four', { qos: 1 });
  const plain = await five.expectMessage('mixed/b', 'four');
  assert.deepEqual({ ...plain.properties }, {});
});

test('hands on the properties of a will', async () => {
  using watcher = await connect();
  await watcher.subscribe('wprops/#');
  const { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties } = PROPERTIES;
  const properties = { payloadFormatIndicator, contentType, responseTopic, correlationData, userProperties };
  const client = await connect({ will: { topic: 'wprops/a', payload: Buffer.from('x'), properties } });
  client.destroy();
  assert.deepEqual(plain(await watcher.take('publish')), PROPERTIES);
});

test('[MQTT-3.3.2-5] [MQTT-3.3.2-6] delivers what has not expired with the time that is left, and nothing else', async () => {
  await leave('expiry', 'expiry/#');
  using publisher = await connect();
  await publisher.deliver('expiry/a', 'short', { qos: 1, properties: { messageExpiryInterval: 1 } });
  await publisher.deliver('expiry/a', 'long', { qos: 1, properties: { messageExpiryInterval: 100 } });
  await publisher.deliver('expiry/a', 'for ever', { qos: 1 });
  await publisher.deliver('expiry/r', 'retained', { qos: 1, retain: true, properties: { messageExpiryInterval: 1 } });
  await expireIn(1_100);
  using back = await connect({ clientId: 'expiry', clean: false });
  const long = await back.expectMessage('expiry/a', 'long');
  const left = long.properties?.messageExpiryInterval as number;
  assert.ok(left >= 90 && left <= 99, `${left} s left`);
  const last = await back.expectMessage('expiry/a', 'for ever');
  assert.equal(last.properties?.messageExpiryInterval, undefined);
  await back.expectQuiet();
  using fresh = await connect();
  await fresh.subscribe('expiry/r', 1);
  await fresh.expectQuiet();
});

/** Waits for the server's clock: a will that this delay makes due is the event. */
async function expireIn(ms: number): Promise<void> {
  using watcher = await connect();
  await watcher.subscribe('timer/#');
  const will = { topic: 'timer/done', payload: Buffer.alloc(0), properties: { willDelayInterval: Math.ceil(ms / 1_000) } };
  const client = await connect({ will, properties: { sessionExpiryInterval: 60 } });
  client.destroy();
  await watcher.take('publish', { topic: 'timer/done' });
}

test('[MQTT-3.11.3-1] [MQTT-3.11.3-2] answers UNSUBSCRIBE with a code for each filter', async () => {
  using client = await connect();
  await client.subscribe('codes/a', 1);
  const unsuback = await client.unsubscribe('codes/b', 'codes/a');
  assert.deepEqual(unsuback.granted, [0x11, 0]);
});

test('[MQTT-3.9.3-2] refuses a filter that is none with 0x8F and grants the others', async () => {
  using client = await connect();
  const suback = await client.subscribe({ 'fine/a': 2, 'bad/#/x': 1, 'fine/b': 0 });
  assert.deepEqual(suback.granted, [2, 0x8f, 0]);
  await client.deliver('fine/a', 'x', { qos: 1 });
  await client.take('publish', { topic: 'fine/a' });
});

test('[MQTT-3.7.2-1] [MQTT-3.6.2-1] answers a PUBREL or PUBREC for an unknown packet id with 0x92', async () => {
  using client = await connect({ auto: false });
  client.ack('pubrel', 999);
  await client.expect('pubcomp', { messageId: 999, reasonCode: 0x92 });
  client.ack('pubrec', 998);
  await client.expect('pubrel', { messageId: 998, reasonCode: 0x92 });
  await client.ping();
});

test('[MQTT-4.4.0-2] takes a PUBACK or PUBREC with an error for the end of that delivery', async () => {
  const session = { clientId: 'nack5', clean: false, auto: false, properties: { sessionExpiryInterval: 60 } };
  using publisher = await connect();
  {
    using client = await connect(session);
    await client.subscribe('nack5/#', 2);
    await publisher.deliver('nack5/a', '1', { qos: 1 });
    await publisher.deliver('nack5/a', '2', { qos: 2 });
    const [one, two] = (await client.messages(2)) as [Published, Published];
    client.send({ cmd: 'puback', messageId: one.messageId, reasonCode: 0x83 });
    client.send({ cmd: 'pubrec', messageId: two.messageId, reasonCode: 0x83 });
    await client.ping();
  }
  using back = await connect({ ...session, auto: true });
  await back.expectQuiet();
});

test('[MQTT-3.3.2-14] [MQTT-3.3.4-6] closes a client with a wildcard response topic or a subscription identifier in a PUBLISH', async () => {
  const id = [0x0b, 5];
  const response = [0x08, 0, 3, ...Buffer.from('a/+')];
  for (const property of [id, response]) {
    using client = await connect();
    const body = [0, 1, 0x61, property.length, ...property];
    client.sendBytes([0x30, body.length, ...body]);
    const goodbye = await client.take('disconnect');
    assert.ok([0x81, 0x82, 0x90].includes(goodbye.reasonCode as number), `${goodbye.reasonCode}`);
    await client.expectClose();
  }
});
