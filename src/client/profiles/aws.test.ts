import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { type AwsStandIn, startAws } from '../../testing/aws-stand-in.ts';
import { until, within } from '../../testing/deadline.ts';
import { testHangUps } from '../../testing/hang-ups.ts';
import { RawClient, type RawConnect } from '../../testing/raw-client.ts';
import { customAuthorizer } from '../credentials/custom-authorizer.ts';
import { openClient } from '../open-client.ts';
import { aws } from './aws.ts';

const LIMIT_MS = 60_000;
const authorizer = { name: 'gate', username: 'thing', password: 'secret' };
const credentials = customAuthorizer({ authorizer: 'gate', credentials: { username: 'thing', password: 'secret' } });

async function start(t: TestContext, messagesPerSecond?: number): Promise<AwsStandIn> {
  const service = await startAws({ authorizer, messagesPerSecond });
  t.after(() => service[Symbol.asyncDispose]());
  return service;
}

const login = (service: AwsStandIn, options: RawConnect = {}): Promise<RawClient> =>
  RawClient.connect(service.url, {
    clientId: 't1',
    username: 'thing?x-amz-customauthorizer-name=gate',
    password: 'secret',
    version: 5,
    ...options,
  });

test('thousands of events stay within the rules of the service, and all arrive in their order', async (t) => {
  const service = await start(t, 1_000);
  const profile = aws({ thing: 't1', endpoint: service.url, credentials });
  await using client = await openClient({
    outbox: ':memory:',
    profile: { ...profile, limits: { ...profile.limits, eventsPerSecond: 1_000 } },
  });
  service.hold();
  const data = client.channel('data');
  const acked = Array.from({ length: 2_500 }, (_, n) => data.publish(`${n}`).acked);
  await service.took(100);
  service.release();
  await within(Promise.all(acked), LIMIT_MS, () => `acknowledgements; closed: ${service.closings.join(', ')}`);
  assert.deepEqual(
    service.received.map(({ text }) => Number(text)),
    Array.from({ length: 2_500 }, (_, n) => n),
  );
  assert.equal(service.received[0]?.topic, 'dt/t1/data');
  assert.equal(service.mostUnacknowledged, 100, 'as many as the service takes, and not one more');
  assert.deepEqual(service.closings, []);
});

test('the state is what the shadow has as reported, sent as changes', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: aws({ thing: 't1', endpoint: service.url, credentials }) });
  const state = client.channel('state', { mode: 'merge' });
  await state.update({ cpu: { left: 12, right: 32 }, flow: 1 }).stored;
  await state.publishNow();
  state.update({ cpu: { left: 13 }, flow: null });
  await state.publishNow();
  assert.equal(JSON.stringify(service.shadows.get('t1')), '{"cpu":{"left":13,"right":32}}');
  assert.deepEqual(
    service.received.map(({ topic, text }) => `${topic} ${text}`),
    [
      '$aws/things/t1/shadow/update {"state":{"reported":{"cpu":{"left":12,"right":32},"flow":1}}}',
      '$aws/things/t1/shadow/update {"state":{"reported":{"flow":null,"cpu":{"left":13}}}}',
    ],
  );
});

test('what the shadow refuses comes as an error report, its delta as configuration', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: aws({ thing: 't1', endpoint: service.url, credentials }) });
  const [report, config] = [client.errors().next(), client.config().next()];
  await until(() => service.deliver('$aws/things/t1/shadow/update/delta', '{"state":{"a":1}}') > 0, 'the subscription to the delta');
  assert.equal(Buffer.from((await config).value?.payload ?? '').toString(), '{"state":{"a":1}}');
  client.publish({ topic: '$aws/things/t1/shadow/update', payload: 'no JSON' });
  assert.equal(Buffer.from((await report).value?.payload ?? '').toString(), '{"code":400}');
});

test('what the service would hang up on is refused before it is stored', async (t) => {
  const service = await start(t);
  await using client = await openClient({ outbox: ':memory:', profile: aws({ thing: 't1', endpoint: service.url, credentials }) });
  const data = client.channel('data');
  const refused: [ReturnType<typeof client.publish>, string, RegExp][] = [
    [data.publish('x'.repeat(131_073)), 'HYD_TOO_LARGE', /131073 bytes; the profile aws allows 131072/],
    [data.publish('x', { qos: 2 }), 'HYD_UNSUPPORTED', /QoS 2/],
    [data.publish('x', { sub: 'a/b/c/d/e/f' }), 'HYD_TOPIC', /8 slashes are more than 7/],
    [data.publish('x', { sub: 'x'.repeat(260) }), 'HYD_TOPIC', /271 bytes are more than 256/],
    [client.publish({ topic: '$aws/things/t2/shadow/update', payload: '{}' }), 'HYD_TOPIC', /\$ is reserved/],
    [client.channel('state').update({ a: 'x'.repeat(8_200) }), 'HYD_TOO_LARGE', /8192 in one state; the largest part is "a"/],
  ];
  for (const [publication, code, message] of refused)
    await assert.rejects(
      publication.stored,
      (error: unknown) => error instanceof HydrantError && error.code === code && message.test(error.message),
    );
  assert.throws(() => client.channel('state', { mode: 'collect' }), /the profile aws has no mode collect/);
  await data.publish('y', { sub: 'a/b/c/d/e' }).acked;
  assert.deepEqual(service.closings, []);
});

test('the limits that the service states are those of the profile', () => {
  assert.deepEqual(aws({ thing: 't1', endpoint: 'x' }).limits, {
    maxEventBytes: 131_072,
    maxStateBytes: 8_192,
    stateIntervalMs: 1_000,
    minStateIntervalMs: 50,
    maxQos: 1,
    retain: true,
    maxInFlight: 100,
    eventsPerSecond: 100,
    bytesPerSecond: 524_288,
  });
});

test('names become topics, and one that is missing is said', () => {
  const profile = aws({ thing: 't1', endpoint: 'abc-ats.iot.eu-west-1.amazonaws.com', application: 'pumps', shadow: 'main' });
  assert.deepEqual(profile.urls, ['mqtts://abc-ats.iot.eu-west-1.amazonaws.com:8883']);
  assert.equal(profile.topicOf('data/a'), 'dt/pumps/t1/data/a');
  assert.equal(profile.topicOf('state'), '$aws/things/t1/shadow/name/main/update');
  assert.equal(profile.commandFilter, 'cmd/pumps/t1/#');
  assert.throws(() => aws({ thing: 'a/b', endpoint: 'x' }), /aws\(\{ thing \}\) "a\/b" is no name/);
  assert.throws(() => aws({ thing: 'a' } as never), /aws\(\{ endpoint \}\) is missing/);
});

testHangUps({ start, login }, [
  ['QoS 2', /^QoS 2$/, (raw) => raw.publish('a', 'x', { qos: 2 })],
  ['a payload that is too large', /^131073 bytes/, (raw) => raw.publish('a', 'x'.repeat(131_073), { qos: 1 })],
  ['a topic that is too long', /^a topic of 257 bytes/, (raw) => raw.publish('a'.repeat(257), 'x', { qos: 1 })],
  ['a topic with too many levels', /^a topic with 8 slashes/, (raw) => raw.publish('a/b/c/d/e/f/g/h/i', 'x', { qos: 1 })],
  ['a reserved topic', /^the topic \$aws\/things\/t2/, (raw) => raw.publish('$aws/things/t2/shadow/update', '{}', { qos: 1 })],
  ['too many messages', /^more than 100 messages/, (raw) => Array.from({ length: 101 }, (_, n) => raw.publish('a', `${n}`, { qos: 1 }))],
]);

test('the stand-in hangs up on more than 100 unacknowledged, as the service does', async (t) => {
  const service = await start(t, 1_000);
  service.hold();
  using raw = await login(service);
  for (let n = 0; n < 101; n++) raw.publish('a', `${n}`, { qos: 1 });
  await within(raw.ended, LIMIT_MS, 'the end of the connection');
  assert.deepEqual(service.closings, ['more than 100 unacknowledged']);
});

test('the stand-in lets in whom the authorizer knows', async (t) => {
  const service = await start(t);
  for (const options of [{ password: 'wrong' }, { username: 'thing' }, { clientId: '$t1' }])
    await assert.rejects(login(service, options), /CONNACK says 135/);
});
