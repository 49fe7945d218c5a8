import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { type AzureStandIn, startAzure } from '../../testing/azure-stand-in.ts';
import { until, within } from '../../testing/deadline.ts';
import { testHangUps } from '../../testing/hang-ups.ts';
import { RawClient, type RawConnect } from '../../testing/raw-client.ts';
import { sas } from '../credentials/sas.ts';
import { openClient } from '../open-client.ts';
import { azure } from './azure.ts';
import { azureEventGrid } from './azure-event-grid.ts';
import type { Profile } from './profile.ts';

const LIMIT_MS = 60_000;
const HOST = 'h1.azure-devices.net';
const KEY = Buffer.from('the key of the device d1').toString('base64');

async function start(t: TestContext): Promise<AzureStandIn> {
  const service = await startAzure({ host: HOST, devices: new Map([['d1', KEY]]) });
  t.after(() => service[Symbol.asyncDispose]());
  return service;
}

const profileOf = (service: AzureStandIn): Profile => azure({ hub: 'h1', device: 'd1', key: KEY, url: service.url });

async function login(service: AzureStandIn, options: RawConnect & { lifeSeconds?: number; key?: string } = {}): Promise<RawClient> {
  const { lifeSeconds, key = KEY, ...rest } = options;
  const provider = sas({ hub: 'h1', device: 'd1', key, lifeSeconds });
  const { username, password } = await provider({ url: service.url, refusals: 0, signal: new AbortController().signal });
  return RawClient.connect(service.url, { clientId: 'd1', username, password: String(password), ...rest });
}

test('thousands of events at full speed stay within the rules of the service, and all arrive in their order', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service) });
  const data = client.channel('data');
  const acked = Array.from({ length: 5_000 }, (_, n) => data.publish(`${n}`, { sub: n % 2 ? 'pump/7' : undefined }).acked);
  await within(Promise.all(acked), LIMIT_MS, () => `acknowledgements; closed: ${service.closings.join(', ')}`);
  assert.deepEqual(
    service.received.map(({ text }) => Number(text)),
    Array.from({ length: 5_000 }, (_, n) => n),
  );
  assert.equal(service.received[0]?.topic, 'devices/d1/messages/events/');
  assert.equal(service.received[1]?.topic, 'devices/d1/messages/events/sub=pump%2F7');
  assert.deepEqual(service.closings, []);
});

test('the state is what the twin has as reported, sent as changes', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service) });
  const state = client.channel('state', { mode: 'last' });
  state.update({ a: 1, b: { c: 2 } });
  await state.publishNow();
  state.update({ b: { d: 3 } });
  await state.publishNow();
  assert.equal(JSON.stringify(service.twins.get('d1')), '{"a":1,"b":{"d":3}}', 'the newest b, nothing of the one before');
  assert.deepEqual(
    service.received.map(({ topic, text }) => `${topic} ${text}`),
    [
      '$iothub/twin/PATCH/properties/reported/?$rid=state {"a":1,"b":{"c":2}}',
      '$iothub/twin/PATCH/properties/reported/?$rid=state {"b":{"c":null,"d":3}}',
    ],
  );
});

test('desired properties come as configuration, cloud-to-device messages as commands', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service) });
  const [config, command] = [client.config().next(), client.commands().next()];
  await until(() => service.deliver('$iothub/twin/PATCH/properties/desired/?$version=3', '{"a":1}') > 0, 'the subscription to the twin');
  assert.equal(Buffer.from((await config).value?.payload ?? '').toString(), '{"a":1}');
  await until(() => service.deliver('devices/d1/messages/devicebound/p=1', 'open') > 0, 'the subscription to messages');
  assert.equal((await command).value?.name, 'p=1');
});

test('what the service would hang up on is refused before it is stored', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service) });
  const data = client.channel('data');
  const refused: [ReturnType<typeof client.publish>, string, RegExp][] = [
    [data.publish('x'.repeat(262_145)), 'HYD_TOO_LARGE', /the profile azure allows 258048/],
    [data.publish('x', { qos: 2 }), 'HYD_UNSUPPORTED', /QoS 2/],
    [client.publish({ topic: 'devices/d1/messages/events/', payload: 'x', retain: true }), 'HYD_UNSUPPORTED', /azure retains nothing/],
    [client.publish({ topic: 'a', payload: 'x' }), 'HYD_TOPIC', /devices\/d1\/messages\/events\/<properties>/],
    [client.channel('state').update({ a: 'x'.repeat(32_768) }), 'HYD_TOO_LARGE', /32768 in one state/],
  ];
  for (const [publication, code, message] of refused)
    await assert.rejects(
      publication.stored,
      (error: unknown) => error instanceof HydrantError && error.code === code && message.test(error.message),
    );
  assert.throws(() => client.channel('state', { mode: 'collect' }), /azure has no mode collect/);
  await data.publish('x'.repeat(258_048)).acked;
  assert.deepEqual(service.closings, []);
});

testHangUps({ start, login }, [
  ['QoS 2', /^QoS 2$/, (raw) => raw.publish('devices/d1/messages/events/', 'x', { qos: 2 })],
  ['a message that is too large', /^262145 bytes/, (raw) => raw.publish('devices/d1/messages/events/a', 'x'.repeat(262_144), { qos: 1 })],
  ['another topic', /^the topic devices\/d2/, (raw) => raw.publish('devices/d2/messages/events/', 'x', { qos: 1 })],
]);

test('the stand-in refuses logins as the service does, and hangs up when a signature is over', async (t) => {
  const service = await start(t);
  const otherKey = Buffer.from('another').toString('base64');
  for (const options of [{ key: otherKey }, { username: `${HOST}/d1` }, { clientId: 'd2' }])
    await assert.rejects(login(service, options), /CONNACK says 5/);
  await assert.rejects(login(service, { version: 5 }), /CONNACK says/);
  using raw = await login(service, { lifeSeconds: 2 });
  await within(raw.ended, LIMIT_MS, 'the end of the connection');
  assert.equal(service.closings.at(-1), 'the login has expired');
});

test('the stand-in has one connection for each device', async (t) => {
  const service = await start(t);
  using first = await login(service);
  using _second = await login(service);
  await within(first.ended, LIMIT_MS, 'the end of the first connection');
});

test('a twin that grows too large stays as it was', async (t) => {
  const service = await start(t);
  using raw = await login(service);
  await raw.subscribe('$iothub/twin/res/#');
  raw.publish('$iothub/twin/PATCH/properties/reported/?$rid=7', JSON.stringify({ a: 'x'.repeat(32_768) }), { qos: 1 });
  const { topic } = await raw.take('publish');
  assert.equal(topic, '$iothub/twin/res/400/?$rid=7');
  assert.equal(service.twins.has('d1'), false);
});

test('the profile of Event Grid is one of custom topics and a token that is renewed in the session', () => {
  const profile = azureEventGrid({ host: 'n.westeurope-1.ts.eventgrid.azure.net', device: 'd1' });
  assert.deepEqual(profile.urls, ['mqtts://n.westeurope-1.ts.eventgrid.azure.net:8883']);
  assert.equal(profile.version, 5);
  assert.equal(profile.topicOf('data/a'), 'devices/d1/data/a');
  assert.equal(profile.topicOf('state'), 'devices/d1/state');
  assert.throws(() => profile.topicOf(`data/${'x/'.repeat(6)}x`), /9 slashes are more than 7/);
  assert.throws(() => azureEventGrid({ device: 'd1' } as never), /\{ host \}\) is missing/);
});
