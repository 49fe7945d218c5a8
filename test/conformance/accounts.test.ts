import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeAccounts } from '../../src/access/password-file.ts';
import { hashPassword } from '../../src/access/password-hash.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// What both standards say of clients that may not come in, or not do what they ask.

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const users = join(folder.path, 'users');
await writeAccounts(users, new Map(['ann', 'bob'].map((name) => [name, hashPassword(Buffer.from(`${name}'s`))])));
const server = await shareServer({ set: { preset: 'firehose', 'access.users': users } });

const as = (user: string, options: RawConnect = {}): RawConnect => ({ username: user, password: `${user}'s`, auto: true, ...options });

for (const version of [4, 5] as const) {
  const lasting: RawConnect = { version, clean: false, ...(version === 5 ? { properties: { sessionExpiryInterval: 60 } } : {}) };

  test(`[MQTT-3.1.3-8] [MQTT3-3.1.3-9] [MQTT3-3.2.2-5] refuses the client id of somebody else's session, and closes (level ${version})`, async () => {
    const clientId = `owned${version}`;
    {
      using owner = await RawClient.connect(server.mqttUrl, as('ann', { ...lasting, clientId }));
      await owner.disconnect();
    }
    using client = await RawClient.open(server.mqttUrl, version);
    client.sendConnect(as('bob', { ...lasting, clientId }));
    await client.expect('connack', { sessionPresent: false, ...(version === 5 ? { reasonCode: 0x85 } : { returnCode: 2 }) });
    await client.expectClose();
  });

  test(`[MQTT-3.1.4-2] [MQTT-3.2.2-7] [MQTT3-3.2.2-4] [MQTT3-3.2.2-5] refuses a wrong password, and closes (level ${version})`, async () => {
    using client = await RawClient.open(server.mqttUrl, version);
    client.sendConnect({ ...lasting, username: 'ann', password: 'wrong', clientId: `wrong${version}` });
    await client.expect('connack', { sessionPresent: false, ...(version === 5 ? { reasonCode: 0x86 } : { returnCode: 4 }) });
    await client.expectClose();
  });
}

test('[MQTT-3.4.2-1] [MQTT-3.5.2-1] [MQTT-3.9.3-2] says 0x87 to a publish and a subscription that is not allowed, and nobody gets the event', async () => {
  using reader = await RawClient.connect(server.mqttUrl, { version: 5 });
  await reader.subscribe('#', 2);
  using client = await RawClient.connect(server.mqttUrl, as('ann', { version: 5, auto: false }));
  client.publish('bob/a', 'x', { qos: 1, messageId: 1 });
  await client.expect('puback', { messageId: 1, reasonCode: 0x87 });
  client.publish('bob/a', 'x', { qos: 2, messageId: 2 });
  await client.expect('pubrec', { messageId: 2, reasonCode: 0x87 });
  client.publish('bob/a', 'x');
  client.publish('ann/a', 'end', { qos: 1, messageId: 3 });
  await reader.expectMessage('ann/a', 'end');
  assert.deepEqual((await client.subscribe('$hydrant/clients/#')).granted, [0x87]);
});
