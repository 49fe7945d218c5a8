import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const RECEIVE_MAXIMUM = 4;
const server = await shareServer({ set: { 'limits.receiveMaximum': RECEIVE_MAXIMUM, 'limits.keepAlive': '60s', 'limits.inFlight': 7 } });
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-3.3.4-7] [MQTT-3.3.4-8] a client may have as many messages open as the CONNACK says; one more closes it with 0x93', async () => {
  using client = await connect();
  assert.equal(client.connack.properties?.receiveMaximum, RECEIVE_MAXIMUM);
  for (let i = 0; i < RECEIVE_MAXIMUM; i++) {
    const id = client.publish('open/a', `${i}`, { qos: 2 });
    await client.expect('pubrec', { messageId: id });
  }
  await client.ping();
  client.publish('open/a', 'one more', { qos: 1 });
  await client.expect('disconnect', { reasonCode: 0x93 });
  await client.expectClose();
});

test('[MQTT-4.9.0-2] each PUBACK and PUBCOMP makes room for one more, also for a session that came back with messages open', async () => {
  const options = { clientId: 'quota', clean: false, properties: { sessionExpiryInterval: 600 } };
  const first = await connect(options);
  for (let i = 0; i < 50; i++) await first.deliver('quota/a', `${i}`, { qos: i % 2 ? 1 : 2 });
  const open = [];
  for (let i = 0; i < RECEIVE_MAXIMUM; i++) open.push(first.publish('quota/a', 'open', { qos: 2, messageId: 1000 + i }));
  for (const messageId of open) await first.take('pubrec', { messageId });
  first.destroy();
  using back = await connect(options);
  assert.equal(back.connack.sessionPresent, true);
  back.ack('pubrel', open[0]);
  await back.take('pubcomp', { messageId: open[0]! });
  await back.deliver('quota/a', 'there is room for this one', { qos: 1 });
  back.publish('quota/a', 'there is room', { qos: 2, messageId: 2000 });
  await back.take('pubrec', { messageId: 2000 });
  back.publish('quota/a', 'there is none', { qos: 2, messageId: 2001 });
  await back.expect('disconnect', { reasonCode: 0x93 });
});

test('an MQTT 3.1.1 client was told no maximum, so none is held against it', async () => {
  using client = await RawClient.connect(server.mqttUrl);
  const ids = Array.from({ length: 3 * RECEIVE_MAXIMUM }, () => client.publish('open/b', 'x', { qos: 2 }));
  for (const messageId of ids) await client.expect('pubrec', { messageId });
});

test('[MQTT-3.3.4-9] [MQTT-4.9.0-1] [MQTT-4.9.0-3] has no more open to a client than it takes, and never hangs: pings are answered, each acknowledgement brings the next', async () => {
  using publisher = await connect({ auto: true });
  using client = await connect({ properties: { receiveMaximum: 2 } });
  await client.subscribe({ 'flow/#': 2 });
  for (let i = 0; i < 6; i++) await publisher.deliver('flow/a', `${i}`, { qos: 2 });
  for (let i = 0; i < 6; i += 2) {
    const pair = await client.messages(2);
    await client.ping();
    for (const { messageId } of pair) {
      client.ack('pubrec', messageId);
      await client.expect('pubrel', { messageId: messageId! });
    }
    await client.ping();
    for (const { messageId } of pair) client.ack('pubcomp', messageId);
  }
  await client.expectQuiet();
});

test('[MQTT-3.3.4-9] a session that comes back with a smaller receive maximum gets its open messages again in its own measure', async () => {
  using publisher = await connect({ auto: true });
  const options = { clientId: 'smaller', clean: false };
  const first = await connect({ ...options, properties: { sessionExpiryInterval: 600 } });
  await first.subscribe({ 'smaller/#': 2 });
  const sent = [];
  for (let i = 0; i < 6; i++) {
    await publisher.deliver('smaller/a', `${i}`, { qos: i % 2 ? 1 : 2 });
    sent.push(...(await first.messages(1)));
  }
  first.ack('pubrec', sent[4]!.messageId);
  await first.take('pubrel', { messageId: sent[4]!.messageId! });
  first.destroy();
  await publisher.deliver('smaller/a', '6', { qos: 1 });
  using back = await connect({ ...options, properties: { sessionExpiryInterval: 600, receiveMaximum: 2 } });
  const came: string[] = [];
  for (let i = 0; i < 4; i += 2) {
    const pair = await back.messages(2);
    await back.ping();
    for (const { payload, messageId, qos, dup } of pair) {
      came.push(`${payload}${dup ? ' dup' : ''}`);
      if (qos === 1) back.ack('puback', messageId);
      else back.send({ cmd: 'pubrec', messageId: messageId!, reasonCode: 0x80 });
    }
  }
  const { messageId } = await back.take('pubrel', { messageId: sent[4]!.messageId! });
  const [last] = await back.messages(1);
  await back.ping();
  back.ack('pubcomp', messageId);
  const [after] = await back.messages(1);
  came.push(...[last!, after!].map(({ payload, dup }) => `${payload}${dup ? ' dup' : ''}`));
  assert.deepEqual(came, ['0 dup', '1 dup', '2 dup', '3 dup', '5 dup', '6']);
});

test('[MQTT-3.2.2-21] [MQTT-3.1.2-21] tells a client that asks for a longer keep-alive, or for none, which one holds', async () => {
  for (const [keepalive, told] of [
    [0, 60],
    [3600, 60],
    [60, undefined],
    [5, undefined],
  ] as const) {
    using client = await connect({ keepalive });
    assert.equal(client.connack.properties?.serverKeepAlive, told, `asked for ${keepalive}`);
  }
});

test('says why in a reason string, unless the client asked for none', async () => {
  const why = async (properties: RawConnect['properties']) => {
    using client = await connect({ properties });
    client.publish('$SYS/fake', 'x', { qos: 1 });
    return (await client.expect('puback', { reasonCode: 0x90 })).properties?.reasonString;
  };
  assert.match((await why({}))!, /only the server publishes/);
  assert.match((await why({ requestProblemInformation: true }))!, /only the server publishes/);
});

test('[MQTT-3.1.2-29] a client that wants no problem information gets reason strings on CONNACK and DISCONNECT only', async () => {
  using client = await connect({ properties: { requestProblemInformation: false } });
  client.publish('$SYS/fake', 'x', { qos: 1 });
  assert.equal((await client.expect('puback', { reasonCode: 0x90 })).properties, undefined);
  assert.equal((await client.subscribe('a/#/b')).properties, undefined);
  client.send({ cmd: 'publish', topic: 'a', payload: 'x', qos: 0, retain: false, dup: false, properties: { topicAlias: 9999 } });
  assert.match((await client.expect('disconnect')).properties!.reasonString!, /alias/);
});

test('[MQTT-3.4.2-2] leaves a reason string out when the client takes only small packets', async () => {
  using client = await connect({ properties: { maximumPacketSize: 40 } });
  client.publish('$SYS/fake', 'x', { qos: 1 });
  assert.equal((await client.expect('puback', { reasonCode: 0x90 })).properties, undefined);
});

test('a payload that is said to be UTF-8 and is not is refused with 0x99, at QoS 0 dropped; nobody gets it', async () => {
  using reader = await connect();
  await reader.subscribe('format/#');
  using client = await connect();
  const properties = { payloadFormatIndicator: true };
  const bad = Buffer.from([0xc3, 0x28]);
  client.publish('format/a', bad, { qos: 1, properties });
  await client.expect('puback', { reasonCode: 0x99 });
  client.publish('format/a', bad, { qos: 2, properties });
  await client.expect('pubrec', { reasonCode: 0x99 });
  client.publish('format/a', bad, { qos: 0, properties });
  client.publish('format/a', bad, { qos: 0 });
  await client.deliver('format/a', 'grüße', { qos: 1, properties });
  assert.deepEqual(
    (await reader.messages(2)).map(({ payload }) => payload),
    [bad, Buffer.from('grüße')],
  );
});

test('[MQTT-3.1.2-28] response information is a topic of the client alone, given when it asks', async () => {
  using client = await connect({ clientId: 'asks/a', properties: { requestResponseInformation: true } });
  assert.equal(client.connack.properties?.responseInformation, 'reply/asks%2fa');
  using silent = await connect({ properties: { requestResponseInformation: false } });
  assert.equal(silent.connack.properties?.responseInformation, undefined);
});

test('a will on a topic of the server is refused at CONNECT', async () => {
  for (const [version, fields] of [
    [4, { returnCode: 3 }],
    [5, { reasonCode: 0x90 }],
  ] as const) {
    using client = await RawClient.open(server.mqttUrl, version);
    client.sendConnect({ version, will: { topic: '$SYS/broker/uptime', payload: Buffer.from('x'), qos: 0, retain: false } });
    await client.expect('connack', fields);
    await client.expectClose();
  }
});
