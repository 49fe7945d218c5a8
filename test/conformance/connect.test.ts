import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { closed, connect5, field, properties, recordFrames } from './wire.ts';

// MQTT 5 §3.1 CONNECT, §3.2 CONNACK.

const server = await shareServer();
const open = (): Promise<RawClient> => RawClient.open(server.mqttUrl, 5);
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-3.1.2-3] [MQTT-3.1.4-1] refuses with 0x81 connect flags that are reserved or contradict each other', async () => {
  for (const flags of [0b0000_0011, 0b0000_1010, 0b0001_0010, 0b0010_0010, 0b0001_1110]) {
    using client = await open();
    client.sendBytes(connect5(flags, [field('flags'), [0], field('w'), field('x')]));
    await client.expect('connack', { reasonCode: 0x81, sessionPresent: false });
    await client.expectClose();
  }
});

test('[MQTT-3.1.4-1] [MQTT-3.2.2-7] refuses a CONNECT cut short at each of its bytes, or with bytes behind its end', async () => {
  const whole = connect5(
    0xf6,
    [field('id'), properties([0x18, 0, 0, 0, 1]), field('w'), field('p'), field('u'), field('s')],
    properties([0x21, 0, 5]),
  );
  for (let length = 0; length < whole.length; length++) {
    if (length === whole.length - 2) continue;
    using client = await open();
    client.sendBytes([0x10, length, ...whole.slice(2, 2 + length), ...(length > whole.length - 2 ? [0] : [])]);
    await closed(client);
    const [connack] = client.history;
    if (connack) assert.ok(connack.cmd === 'connack' && (connack.reasonCode ?? 0) >= 0x80, JSON.stringify(connack));
  }
});

test('[MQTT-3.1.4-2] [MQTT-3.1.4-6] [MQTT-3.2.2-6] [MQTT-3.2.2-7] [MQTT-3.2.2-8] [MQTT-4.13.2-1] a CONNECT that fails a check is answered and closed, and nothing behind it is done', async () => {
  using watcher = await connect();
  await watcher.subscribe(['behind5/#', '$SYS/conformance']);
  const refused: [RawConnect, number][] = [
    [{ properties: { authenticationMethod: 'SCRAM-SHA-1' } }, 0x8c],
    [{ will: { topic: '$SYS/conformance', payload: Buffer.from('x') } }, 0x90],
  ];
  for (const [options, reasonCode] of refused) {
    using client = await open();
    client.sendConnect({ clean: false, ...options });
    client.publish('behind5/a', 'x');
    client.send({ cmd: 'pingreq' });
    await client.expect('connack', { reasonCode, sessionPresent: false });
    await client.expectClose();
  }
  await watcher.expectQuiet();
});

test('[MQTT-3.1.3-5] [MQTT-3.1.4-5] accepts each client id of 1 to 23 letters and digits', async () => {
  for (const clientId of ['0', '0123456789ABCDEFGHIJKLM', 'NOPQRSTUVWXYZabcdefghij', 'klmnopqrstuvwxyz']) {
    using client = await connect({ clientId });
    assert.equal(client.connack.reasonCode, 0);
    assert.equal(client.connack.properties?.assignedClientIdentifier, undefined);
  }
});

test('[MQTT-3.1.3-2] [MQTT-3.1.2-5] [MQTT-4.5.0-1] a session is found by its client id, with its subscriptions and what it missed', async () => {
  const session = (clientId: string): RawConnect => ({ clientId, clean: false, auto: true, properties: { sessionExpiryInterval: 60 } });
  for (const name of ['one', 'One']) {
    using client = await connect(session(`own-${name}`));
    await client.subscribe(`own/${name}`, 1);
    await client.disconnect();
  }
  using publisher = await connect();
  await publisher.deliver('own/one', '1', { qos: 1 });
  await publisher.deliver('own/One', '2', { qos: 1 });
  using upper = await connect(session('own-One'));
  await upper.expectMessage('own/One', '2');
  await upper.expectQuiet();
  using lower = await connect(session('own-one'));
  await lower.expectMessage('own/one', '1');
  await lower.expectQuiet();
});

test('[MQTT-3.2.0-1] [MQTT-3.2.0-2] CONNACK comes first and once, whatever waits for the client and whatever it sends at once', async () => {
  const session = { clientId: 'first5', clean: false, properties: { sessionExpiryInterval: 60 } };
  {
    using client = await connect(session);
    await client.subscribe('first5/#', 1);
    await client.disconnect();
  }
  using publisher = await connect();
  for (let i = 0; i < 5; i++) await publisher.deliver('first5/a', `${i}`, { qos: 1 });
  using client = await open();
  client.sendConnect(session);
  client.send({ cmd: 'pingreq' });
  client.publish('first5/b', 'own', { qos: 1 });
  client.sendConnect(session);
  await closed(client);
  const kinds = client.history.map(({ cmd }) => cmd);
  assert.equal(kinds[0], 'connack');
  assert.equal(kinds.filter((cmd) => cmd === 'connack').length, 1, kinds.join(' '));
});

test('[MQTT-3.2.2-1] [MQTT-3.2.2-2] [MQTT-3.2.2-3] the acknowledge flags are 1 for a session resumed, else 0', async () => {
  for (const [clean, flags] of [
    [true, 0],
    [false, 1],
    [false, 1],
    [true, 0],
  ] as const) {
    using client = await open();
    const frames = recordFrames(client);
    client.sendConnect({ clientId: 'ackflags', clean, properties: { sessionExpiryInterval: 60 } });
    await client.expect('connack', { reasonCode: 0 });
    const at = frames[0]![1]! < 128 ? 2 : 3;
    assert.deepEqual([...frames[0]!.subarray(at, at + 2)], [flags, 0]);
    await client.disconnect();
  }
});

test('[MQTT-3.2.2-9] [MQTT-3.2.2-10] [MQTT-3.2.2-12] [MQTT-3.2.2-13] has QoS 2 and retained messages, and states no less', async () => {
  using watcher = await connect({ auto: true });
  for (const qos of [0, 1, 2] as QoS[]) assert.deepEqual((await watcher.subscribe('able/#', qos)).granted, [qos]);
  const client = await connect({ will: { topic: 'able/a', payload: Buffer.from('x'), qos: 2, retain: true } });
  assert.equal(client.connack.properties?.maximumQoS, undefined);
  assert.notEqual(client.connack.properties?.retainAvailable, false);
  client.destroy();
  await watcher.expectMessage('able/a', 'x', { qos: 2 });
  using late = await connect({ auto: true });
  await late.subscribe('able/#', 2);
  await late.expectMessage('able/a', 'x', { qos: 2, retain: true });
});

test('[MQTT-3.1.2-22] [MQTT-3.2.2-22] a client silent for 1.5 times its own keep-alive is told 0x8D and closed; one that pings is not', {
  timeout: 30_000,
}, async () => {
  using silent = await connect({ keepalive: 1 });
  assert.equal(silent.connack.properties?.serverKeepAlive, undefined);
  using pinging = await connect({ keepalive: 1 });
  const startMs = performance.now();
  const beat = setInterval(() => pinging.send({ cmd: 'pingreq' }), 300);
  try {
    await silent.expect('disconnect', { reasonCode: 0x8d });
    assert.ok(performance.now() - startMs >= 1_400);
    await silent.expectClose();
    assert.equal(pinging.closed, false);
  } finally {
    clearInterval(beat);
  }
});

test('[MQTT-3.1.2-28] response information is for clients that ask for it', async () => {
  using asking = await connect({ properties: { requestResponseInformation: true } });
  assert.match(asking.connack.properties?.responseInformation as string, /./);
  for (const requestResponseInformation of [false, undefined]) {
    using client = await connect({ properties: { requestResponseInformation } });
    assert.equal(client.connack.properties?.responseInformation, undefined);
  }
});

test('[MQTT-3.1.2-24] [MQTT-3.2.2-19] [MQTT-3.2.2-20] CONNACK is not larger than the client takes', async () => {
  for (const [maximumPacketSize, explained] of [
    [2_000, true],
    [40, false],
    [20, false],
    [5, false],
  ] as const) {
    using client = await open();
    const frames = recordFrames(client);
    client.sendConnect({ properties: { maximumPacketSize, authenticationMethod: 'SCRAM-SHA-1' } });
    const { reasonCode, properties } = await client.expect('connack');
    assert.equal(reasonCode, 0x8c);
    assert.equal(properties?.reasonString !== undefined, explained, `${maximumPacketSize}`);
    assert.equal(properties?.userProperties, undefined);
    assert.ok(frames[0]!.length <= maximumPacketSize, `${frames[0]!.length} bytes for ${maximumPacketSize}`);
  }
});

test('[MQTT-3.1.2-24] a client that takes less than the CONNACK that lets it in gets nothing larger', async () => {
  for (let maximumPacketSize = 1; maximumPacketSize < 40; maximumPacketSize += 3) {
    using client = await open();
    const frames = recordFrames(client);
    client.sendConnect({ clientId: '', properties: { maximumPacketSize } });
    client.send({ cmd: 'disconnect', reasonCode: 0 });
    await closed(client);
    for (const frame of frames) assert.ok(frame.length <= maximumPacketSize, `${frame.length} bytes for ${maximumPacketSize}`);
  }
});

test('[MQTT-3.14.0-1] of two that connect at once with one client id, the older is told nothing before its CONNACK', async () => {
  for (let i = 0; i < 10; i++) {
    const session = { clientId: 'rush5', clean: i % 2 === 0, properties: { sessionExpiryInterval: 60 } };
    using older = await open();
    using newer = await open();
    older.sendConnect(session);
    newer.sendConnect(session);
    await newer.expect('connack', { reasonCode: 0 }).catch(() => older.expect('connack', { reasonCode: 0 }));
    newer.destroy();
    older.destroy();
    await Promise.all([closed(older), closed(newer)]);
    for (const { history } of [older, newer]) {
      const goodbye = history.findIndex(({ cmd }) => cmd === 'disconnect');
      assert.ok(goodbye !== 0, JSON.stringify(history));
    }
  }
});
