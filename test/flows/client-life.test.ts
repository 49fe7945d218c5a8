import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openMqttBus } from '../../src/bus/mqtt/mqtt-bus.ts';
import { type Client, type ClientEvents, type EventProps, generic, openClient, type PublishRequest } from '../../src/client/index.ts';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const WAIT_MS = 20_000;

/** The first of these events. */
function told<K extends keyof ClientEvents>(client: Client, event: K): Promise<ClientEvents[K]> {
  return within(new Promise<ClientEvents[K]>((resolve) => client.on(event, resolve)), WAIT_MS, `the event ${event}`);
}

const nowhere = async (): Promise<string> => `mqtt://127.0.0.1:${await freePort()}`;

test('at QoS 0 an event is done with when it was sent', async () => {
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  await using client = await openClient({ outbox: ':memory:', url: server.url });
  const publications = Array.from({ length: 50 }, (_, i) => client.publish({ topic: 'a', payload: `${i}`, qos: 0 }));
  await Promise.all(publications.map(({ acked }) => acked));
  await witness.seen(50);
  assert.deepEqual(await client.flush(), { remaining: 0 });
});

test('what an event says of itself arrives with it', async () => {
  await using server = await startMosquitto();
  await using client = await openClient({ outbox: ':memory:', url: server.url });
  const incoming = client.subscribe('a/b');
  const first = incoming.next();
  await told(client, 'link');
  const props = {
    time: '2026-11-21T10:00:00Z',
    format: 1 as const,
    reply: 'answers',
    correlation: 'AQI=',
    user: [['k', 'v']] as [string, string][],
  };
  const { id } = client.publish({ topic: 'a/b', payload: new Uint8Array([1, 2]), qos: 2, contentType: 'text/plain', props, ttlMs: 90_000 });
  const { value } = await within(first, WAIT_MS, 'the event');
  const { payload, contentType, id: came, props: got } = value!.event;
  assert.deepEqual([[...payload], contentType, came], [[1, 2], 'text/plain', id]);
  const { expiry, ...rest } = got!;
  assert.deepEqual(rest, props);
  assert.ok(expiry! > 60 && expiry! <= 90, `${expiry} s are left`);
});

test('what is no event is refused by both promises, and says what is wrong', async () => {
  await using client = await openClient({ outbox: ':memory:', url: await nowhere() });
  for (const [request, message] of [
    [{ topic: 7, payload: 'x' }, /the topic 7 is no text/],
    [{ topic: 'a' }, /the payload for a is neither bytes nor text/],
    [{ topic: 'a', payload: { celsius: 20 } }, /neither bytes nor text/],
    [{ topic: 'a', payload: 'x', channel: 'state' }, /the channel state/],
    [{ topic: 'a', payload: 'x', id: 5 }, /id of the event for a is 5/],
    [{ topic: 'a', payload: 'x', qos: 5 }, /qos of the event for a is 5/],
    [{ topic: 'a', payload: 'x', ttlMs: '5' }, /ttlMs of the event for a is 5/],
    [{ topic: 'a', payload: 'x', channel: '' }, /channel of the event/],
    [{ topic: 'a', payload: 'x', contentType: 'x'.repeat(65_536) }, /contentType of the event/],
    [{ topic: 'a', payload: 'x', props: { usr: [] } }, /props of the event for a is usr/],
    [{ topic: 'a', payload: 'x', props: { user: [['a', 1n]] } }, /props.user of the event/],
    [{ topic: 'a', payload: 'x', props: { expiry: -1 } }, /props.expiry of the event/],
  ] as const) {
    const { stored, acked } = client.publish(request as unknown as PublishRequest);
    await assert.rejects(stored, { code: 'HYD_USAGE', message });
    await assert.rejects(acked, { code: 'HYD_USAGE', message });
  }
  assert.equal(client.metrics().refused, 12);
  const props = { user: [['a', 1n]] } as unknown as EventProps;
  await using device = await openClient({ outbox: ':memory:', url: await nowhere(), profile: generic({ device: 'd' }) });
  await assert.rejects(device.channel('data').publish('x', { props }).stored, { code: 'HYD_USAGE', message: /props.user/ });
});

test('a payload that is changed after publish() was called is sent as it was', async () => {
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  await using client = await openClient({ outbox: ':memory:', url: server.url });
  const payload = Buffer.from('before');
  const { acked } = client.publish({ topic: 'a', payload });
  payload.write('after!');
  await acked;
  await witness.seen(1);
  assert.deepEqual(witness.texts, ['before']);
});

test('on an engine that the caller has opened a client is the same, and leaves it open', async () => {
  await using server = await startMosquitto();
  await using bus = await openMqttBus({ urls: [server.url] });
  const client = await openClient({ outbox: ':memory:', bus });
  assert.equal(client.connected, true);
  const incoming = client.subscribe('a');
  const first = incoming.next();
  await until(() => bus.links.some(({ url }) => url !== undefined), 'the subscription to stand');
  const { id, acked } = client.publish({ topic: 'a', payload: 'x', retain: true });
  assert.equal((await acked).id, id);
  assert.equal((await within(first, WAIT_MS, 'the event')).value!.event.id, id);
  await client.close();
  assert.equal((await within(incoming.next(), WAIT_MS, 'the end')).done, true);
  await bus.publish({ topic: 'a', payload: Buffer.from('y'), qos: 1, retain: false });
});

test('what a bound drops is told by an event, counted, and rejects', async () => {
  await using client = await openClient({
    outbox: ':memory:',
    url: await nowhere(),
    channels: { '*': { maxEvents: 3, whenFull: 'drop-oldest' } },
  });
  const dropped = told(client, 'dropped');
  const publications = Array.from({ length: 6 }, (_, i) => client.publish({ topic: 'a', payload: `${i}`, channel: 'x' }));
  await Promise.all(publications.map(({ stored }) => stored));
  const { reason, events } = await dropped;
  const [first] = events;
  assert.deepEqual([reason, first!.channel, first!.topic], ['oldest', 'x', 'a']);
  await assert.rejects(publications.find(({ id }) => id === first!.id)!.acked, { code: 'HYD_DROPPED', message: /at its bound/ });
  assert.equal(client.metrics().dropped.oldest, 3);
  assert.deepEqual(await client.close({ deadlineMs: 0 }), { remaining: 3 });
});

test('bounds for all channels hold for what an earlier process left, and for data that is published by topic', async () => {
  await using folder = await createTempFolder();
  const url = await nowhere();
  {
    await using before = await openClient({ outbox: folder.path, url });
    // One waits with the bus for a connection.
    await Promise.all(['x', 'y'].map((payload) => before.publish({ topic: 'a', payload, channel: 'left' }).stored));
    await before.close({ deadlineMs: 0 });
  }
  await using client = await openClient({ outbox: folder.path, url, channels: { '*': { maxEvents: 1, maxAgeMs: 1 } } });
  await within(
    new Promise<void>((resolve) => client.on('dropped', ({ reason }) => reason === 'age' && resolve())),
    10_000,
    'it to be dropped',
  );
  await using small = await openClient({ outbox: ':memory:', url, channels: { '*': { maxEvents: 1 } } });
  await small.publish({ topic: 'a', payload: 'x', channel: 'data' }).stored;
  await assert.rejects(small.publish({ topic: 'a', payload: 'y', channel: 'data' }).stored, { code: 'HYD_OUTBOX_FULL' });
  await Promise.all([client, small].map((each) => each.close({ deadlineMs: 0 })));
});

test('an event whose time is over is dropped and told, and never sent', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  const port = await freePort();
  await using client = await openClient({ outbox: folder.path, url: `mqtt://127.0.0.1:${port}` });
  const dropped = told(client, 'dropped');
  await client.publish({ topic: 'a', payload: 'waits' }).stored;
  const short = client.publish({ topic: 'a', payload: 'short', ttlMs: 1 });
  const long = client.publish({ topic: 'a', payload: 'long', ttlMs: 60_000 });
  await Promise.all([short.stored, long.stored]);
  await using door = await startBreakingProxy(server.port, port);
  assert.equal((await dropped).reason, 'expired');
  await assert.rejects(short.acked, { code: 'HYD_DROPPED', message: /its time was over/ });
  await long.acked;
  await witness.seen(2);
  assert.deepEqual([witness.texts, door.connections], [['waits', 'long'], 1]);
});

test('the status stands on the broker as a retained event', async () => {
  await using server = await startMosquitto();
  await using client = await openClient({ outbox: ':memory:', url: server.url, clientId: 'plant/7', status: true });
  await client.publish({ topic: 'a', payload: 'x' }).acked;
  await using witness = await startWitness(server.url, ['hydrant/status/+']);
  await witness.seen(1);
  const [event] = witness.events;
  assert.deepEqual([event!.topic, event!.retain], ['hydrant/status/plant%2F7', true]);
  assert.equal(JSON.parse(event!.text).client, 'plant/7');
});

test('a client keeps its client id with its outbox, and closing twice is fine', async () => {
  await using folder = await createTempFolder();
  const options = { outbox: folder.path, url: await nowhere() };
  const first = await openClient(options);
  assert.match(first.clientId, /^hydrant-[0-9a-f]{12}$/);
  const closed = first.close({ deadlineMs: 0 });
  assert.equal(first.close(), closed);
  assert.deepEqual(await closed, { remaining: 0 });
  await using second = await openClient(options);
  assert.equal(second.clientId, first.clientId);
});

test('metrics tell what waits, what was done, and how long it took', async () => {
  const port = await freePort();
  await using folder = await createTempFolder();
  await using client = await openClient({ outbox: folder.path, url: `mqtt://127.0.0.1:${port}` });
  const publications = Array.from({ length: 10 }, () => client.publish({ topic: 'a', payload: 'xyz', channel: 'c' }));
  await Promise.all(publications.map(({ stored }) => stored));
  await assert.rejects(client.publish({ topic: '', payload: '' }).stored, { code: 'HYD_TOPIC' });
  const before = client.metrics();
  assert.deepEqual([before.depth, before.stored, before.acked, before.refused, before.connected], [10, 10, 0, 1, false]);
  assert.deepEqual([before.channels.c!.events, before.commit.count, before.ack.count], [10, 10, 0]);
  assert.ok(before.bytes >= 40 && before.commit.p99Ms > 0);
  await using server = await startMosquitto({ port });
  await client.flush();
  const after = client.metrics();
  assert.deepEqual([after.depth, after.acked, after.ack.count, after.inFlight, after.connects, after.connected], [0, 10, 10, 0, 1, true]);
  assert.ok(server.pid > 0);
});
