import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Authentication method JWT: a token at CONNECT, and a new one by AUTH before it ends, MQTT 5 §4.12.

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const { publicKey, privateKey } = await generateKeyPair('ES256');
await writeFile(join(folder.path, 'keys.json'), JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), alg: 'ES256', kid: 'k' }] }));
const server = await shareServer({ set: { 'access.jwt.keys': join(folder.path, 'keys.json'), 'access.jwt.clockSkew': '0s' } });

interface Claims {
  acl?: { publish?: string[]; subscribe?: string[] };
}

function token(user: string, seconds: number, claims: Claims = {}): Promise<string> {
  const key = new SignJWT({ ...claims }).setProtectedHeader({ alg: 'ES256', kid: 'k' }).setSubject(user);
  return key.setExpirationTime(Math.ceil(Date.now() / 1000) + seconds).sign(privateKey);
}

const method = (data: string, name = 'JWT') => ({ authenticationMethod: name, authenticationData: Buffer.from(data) });
const connect = (options: RawConnect): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, ...options });

test('[MQTT-4.12.0-5] a token comes in as Authentication Data or as a password; the method is repeated in the CONNACK', async () => {
  using client = await connect({ properties: method(await token('ann', 600)) });
  assert.equal(client.connack.properties?.authenticationMethod, 'JWT');
  using other = await connect({ username: 'ann', password: await token('ann', 600) });
  assert.equal(other.connack.properties?.authenticationMethod, undefined);
  using bad = await RawClient.open(server.mqttUrl, 5);
  bad.sendConnect({ version: 5, properties: method(`${await token('ann', 600)}x`) });
  await bad.expect('connack', { reasonCode: 0x86 });
});

test('[MQTT-4.12.0-1] another authentication method is refused with 0x8C', async () => {
  using client = await RawClient.open(server.mqttUrl, 5);
  client.sendConnect({ version: 5, properties: method('x', 'SCRAM-SHA-256') });
  await client.expect('connack', { reasonCode: 0x8c });
  await client.expectClose();
});

test('[MQTT-4.12.1-1] AUTH brings a new token: the connection goes on past the end of the first one, with the rights of the second', async () => {
  using client = await connect({ properties: method(await token('bob', 3, { acl: { publish: ['old/#'] } })) });
  await client.deliver('old/a', 'x', { qos: 1 });
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: method(await token('bob', 600, { acl: { publish: ['new/#'] } })) });
  const answer = await client.expect('auth', { reasonCode: 0 });
  assert.equal(answer.properties?.authenticationMethod, 'JWT');
  client.publish('old/a', 'x', { qos: 1 });
  await client.expect('puback', { reasonCode: 0x87 });
  client.publish('new/a', 'x', { qos: 1 });
  await client.expect('puback', { reasonCode: 0 });
  // One who did not renew, connected after it and cut by the server, is the sign that the first token's time is over.
  using left = await connect({ properties: method(await token('bob', 3)) });
  await left.expect('disconnect', { reasonCode: 0xa0 });
  await left.expectClose();
  await client.ping();
});

test('[MQTT-4.12.1-2] a new token that is not good, or of another user, ends the connection with 0x87', async () => {
  for (const data of [await token('eve', 600), 'no token at all']) {
    using client = await connect({ properties: method(await token('bob', 600)) });
    client.send({ cmd: 'auth', reasonCode: 0x19, properties: method(data) });
    await client.expect('disconnect', { reasonCode: 0x87 });
    await client.expectClose();
  }
});

test('[MQTT-4.12.0-7] AUTH from a client that named no method, or names another one, is a protocol error', async () => {
  using plain = await connect({ password: await token('bob', 600), username: 'bob' });
  plain.send({ cmd: 'auth', reasonCode: 0x19, properties: method(await token('bob', 600)) });
  await plain.expect('disconnect', { reasonCode: 0x82 });
  using client = await connect({ properties: method(await token('bob', 600)) });
  client.send({ cmd: 'auth', reasonCode: 0x19, properties: method('x', 'OTHER') });
  await client.expect('disconnect', { reasonCode: 0x82 });
});

test('a session belongs to its user: another one cannot take the client id, nor its connection', async () => {
  const session: RawConnect = { clientId: 'mine', clean: false, properties: { sessionExpiryInterval: 600 } };
  using first = await connect({ ...session, username: 'ann', password: await token('ann', 600) });
  for (const clean of [true, false]) {
    using thief = await RawClient.open(server.mqttUrl, 5);
    thief.sendConnect({ ...session, version: 5, clean, username: 'bob', password: await token('bob', 600) });
    await thief.expect('connack', { reasonCode: 0x85 });
  }
  await first.ping();
  await first.disconnect();
  using thief = await RawClient.open(server.mqttUrl);
  thief.sendConnect({ clientId: 'mine', clean: false, username: 'bob', password: await token('bob', 600) });
  await thief.expect('connack', { returnCode: 2 });
  using back = await connect({ ...session, username: 'ann', password: await token('ann', 600) });
  assert.equal(back.connack.sessionPresent, true);
});
