import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { SignJWT } from 'jose';
import { HydrantError } from '../../core/errors.ts';
import { startClearblade } from '../../testing/clearblade-stand-in.ts';
import { until, within } from '../../testing/deadline.ts';
import { testHangUps } from '../../testing/hang-ups.ts';
import { RawClient, type RawConnect } from '../../testing/raw-client.ts';
import type { StandIn } from '../../testing/stand-in.ts';
import { jwt } from '../credentials/jwt.ts';
import { openClient } from '../open-client.ts';
import { clearblade } from './clearblade.ts';
import type { Profile } from './profile.ts';

const CLIENT_ID = 'projects/p/locations/us-central1/registries/r/devices/d1';
const LIMIT_MS = 60_000;

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });

async function start(t: TestContext, options: { skewSeconds?: number; messagesPerSecond?: number } = {}): Promise<StandIn> {
  const service = await startClearblade({ project: 'p', devices: new Map([[CLIENT_ID, pair.publicKey]]), ...options });
  t.after(() => service[Symbol.asyncDispose]());
  return service;
}

function profileOf(url: string): Profile {
  return clearblade({ project: 'p', region: 'us-central1', registry: 'r', device: 'd1', key: pair.privateKey, url });
}

interface Claims {
  key?: KeyObject;
  alg?: string;
  audience?: string;
  issuedAt?: number;
  lifeSeconds?: number;
}

function sign({ key = pair.privateKey, alg = 'ES256', audience = 'p', issuedAt = Date.now() / 1000, lifeSeconds = 3600 }: Claims = {}) {
  const from = Math.floor(issuedAt);
  return new SignJWT({ aud: audience })
    .setProtectedHeader({ alg })
    .setIssuedAt(from)
    .setExpirationTime(from + lifeSeconds)
    .sign(key);
}

async function login(service: StandIn, options: RawConnect = {}): Promise<RawClient> {
  return RawClient.connect(service.url, { clientId: CLIENT_ID, username: 'unused', password: await sign(), ...options });
}

test('thousands of events and a state that changes all the time stay within the rules of the service, and all arrive', async (t) => {
  const service = await start(t, { messagesPerSecond: 1_000 });
  const profile = profileOf(service.url);
  const fast = { ...profile, limits: { ...profile.limits, eventsPerSecond: 1_000 } };
  await using client = await openClient({ outbox: ':memory:', profile: fast });
  const data = client.channel('data');
  const state = client.channel('state');
  const acked: Promise<unknown>[] = [];
  for (let n = 0; n < 2_500; n++) {
    acked.push(data.publish(`${n}`, { sub: n % 2 ? 'odd' : undefined }).acked);
    if (n % 100 === 0) acked.push(state.update({ n }).acked, state.publishNow());
  }
  const late = state.update({ n: 'last' });
  await within(Promise.all([...acked, late.acked]), LIMIT_MS, () => `acknowledgements; closed: ${service.closings.join(', ')}`);
  const events = service.received.filter(({ topic }) => topic.startsWith('/devices/d1/events'));
  assert.deepEqual(
    events.map(({ text }) => Number(text)),
    Array.from({ length: 2_500 }, (_, n) => n),
  );
  assert.equal(events[1]?.topic, '/devices/d1/events/odd');
  const states = service.received
    .filter(({ topic }) => topic === '/devices/d1/state')
    .flatMap(({ text }) => JSON.parse(text) as { n: unknown }[]);
  assert.deepEqual(
    states.map(({ n }) => n),
    [...Array.from({ length: 25 }, (_, n) => n * 100), 'last'],
  );
  assert.deepEqual(service.closings, []);
});

test('the rate and the size that the service states are those of the profile', () => {
  const { limits, version, persistentSession, clientId, urls } = profileOf('mqtt://localhost');
  assert.deepEqual(limits, {
    maxEventBytes: 262_144,
    maxStateBytes: 65_536,
    stateIntervalMs: 1_000,
    minStateIntervalMs: 1_000,
    maxQos: 1,
    retain: false,
    eventsPerSecond: 100,
    bytesPerSecond: 524_288,
  });
  assert.deepEqual([version, persistentSession, clientId, urls], [4, false, CLIENT_ID, ['mqtt://localhost']]);
  const named = clearblade({ project: 'p', region: 'us-central1', registry: 'r', device: 'd1' });
  assert.deepEqual(named.urls, ['mqtts://us-central1-mqtt.clearblade.com:8883']);
});

test('what the service would hang up on is refused before it is stored', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service.url) });
  const refused: [ReturnType<typeof client.publish>, string, RegExp][] = [
    [client.channel('data').publish('x'.repeat(262_145)), 'HYD_TOO_LARGE', /262145 bytes; the profile clearblade allows 262144/],
    [client.channel('data').publish('x', { qos: 2 }), 'HYD_UNSUPPORTED', /QoS 2 .* clearblade allows QoS 1/],
    [client.channel('state').update({ a: 'x'.repeat(65_536) }), 'HYD_TOO_LARGE', /the largest part is "a"/],
    [client.publish({ topic: '/devices/d1/state', payload: '1', retain: true }), 'HYD_UNSUPPORTED', /clearblade retains nothing/],
    [client.publish({ topic: '/devices/d2/events', payload: '1' }), 'HYD_TOPIC', /there are \/devices\/d1\/events/],
  ];
  for (const [publication, code, message] of refused) {
    const right = (error: unknown) => error instanceof HydrantError && error.code === code && message.test(error.message);
    await assert.rejects(publication.stored, right);
    await assert.rejects(publication.acked, right);
  }
  assert.throws(() => clearblade({ project: 'p', region: '', registry: 'r', device: 'd1' }), /clearblade\(\{ region \}\) "" is no name/);
  assert.throws(() => clearblade({ project: 'p', region: 'x', registry: 'r' } as never), /clearblade\(\{ device \}\) is missing/);
  await assert.rejects(
    openClient({ outbox: ':memory:', profile: profileOf(service.url), status: true }),
    /status: .* clearblade retains nothing/,
  );
  await client.flush();
  assert.deepEqual(service.closings, []);
});

test('a state that a cut left unacknowledged waits for its interval on the next connection too', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service.url) });
  service.hold();
  const { acked } = client.channel('state').update({ a: 1 });
  await service.took(1);
  service.cut();
  service.release();
  await within(acked, LIMIT_MS, 'the acknowledgement');
  assert.deepEqual(service.closings, []);
});

test('configuration and commands come from the topics of the service', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: profileOf(service.url) });
  const config = client.config();
  const command = client.commands();
  const [first, second] = [config.next(), command.next()];
  await until(() => service.deliver('/devices/d1/config', '{"interval":5}') > 0, 'the subscription to the configuration');
  assert.equal(Buffer.from((await first).value?.payload ?? '').toString(), '{"interval":5}');
  await until(() => service.deliver('/devices/d1/commands/valve', 'open') > 0, 'the subscription to commands');
  assert.equal((await second).value?.name, 'valve');
});

test('a token that expires is replaced before the service hangs up, and nothing is lost', async (t) => {
  const service = await start(t, { skewSeconds: 4 });
  const profile = { ...profileOf(service.url), credentials: jwt({ key: pair.privateKey, audience: 'p', lifeSeconds: 2 }) };
  await using client = await openClient({ outbox: ':memory:', profile });
  const data = client.channel('data');
  let sent = 0;
  const before = service.connects;
  while (service.connects < before + 3) {
    await within(data.publish(`${sent++}`).acked, LIMIT_MS, 'an acknowledgement');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.deepEqual(
    service.received.map(({ text }) => Number(text)),
    Array.from({ length: sent }, (_, n) => n),
  );
  assert.deepEqual(service.closings, []);
});

testHangUps({ start, login }, [
  ['QoS 2', /^QoS 2$/, (raw) => raw.publish('/devices/d1/events', 'x', { qos: 2 })],
  ['retain', /^retain$/, (raw) => raw.publish('/devices/d1/events', 'x', { qos: 1, retain: true })],
  ['another topic', /^the topic \/devices\/d2\/events$/, (raw) => raw.publish('/devices/d2/events', 'x', { qos: 1 })],
  ['an event that is too large', /^262145 bytes/, (raw) => raw.publish('/devices/d1/events', 'x'.repeat(262_145), { qos: 1 })],
  ['a state that is too large', /^65537 bytes/, (raw) => raw.publish('/devices/d1/state', 'x'.repeat(65_537), { qos: 1 })],
  ['states in a row', /^two states/, (raw) => [1, 2].map((n) => raw.publish('/devices/d1/state', `${n}`, { qos: 1 }))],
  [
    'too many messages',
    /^more than 100 messages/,
    (raw) => Array.from({ length: 101 }, (_, n) => raw.publish('/devices/d1/events', `${n}`, { qos: 1 })),
  ],
  [
    'too many bytes',
    /^more than 512 KB/,
    (raw) => Array.from({ length: 3 }, () => raw.publish('/devices/d1/events', 'x'.repeat(200_000), { qos: 1 })),
  ],
]);

test('the stand-in refuses logins as the service does', async (t) => {
  const service = await start(t);
  const now = Date.now() / 1000;
  const refused: [RawConnect, RegExp][] = [
    [{ clientId: `${CLIENT_ID}x` }, /CONNACK says 2/],
    [{ password: await sign({ audience: 'q' }) }, /CONNACK says 4/],
    [{ password: await sign({ key: other.privateKey, alg: 'RS256' }) }, /CONNACK says 4/],
    [{ password: await sign({ issuedAt: now - 5_000 }) }, /CONNACK says 4/],
    [{ password: await sign({ issuedAt: now + 700 }) }, /CONNACK says 4/],
    [{ password: await sign({ lifeSeconds: 86_401 }) }, /CONNACK says 4/],
    [{ version: 5 }, /CONNACK says/],
  ];
  for (const [options, message] of refused) await assert.rejects(login(service, options), message);
  using late = await login(service, { password: await sign({ issuedAt: now - 4_100 }) });
  await late.ping();
  const will = { topic: '/devices/d1/events', payload: Buffer.from('x'), qos: 1, retain: false } as const;
  await assert.rejects(login(service, { will }));
  assert.equal(service.closings.at(-1), 'a will');
});

test('the stand-in hangs up when a token and the skew are over', async (t) => {
  const service = await start(t, { skewSeconds: 0 });
  using raw = await login(service, { password: await sign({ lifeSeconds: 2 }) });
  await within(raw.ended, LIMIT_MS, 'the end of the connection');
  assert.deepEqual(service.closings, ['the login has expired']);
});
