import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { loadConfig } from '../../src/app/config.ts';
import { openDoors } from '../../src/app/listener-options.ts';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const NOT_AUTHORIZED = 0x87;
const EXAMPLES = fileURLToPath(new URL('../../examples/config/', import.meta.url));
const authority = await createTestAuthority();
const { cert, key } = await authority.server();
const ca = readFileSync(authority.ca);
after(() => authority[Symbol.asyncDispose]());

const doorsOf = (file: string): string[] =>
  openDoors(loadConfig({ env: {}, file: join(EXAMPLES, file) }).config).map(({ name, host, port }) => `${name} ${host} ${port}`);

/** Runs an example with an account, on free ports of the loopback and with certificates of the test's own. */
async function run(file: string, account: string, use: (server: HydrantServer) => Promise<void>): Promise<void> {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const added = await runHydrant(['user', 'add', account, '--data', data, '--password-file', '-'], { input: 'a long password\n' });
  assert.equal(added.code, 0, added.stderr);
  const hosts = Object.fromEntries(['mqtt', 'mqtts', 'ws', 'wss'].map((name) => [`listeners.${name}.host`, '127.0.0.1']));
  const { config } = loadConfig({ env: {}, file: join(EXAMPLES, file) });
  const tls = { 'tls.cert': cert, 'tls.key': key, ...(config.tls.ca ? { 'tls.ca': authority.ca } : {}) };
  await using server = await startHydrant({ data, args: ['--config', join(EXAMPLES, file)], set: { ...hosts, ...tls } });
  await use(server);
}

/** The reason code of one publish on a connection of its own. */
async function publish(url: string, topic: string, options: RawConnect = {}): Promise<number> {
  using client = await RawClient.connect(url, { version: 5, ...options });
  const messageId = client.publish(topic, 'x', { qos: 1 });
  return (await client.take('puback', { messageId })).reasonCode ?? 0;
}

test('the firehose: everybody reads by all four doors, each publisher writes below its own name', async () => {
  assert.deepEqual(doorsOf('firehose.yaml'), ['mqtt :: 1883', 'mqtts :: 8883', 'ws :: 80', 'wss :: 443', 'http 127.0.0.1 8080']);
  await run('firehose.yaml', 'gerrit', async ({ urls }) => {
    const doors = [urls.mqtt, urls.mqtts!, urls.ws, urls.wss!];
    const readers = await Promise.all(doors.map((url) => RawClient.connect(url, { tls: { ca } })));
    for (const reader of readers) await reader.subscribe('#');
    const gerrit = { username: 'gerrit', password: 'a long password', tls: { ca } };
    for (const [index, url] of doors.entries()) {
      assert.equal(await publish(url, `gerrit/${index}`, gerrit), 0);
      assert.equal(await publish(url, 'launchpad/x', gerrit), NOT_AUTHORIZED);
      assert.equal(await publish(url, 'gerrit/x', { tls: { ca } }), NOT_AUTHORIZED);
    }
    for (const reader of readers) {
      for (const index of doors.keys()) await reader.expectMessage(`gerrit/${index}`, 'x');
      reader.destroy();
    }
  });
});

test('devices: a certificate is who a device is, and nobody comes in without', async () => {
  assert.deepEqual(doorsOf('devices.yaml'), ['mqtt 127.0.0.1 1883', 'mqtts :: 8883', 'http 127.0.0.1 8080']);
  const sensor = await authority.client('sensor1');
  const tls = { ca, cert: readFileSync(sensor.cert), key: readFileSync(sensor.key) };
  await run('devices.yaml', 'operator', async ({ urls }) => {
    using operator = await RawClient.connect(urls.mqtt, { username: 'operator', password: 'a long password' });
    await operator.subscribe('#');
    assert.equal(await publish(urls.mqtts!, 'devices/sensor1/temperature', { tls }), 0);
    await operator.expectMessage('devices/sensor1/temperature', 'x');
    assert.equal(await publish(urls.mqtts!, 'devices/sensor2/temperature', { tls }), NOT_AUTHORIZED);
    using device = await RawClient.connect(urls.mqtts!, { tls });
    await device.subscribe('commands/sensor1/#');
    operator.publish('commands/sensor1/reboot', 'now');
    await device.expectMessage('commands/sensor1/reboot', 'now');
    await assert.rejects(RawClient.connect(urls.mqtts!, { tls: { ca } }));
    await assert.rejects(RawClient.connect(urls.mqtt), /CONNACK says/);
  });
});

test('there is no example that is not tested', async () => {
  assert.deepEqual((await readdir(EXAMPLES)).sort(), ['devices.yaml', 'firehose.yaml']);
});
