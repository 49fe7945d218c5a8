import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { recordFrames } from './wire.ts';

// MQTT 5 §3.15 AUTH, §4.12: a token is renewed while the connection goes on.

const server = await shareServer();
const withToken = { authenticationMethod: 'JWT', authenticationData: Buffer.from('token') };
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-4.12.0-5] [MQTT-3.15.2-1] [MQTT-3.15.2-2] [MQTT-3.15.2-3] CONNACK and the AUTH that ends a renewal have the method of the CONNECT, and nothing beside it', async () => {
  using client = await connect({ properties: withToken });
  assert.equal(client.connack.properties?.authenticationMethod, 'JWT');
  const frames = recordFrames(client);
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: withToken });
  const { properties } = await client.expect('auth', { reasonCode: 0 });
  assert.deepEqual({ ...properties }, { authenticationMethod: 'JWT' });
  assert.equal(frames[0]!.length, 2 + 1 + 1 + 3 + 'JWT'.length);
  await client.ping();
});

test('[MQTT-4.12.0-6] a client without a method gets none in CONNACK, and no AUTH', async () => {
  using client = await connect();
  assert.equal(client.connack.properties?.authenticationMethod, undefined);
  await client.ping();
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: withToken });
  await client.expect('disconnect', { reasonCode: 0x82 });
  await client.expectClose();
});

test('[MQTT-4.12.1-2] a renewal that fails is told in DISCONNECT and closes the connection', async () => {
  using client = await connect({ properties: withToken });
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: { ...withToken, authenticationMethod: 'SCRAM-SHA-1' } });
  const { reasonCode } = await client.expect('disconnect');
  assert.ok([0x82, 0x87, 0x8c].includes(reasonCode!), `${reasonCode}`);
  await client.expectClose();
});
