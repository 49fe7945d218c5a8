import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { closed, field, packet, properties, recordFrames } from './wire.ts';

// MQTT 5 §3.4 to §3.7 acknowledgements, §3.12 PINGREQ, §3.14 DISCONNECT, §4.13 errors.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

/** Reason codes of a DISCONNECT that a server may send, MQTT 5 §3.14.2.1. */
const SERVER_CODES = [0, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90];
const MORE_CODES = Array.from({ length: 0xa3 - 0x93 }, (_, i) => 0x93 + i);

test('[MQTT-3.12.4-1] answers every PINGREQ with one PINGRESP', async () => {
  using client = await connect();
  for (let i = 0; i < 5; i++) client.send({ cmd: 'pingreq' });
  for (let i = 0; i < 5; i++) await client.expect('pingresp');
});

const VIOLATIONS: Record<string, number[]> = {
  'a PUBLISH cut short': packet(0x30, [0, 9, 0x61]),
  'a property that PUBLISH does not have': packet(0x30, field('a'), properties([0x11, 0, 0, 0, 1])),
  'a property given twice': packet(0x30, field('a'), properties([0x01, 0], [0x01, 0])),
  'a payload format that does not exist': packet(0x30, field('a'), properties([0x01, 2])),
  'a PUBACK with a reason code that does not exist': packet(0x40, [0, 1, 0x01]),
  'a DISCONNECT with a reason code that does not exist': packet(0xe0, [0x03]),
  'a SUBSCRIBE with identifier 0': packet(0x82, [0, 1], properties([0x0b, 0]), field('a'), [0]),
  'a SUBSCRIBE with retain handling 3': packet(0x82, [0, 1, 0], field('a'), [0x30]),
  'a CONNACK': packet(0x20, [0, 0, 0]),
  'a SUBACK': packet(0x90, [0, 1, 0, 0]),
  'a PINGRESP': packet(0xd0),
  'an AUTH without an authentication method in CONNECT': packet(0xf0, [0x19], properties([0x15, ...field('JWT')])),
  'a PINGREQ with a body': packet(0xc0, [0]),
  'a PUBACK with bytes behind its properties': packet(0x40, [0, 1, 0, 0, 0]),
  'packet type 0': packet(0x00),
};

for (const [what, bytes] of Object.entries(VIOLATIONS)) {
  test(`[MQTT-4.13.1-1] [MQTT-4.13.2-1] [MQTT-3.14.2-1] [MQTT-3.14.2-2] [MQTT-3.14.4-1] [MQTT-3.14.4-2] answers ${what} with DISCONNECT and closes`, async () => {
    using client = await connect();
    client.sendBytes([...bytes, 0xc0, 0]);
    const { reasonCode, properties } = await client.expect('disconnect');
    assert.ok([...SERVER_CODES, ...MORE_CODES].includes(reasonCode!) && reasonCode! >= 0x80, `${reasonCode}`);
    assert.equal(properties?.sessionExpiryInterval, undefined);
    await client.expectClose();
  });
}

test('[MQTT-3.14.4-3] DISCONNECT ends what the client sends, and DISCONNECT 0x00 its will', async () => {
  using watcher = await connect();
  await watcher.subscribe('ended/#');
  using client = await connect({ will: { topic: 'ended/will', payload: Buffer.from('x') } });
  client.sendBytes([...packet(0xe0), ...packet(0x30, field('ended/late'), [0])]);
  await client.expectClose();
  await watcher.expectQuiet();
});

test('[MQTT-3.1.2-29] problem information: reason strings for those who did not decline them, but on DISCONNECT and CONNACK', async () => {
  for (const requestProblemInformation of [undefined, true, false]) {
    using client = await connect({ properties: { requestProblemInformation } });
    client.publish('$SYS/no', 'x', { qos: 1, messageId: 1 });
    const puback = await client.expect('puback', { reasonCode: 0x90 });
    client.publish('$SYS/no', 'x', { qos: 2, messageId: 2 });
    const pubrec = await client.expect('pubrec', { reasonCode: 0x90 });
    client.ack('pubrel', 999);
    const pubcomp = await client.expect('pubcomp', { reasonCode: 0x92 });
    client.ack('pubrec', 999);
    const pubrel = await client.expect('pubrel', { reasonCode: 0x92 });
    const suback = await client.subscribe('#/no');
    const unsuback = await client.unsubscribe('#/no');
    const told = [puback, pubrec, suback].map(({ properties }) => properties?.reasonString !== undefined);
    assert.deepEqual(told, [true, true, true].fill(requestProblemInformation !== false));
    for (const { cmd, properties } of [puback, pubrec, pubcomp, pubrel, suback, unsuback]) {
      assert.equal(properties?.userProperties, undefined, cmd);
      if (requestProblemInformation === false) assert.equal(properties?.reasonString, undefined, cmd);
    }
    const userProperties = { own: 'carried' };
    await client.subscribe('problem/a');
    client.publish('problem/a', 'x', { properties: { userProperties } });
    assert.deepEqual({ ...(await client.take('publish')).properties?.userProperties }, userProperties);
  }
});

test('[MQTT-3.4.2-2] [MQTT-3.4.2-3] [MQTT-3.5.2-2] [MQTT-3.5.2-3] [MQTT-3.6.2-2] [MQTT-3.6.2-3] [MQTT-3.7.2-2] [MQTT-3.7.2-3] [MQTT-3.14.2-3] [MQTT-3.14.2-4] no explanation makes a packet larger than the client takes', async () => {
  for (const maximumPacketSize of [5_000, 40, 30]) {
    using client = await connect({ properties: { maximumPacketSize } });
    const frames = recordFrames(client);
    client.publish('$SYS/no', 'x', { qos: 1, messageId: 1 });
    client.publish('$SYS/no', 'x', { qos: 2, messageId: 2 });
    client.ack('pubrel', 999);
    client.ack('pubrec', 999);
    client.sendBytes([0xf0, 0]);
    await closed(client);
    const kinds = client.history.slice(1).map(({ cmd }) => cmd);
    assert.deepEqual(kinds, ['puback', 'pubrec', 'pubcomp', 'pubrel', 'disconnect']);
    for (const frame of frames) assert.ok(frame.length <= maximumPacketSize, `${frame.length} bytes for ${maximumPacketSize}`);
    const told = client.history.filter(
      (packet) => 'properties' in packet && (packet.properties as { reasonString?: string })?.reasonString,
    );
    assert.equal(told.length > 1, maximumPacketSize === 5_000, `${told.length} reason strings for ${maximumPacketSize}`);
  }
});

test('[MQTT-3.14.2-1] [MQTT-3.14.4-2] a server that stops tells 0x8B and closes', async () => {
  await using stopping = await startHydrant();
  using client = await RawClient.connect(stopping.mqttUrl, { version: 5 });
  const exit = stopping.stop();
  await client.expect('disconnect', { reasonCode: 0x8b });
  await client.expectClose();
  await exit;
});
