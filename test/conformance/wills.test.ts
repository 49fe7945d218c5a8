import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { connect5, field, properties, recordFrames } from './wire.ts';

// MQTT 5 §3.1.2.5 wills.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-3.1.2-7] [MQTT-3.1.2-10] a will is published once and forgotten, and not at all after DISCONNECT 0x00', async () => {
  using watcher = await connect();
  await watcher.subscribe('will-once/#');
  const will = { topic: 'will-once/a', payload: Buffer.from('x') };
  const session = { clientId: 'will-once', clean: false, properties: { sessionExpiryInterval: 60 } };
  const first = await connect({ ...session, will });
  first.destroy();
  await watcher.expectMessage('will-once/a', 'x');
  const second = await connect(session);
  second.destroy();
  const third = await connect({ ...session, will });
  await third.disconnect({ reasonCode: 0 });
  const fourth = await connect(session);
  fourth.destroy();
  await watcher.expectQuiet();
});

test('[MQTT-3.1.2-8] [MQTT-3.1.2-10] only DISCONNECT 0x00 drops the will: one that tells an error publishes it', async () => {
  using watcher = await connect();
  await watcher.subscribe('error-will/#');
  for (const reasonCode of [0x04, 0x80, 0x82, 0x95]) {
    const client = await connect({ will: { topic: 'error-will/a', payload: Buffer.from(`${reasonCode}`) } });
    await client.disconnect({ reasonCode });
    await watcher.expectMessage('error-will/a', `${reasonCode}`);
  }
});

test('[MQTT-3.1.2-8] a will does not wait for its delay when the session ends before', async () => {
  using watcher = await connect();
  await watcher.subscribe('will-end/#');
  const will = { topic: 'will-end/a', payload: Buffer.from('x'), properties: { willDelayInterval: 3600 } };
  const session = { clientId: 'will-end', properties: { sessionExpiryInterval: 7200 }, will };
  const left = await connect(session);
  await left.disconnect({ reasonCode: 4, properties: { sessionExpiryInterval: 0 } });
  await watcher.expectMessage('will-end/a', 'x');
  const waiting = await connect(session);
  await waiting.disconnect({ reasonCode: 4 });
  using fresh = await connect({ clientId: 'will-end', clean: true });
  await watcher.expectMessage('will-end/a', 'x');
  await fresh.ping();
});

test('[MQTT-3.1.2-14] [MQTT-3.1.2-15] a will is retained when it says so, and only then', async () => {
  using watcher = await connect();
  await watcher.subscribe('will-kept/#');
  for (const retain of [true, false]) {
    const client = await connect({ will: { topic: `will-kept/${retain}`, payload: Buffer.from('x'), retain } });
    client.destroy();
    await watcher.expectMessage(`will-kept/${retain}`, 'x', { retain: false });
  }
  using late = await connect();
  await late.subscribe('will-kept/#');
  await late.expectMessage('will-kept/true', 'x', { retain: true });
  await late.expectQuiet();
});

test('[MQTT-3.1.3-10] a will keeps the order of its user properties, repeated names included', async () => {
  using watcher = await connect();
  await watcher.subscribe('will-props/#');
  const frames = recordFrames(watcher);
  const pairs = ['b1', 'a2', 'b3', 'a1'].flatMap(([name, value]) => [0x26, ...field(name!), ...field(value!)]);
  const client = await RawClient.open(server.mqttUrl, 5);
  client.sendBytes(connect5(0x06, [field('will-props'), properties(pairs), field('will-props/a'), field('x')]));
  await client.expect('connack', { reasonCode: 0 });
  client.destroy();
  await watcher.take('publish', { topic: 'will-props/a' });
  assert.ok(frames[0]!.includes(Buffer.from(pairs)), frames[0]!.toString('latin1'));
});
