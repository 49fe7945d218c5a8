import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { type Client, generic, openClient } from '../../src/client/index.ts';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import type { HydrantError } from '../../src/core/errors.ts';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const profile = generic({ device: 'd1' });
const WAIT_MS = 20_000;

/** Publishes as the service would. */
async function openService(url: string): Promise<Client> {
  return openClient({ outbox: ':memory:', url });
}

const down = (client: Client): Promise<void> => new Promise((resolve) => client.on('link', ({ kind }) => kind === 'down' && resolve()));
const up = (client: Client): Promise<void> => new Promise((resolve) => client.on('link', ({ kind }) => kind === 'up' && resolve()));

/** The next of an iterator, as text. */
async function next(iterator: AsyncIterator<{ payload: Uint8Array }>, what: string): Promise<string> {
  const { value, done } = await within(iterator.next(), WAIT_MS, what);
  return done ? 'the end' : Buffer.from(value.payload).toString();
}

for (const version of [5, 4] as const) {
  test(`a configuration comes once, also over reconnects and restarts; the last one is there without a connection · MQTT ${version}`, async () => {
    await using folder = await createTempFolder();
    await using server = await startMosquitto();
    await using proxy = await startBreakingProxy(server.port);
    await using service = await openService(server.url);
    const put = (payload: string) => service.publish({ topic: '/devices/d1/config', payload, retain: true }).acked;
    await put('one');
    const first = await openClient({ outbox: folder.path, profile, version, url: `mqtt://127.0.0.1:${proxy.port}` });
    const configs = first.config();
    assert.equal(await next(configs, 'the configuration that was there'), 'one');
    const waiting = next(configs, 'the second one');
    const again = up(first);
    proxy.cut();
    await within(again, WAIT_MS, 'another connection');
    await put('one');
    await put('two');
    assert.equal(await waiting, 'two', 'the first one is not given again');
    await first.close();
    assert.equal(await next(configs, 'the end'), 'the end');
    await using second = await openClient({ outbox: folder.path, profile, version, url: `mqtt://127.0.0.1:${await freePort()}` });
    const { value } = await second.config().next();
    assert.deepEqual([Buffer.from(value!.payload).toString(), value!.stored], ['two', true]);
  });
}

test('a configuration with the same version is not given again', async () => {
  await using server = await startMosquitto();
  await using service = await openService(server.url);
  await using client = await openClient({ outbox: ':memory:', profile, url: server.url });
  const configs = client.config();
  const seen = next(configs, 'the first one');
  await within(up(client), WAIT_MS, 'the connection');
  const put = (payload: string, version: string) =>
    service.publish({ topic: '/devices/d1/config', payload, retain: true, props: { user: [['version', version]] } }).acked;
  await put('a', '1');
  assert.equal(await seen, 'a');
  const later = configs.next();
  await put('a, written otherwise', '1');
  await put('b', '2');
  const { value } = await within(later, WAIT_MS, 'the next one');
  assert.deepEqual([Buffer.from(value!.payload).toString(), value!.version, value!.stored], ['b', '2', false]);
});

test('a configuration that a full disk does not take is given all the same, with a warning, and kept once there is room', async () => {
  await using server = await startMosquitto();
  await using service = await openService(server.url);
  await using disk = await mountSmallDisk(32 << 20);
  const outbox = join(disk.path, 'box');
  await using client = await openClient({ outbox, profile, url: server.url });
  const warned = new Promise<HydrantError>((resolve) => client.on('warning', ({ error }) => resolve(error)));
  const configs = client.config();
  const large = configs.next();
  await within(up(client), WAIT_MS, 'the connection');
  // More than is kept back for deleting.
  await disk.fill(26 << 20);
  const put = (payload: string) => service.publish({ topic: '/devices/d1/config', payload, retain: true }).acked;
  await put('x'.repeat(6 << 20));
  assert.equal((await within(large, WAIT_MS, 'the configuration')).value!.payload.length, 6 << 20);
  const { code, message } = await within(warned, WAIT_MS, 'the warning');
  assert.deepEqual([code, /configuration is not kept yet.*full/.test(message)], ['HYD_OUTBOX', true], message);
  await disk.free();
  await using reader = await openOutbox(outbox);
  await until(async () => (await reader.getNote('config')) !== undefined, 'it to be kept');
  const small = next(configs, 'the next one');
  await put('small');
  assert.equal(await small, 'small');
});

test('a command is acknowledged after its handler: what was under way when the process ended comes again', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using service = await openService(server.url);
  const options = { outbox: folder.path, profile, url: server.url };
  const send = (name: string) => service.publish({ topic: `/devices/d1/commands${name}`, payload: `do ${name}` }).acked;
  const first = await openClient(options);
  const commands = first.commands();
  const begun = commands.next();
  await within(up(first), WAIT_MS, 'the connection');
  await send('/reboot/now');
  const one = await within(begun, WAIT_MS, 'the first command');
  assert.deepEqual([one.value!.name, Buffer.from(one.value!.payload).toString()], ['reboot/now', 'do /reboot/now']);
  const two = commands.next();
  await send('');
  assert.equal((await within(two, WAIT_MS, 'the second one')).value!.name, '');
  await first.close();
  await send('/later');
  await using second = await openClient(options);
  const again = second.commands();
  assert.equal(await next(again, 'the one that was not done with'), 'do ');
  assert.equal(await next(again, 'the one that came meanwhile'), 'do /later');
});

test('subscriptions stand again after every reconnect, end with the client, and with the loop', async () => {
  await using server = await startMosquitto();
  await using proxy = await startBreakingProxy(server.port);
  await using service = await openService(server.url);
  const client = await openClient({ outbox: ':memory:', url: `mqtt://127.0.0.1:${proxy.port}` });
  const seen: string[] = [];
  const got = new Map<string, () => void>();
  const comes = (text: string): Promise<void> => within(new Promise((resolve) => got.set(text, resolve)), WAIT_MS, text);
  const loop = (async () => {
    for await (const { event } of client.subscribe(['a/+', 'b'])) {
      const text = Buffer.from(event.payload).toString();
      seen.push(text);
      got.get(text)?.();
    }
  })();
  await within(up(client), WAIT_MS, 'the connection');
  for (let i = 0; i < 3; i++) {
    const came = comes(`${i}`);
    await service.publish({ topic: i === 1 ? 'b' : `a/${i}`, payload: `${i}` }).acked;
    await came;
    const lost = down(client);
    const again = up(client);
    proxy.cut();
    await within(Promise.all([lost, again]), WAIT_MS, 'another connection');
  }
  await client.close();
  await within(loop, WAIT_MS, 'the end of the loop');
  assert.deepEqual([...new Set(seen)], ['0', '1', '2']);
});

test('a loop that is left ends its subscription and holds up no other one', async () => {
  await using server = await startMosquitto({ config: ['max_inflight_messages 2'] });
  await using service = await openService(server.url);
  const put = (payload: string) => service.publish({ topic: '/devices/d1/config', payload, retain: true }).acked;
  await put('first');
  await using client = await openClient({ outbox: ':memory:', profile, url: server.url });
  for await (const { payload } of client.config()) {
    assert.equal(Buffer.from(payload).toString(), 'first');
    break;
  }
  const commands = client.commands();
  const begun = next(commands, 'the first command');
  for (let i = 0; i < 5; i++) await put(`${i}`);
  for (let i = 0; i < 5; i++) await service.publish({ topic: `/devices/d1/commands/${i}`, payload: `do ${i}` }).acked;
  assert.equal(await begun, 'do 0');
  for (let i = 1; i < 5; i++) assert.equal(await next(commands, `command ${i}`), `do ${i}`);
});

test('a filter that is none, and what the profile does not have, is told by the iterator', async () => {
  await using client = await openClient({ outbox: ':memory:', url: `mqtt://127.0.0.1:${await freePort()}` });
  await assert.rejects(client.subscribe('a/#/b').next(), { code: 'HYD_FILTER' });
  await assert.rejects(client.config().next(), { code: 'HYD_UNSUPPORTED' });
  await assert.rejects(client.commands().next(), { code: 'HYD_UNSUPPORTED' });
});
