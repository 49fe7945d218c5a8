import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Child } from '../../src/testing/child.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort } from '../../src/testing/mosquitto.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// examples/device/device.mjs, as a device author runs it.

const PROGRAM = fileURLToPath(new URL('../../examples/device/device.mjs', import.meta.url));
const FROM_SOURCE = new URL('../../src/testing/from-source.ts', import.meta.url).href;
const STATE = '[{"l_cpu_temp":12,"r_cpu_temp":32,"flow":1,"pressure":12}]';
const DATA = Array.from({ length: 10 }, (_, index) => `{"index":${index},"val":${10 + index}}`);
const server = await shareServer();

const start = (env: Record<string, string>): Child => new Child(process.execPath, ['--import', FROM_SOURCE, PROGRAM], { env });
const prints = (child: Child, wanted: string): Promise<true> =>
  child.line((line) => line === wanted || undefined, 20_000, JSON.stringify(wanted));
const payloads = async (data: string, topic: string): Promise<string[]> =>
  (await findEvents(data, topic)).map(({ payload }) => Buffer.from(payload).toString());

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`the example sends the document's state and events, follows configuration and commands, and ends with 0 on ${signal}`, async () => {
    await using folder = await createTempFolder();
    const device = signal.toLowerCase();
    using operator = await RawClient.connect(server.mqttUrl, { auto: true });
    await operator.subscribe(`/devices/${device}/state`, 1);
    const env = { HYDRANT_URL: server.mqttUrl, DEVICE: device, OUTBOX: join(folder.path, 'outbox') };
    await using child = start(env);
    await prints(child, '10 events are on the bus');
    await operator.expectMessage(`/devices/${device}/state`, STATE);
    await operator.deliver(`/devices/${device}/config`, '{"interval":5}', { qos: 1, retain: true });
    await prints(child, 'config {"interval":5}');
    await operator.deliver(`/devices/${device}/commands/reboot`, 'now', { qos: 1 });
    await prints(child, 'command reboot now');
    assert.deepEqual(await child.kill(signal), { code: 0, signal: null }, child.text());
    assert.equal(child.stderr, '');
    assert.deepEqual(await payloads(server.data, `/devices/${device}/data`), DATA);
  });
}

test('what the example said to be on disk arrives once and in order, though it is killed offline and started again', async () => {
  await using folder = await createTempFolder();
  const port = await freePort();
  const env = { HYDRANT_URL: `mqtt://127.0.0.1:${port}`, OUTBOX: join(folder.path, 'outbox') };
  for (let run = 0; run < 2; run++) {
    await using child = start(env);
    await prints(child, '10 events are on disk');
    await child.kill('SIGKILL');
  }
  await using late = await startHydrant({ set: { 'listeners.mqtt.port': port } });
  using operator = await RawClient.connect(late.mqttUrl, { auto: true });
  await operator.subscribe('/devices/d1/state', 1);
  await using child = start(env);
  await prints(child, '10 events are on the bus');
  const updates: unknown[] = [];
  while (updates.length < 3) updates.push(...JSON.parse((await operator.take('publish')).payload.toString()));
  assert.equal(updates.length, 3, 'each update of the state, too');
  assert.deepEqual(await payloads(late.data, '/devices/d1/data'), [...DATA, ...DATA, ...DATA]);
  assert.deepEqual(await child.kill('SIGTERM'), { code: 0, signal: null }, child.text());
});

test('with a key the example logs in with tokens that it signs itself', async () => {
  await using folder = await createTempFolder();
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const key = join(folder.path, 'device.pem');
  const keys = join(folder.path, 'keys.pem');
  await writeFile(key, privateKey.export({ type: 'pkcs1', format: 'pem' }));
  await writeFile(keys, createPublicKey(privateKey).export({ type: 'spki', format: 'pem' }));
  await using guarded = await startHydrant({
    config: `access: {jwt: {keys: ${keys}}}\nacl: {anonymous: {}, pump: {publish: ['/devices/%u/#'], subscribe: ['/devices/%u/#']}}\n`,
  });
  await using child = start({ HYDRANT_URL: guarded.mqttUrl, DEVICE: 'pump', OUTBOX: join(folder.path, 'outbox'), KEY_FILE: key });
  await prints(child, '10 events are on the bus');
  assert.deepEqual(await payloads(guarded.data, '/devices/pump/data'), DATA);
});
