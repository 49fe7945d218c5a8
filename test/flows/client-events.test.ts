import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { writeUsers } from '../../src/testing/accounts.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Events about clients: docs/reference/client-events.md.

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const data = join(folder.path, 'data');
const config = join(folder.path, 'hydrant.yaml');
await writeUsers(data, { ann: 'ann-pw', ops: 'ops-pw' });
await writeFile(
  config,
  `
acl:
  anonymous: {publish: ['t/#'], subscribe: ['#', '$SYS/#']}
  ann: {publish: ['t/#'], subscribe: ['t/#']}
  ops: {subscribe: ['$hydrant/#']}
limits: {queuedBytes: 16KiB, stalled: 1s}
`,
);
const server = await shareServer({ data, args: ['--config', config] });
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

type Details = Record<string, unknown> & { client: string; user: string };

/** Takes the events of one client as they come. */
async function watch(clientId: string): Promise<{ next(kind: string): Promise<Details> } & Disposable> {
  const client = await connect({ username: 'ops', password: 'ops-pw' });
  const topic = `$hydrant/clients/${clientId}`;
  const { granted } = await client.subscribe(`${topic}/#`, 1);
  assert.deepEqual(granted, [1]);
  return {
    async next(kind) {
      const { topic: name, payload, retain } = await client.take('publish', {}, 20_000);
      const details = JSON.parse(payload.toString()) as Details;
      assert.deepEqual([name, retain, details.client], [`${topic}/${kind}`, false, clientId]);
      return details;
    },
    [Symbol.dispose]: () => client.destroy(),
  };
}

/** Connects, lets `end` end it, and gives the event that tells of the end. */
async function endingOf(options: RawConnect & { clientId: string }, end: (client: RawClient) => unknown): Promise<Details> {
  using watcher = await watch(options.clientId);
  using client = await connect(options);
  await watcher.next('connected');
  await end(client);
  return await watcher.next('disconnected');
}

test('connected tells who came, from where, through which door and how', async () => {
  using watcher = await watch('con');
  using _client = await connect({
    clientId: 'con',
    username: 'ann',
    password: 'ann-pw',
    version: 5,
    keepalive: 30,
    properties: { sessionExpiryInterval: 60 },
  });
  const { remote, ...details } = await watcher.next('connected');
  assert.match(String(remote), /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(details, {
    client: 'con',
    user: 'ann',
    protocol: '5.0',
    door: 'mqtt',
    keepAliveSeconds: 30,
    sessionPresent: false,
    sessionExpirySeconds: 60,
  });
});

test('disconnected tells how long it was there and what passed', async () => {
  using watcher = await watch('dis');
  using client = await connect({ clientId: 'dis', clean: false });
  await watcher.next('connected');
  await client.ping();
  await client.disconnect();
  const { remote: _, connectedMs, bytesIn, ...details } = await watcher.next('disconnected');
  assert.ok(Number(connectedMs) >= 0 && Number(bytesIn) > 15, `${connectedMs} ms, ${bytesIn} bytes`);
  assert.deepEqual(details, {
    client: 'dis',
    user: 'anonymous',
    reason: 'disconnect',
    code: 0,
    packetsIn: 3,
    packetsOut: 2,
    bytesOut: 6,
    sessionExpirySeconds: 7 * 24 * 3600,
  });
});

test('disconnected tells why', async () => {
  const lost = await endingOf({ clientId: 'lost' }, (client) => client.destroy());
  assert.deepEqual([lost.reason, lost.code], ['connection-lost', undefined]);
  const will = await endingOf({ clientId: 'will', version: 5 }, (client) =>
    client.disconnect({ reasonCode: 4, properties: { reasonString: 'back soon' } }),
  );
  assert.deepEqual([will.reason, will.code, will.message], ['disconnect-with-will', 4, 'back soon']);
  const silent = await endingOf({ clientId: 'silent', keepalive: 1 }, () => {});
  assert.deepEqual([silent.reason, silent.message], ['keep-alive-timeout', 'nothing received for 1.5 s']);
  const fault = await endingOf({ clientId: 'fault', version: 5 }, (client) => client.sendConnect({ clientId: 'fault' }));
  assert.deepEqual([fault.reason, fault.code], ['second-connect', 0x82]);
  const topic = await endingOf({ clientId: 'topic', version: 5 }, (client) => client.publish('t/+', 'x'));
  assert.deepEqual([topic.reason, topic.code], ['topic-with-wildcard', 0x90]);
});

test('a takeover ends one connection and begins another', async () => {
  using watcher = await watch('over');
  using _old = await connect({ clientId: 'over' });
  const first = await watcher.next('connected');
  using _new = await connect({ clientId: 'over' });
  const end = await watcher.next('disconnected');
  assert.deepEqual([end.reason, end.code, end.remote], ['taken-over', 0x8e, first.remote]);
  assert.notEqual((await watcher.next('connected')).remote, first.remote);
});

test('subscribed and unsubscribed list the filters that were granted, a hundred at most', async () => {
  using watcher = await watch('subs');
  using client = await connect({ clientId: 'subs', username: 'ann', password: 'ann-pw' });
  await watcher.next('connected');
  await client.subscribe({ 't/a': 1, 'other/#': 2, 't/b': 0 });
  assert.deepEqual((await watcher.next('refused')).what, 'other/#');
  const { filters, qos } = await watcher.next('subscribed');
  assert.deepEqual(
    [filters, qos],
    [
      ['t/a', 't/b'],
      [1, 0],
    ],
  );
  await client.unsubscribe('t/a');
  assert.deepEqual((await watcher.next('unsubscribed')).filters, ['t/a']);
  await client.subscribe(Array.from({ length: 130 }, (_, i) => `t/${i}/${'x'.repeat(300)}`));
  const many = await watcher.next('subscribed');
  const told = many.filters as string[];
  assert.deepEqual([told.length, many.more, told[0]!.length], [100, 30, 200]);
});

test('refused tells what a client may not publish, the first time at once', async () => {
  using watcher = await watch('bold');
  using client = await connect({ clientId: 'bold', username: 'ann', password: 'ann-pw', version: 5 });
  await watcher.next('connected');
  for (let i = 0; i < 100; i++) client.publish('other/a', 'x');
  client.publish('$SYS/mine', 'x', { qos: 1 });
  await client.take('puback', { reasonCode: 0x90 });
  const { reason, what, times } = await watcher.next('refused');
  assert.deepEqual([reason, what, times], ['not-allowed', 'other/a', undefined]);
  assert.deepEqual((await watcher.next('refused')).reason, 'reserved-topic');
  const rest = await watcher.next('refused');
  assert.deepEqual([rest.reason, rest.times], ['not-allowed', 99]);
});

test('a login that is refused is told without what was shown', async () => {
  using watcher = await watch('guess');
  using client = await RawClient.open(server.mqttUrl, 5);
  client.sendConnect({ clientId: 'guess', username: 'ann', password: 'the-secret-that-was-tried', version: 5 });
  await client.expect('connack', { reasonCode: 0x86 });
  const { reason, what } = await watcher.next('refused');
  assert.deepEqual([reason, what], ['bad-credentials', 'wrong name or password']);
  const all = await findEvents(data, '$hydrant/#');
  assert.ok(all.some(({ topic }) => topic === '$hydrant/clients/guess/refused'));
  assert.ok(!all.some(({ payload }) => Buffer.from(payload).includes('the-secret-that-was-tried')));
  assert.ok(!server.child.text().includes('the-secret-that-was-tried'));
});

test('a reader that is too slow is told about: what it did not get, and that it was cut off', { timeout: 60_000 }, async () => {
  using watcher = await watch('slow');
  using slow = await connect({ clientId: 'slow' });
  await slow.subscribe('t/slow');
  await watcher.next('connected');
  await watcher.next('subscribed');
  slow.stream.pause();
  using publisher = await connect();
  const payload = Buffer.alloc(60_000, 's');
  for (let i = 0; i < 200; i++) await publisher.deliver('t/slow', payload, { qos: 1 });
  const { messages, reasons } = await watcher.next('dropped');
  assert.deepEqual(reasons, { 'slow-reader': messages });
  assert.ok(Number(messages) > 0 && Number(messages) < 200);
  const end = await watcher.next('disconnected');
  assert.equal(end.reason, 'stalled');
});

test('a message that is too large for its reader is told about', async () => {
  using watcher = await watch('small');
  using client = await connect({ clientId: 'small', version: 5, properties: { maximumPacketSize: 100 } });
  await client.subscribe('t/large');
  using publisher = await connect();
  await publisher.deliver('t/large', Buffer.alloc(200), { qos: 1 });
  await client.ping();
  await client.disconnect();
  await watcher.next('connected');
  await watcher.next('subscribed');
  assert.deepEqual((await watcher.next('dropped')).reasons, { 'packet-too-large': 1 });
  await watcher.next('disconnected');
});

test('a session that expires, and one that a clean start replaces, are told to have ended', async () => {
  using watcher = await watch('ends');
  using first = await connect({ clientId: 'ends', version: 5, clean: false, properties: { sessionExpiryInterval: 1 } });
  await first.disconnect();
  for (const kind of ['connected', 'disconnected']) await watcher.next(kind);
  assert.equal((await watcher.next('ended')).reason, 'expired');
  using second = await connect({ clientId: 'ends', version: 5, clean: false, properties: { sessionExpiryInterval: 100 } });
  await second.disconnect();
  for (const kind of ['connected', 'disconnected']) await watcher.next(kind);
  using _third = await connect({ clientId: 'ends' });
  assert.equal((await watcher.next('ended')).reason, 'clean-start');
  assert.equal((await watcher.next('connected')).sessionPresent, false);
});

test('a subscription to # gets no such event, and $hydrant/# takes a rule of its own', async () => {
  using all = await connect();
  await all.subscribe(['#', '+/clients/#']);
  assert.deepEqual((await all.subscribe('$hydrant/#')).granted, [0x80]);
  using watcher = await watch('unseen');
  using client = await connect({ clientId: 'unseen' });
  await watcher.next('connected');
  await client.disconnect();
  await watcher.next('disconnected');
  await all.ping();
});

test('a client id that is no topic level, or too long for one, is told about all the same', async () => {
  const long = 'l'.repeat(60_000);
  for (const [clientId, level] of [
    ['a/+/#%', 'a%2f%2b%2f%23%25'],
    [long, `${'l'.repeat(200)}%.`],
  ] as const) {
    using client = await connect({ clientId });
    await client.ping();
    const found = (await findEvents(data, '$hydrant/clients/+/connected')).filter(({ topic }) =>
      topic.startsWith(`$hydrant/clients/${level}`),
    );
    assert.deepEqual(
      found.map(({ payload }) => JSON.parse(payload.toString()).client),
      [clientId],
    );
  }
});

test('a server that stops tells so of each client', async () => {
  await using other = await startHydrant();
  using _client = await RawClient.connect(other.mqttUrl, { clientId: 'stopped' });
  await other.stop();
  const events = await findEvents(other.data, '$hydrant/clients/stopped/disconnected');
  assert.deepEqual(
    events.map(({ payload }) => (JSON.parse(payload.toString()) as Details).reason),
    ['server-stop'],
  );
});

test('a client that reconnects without end fills no disk, and nothing is left out of the count', { timeout: 60_000 }, async () => {
  await using other = await startHydrant();
  const rounds = 500;
  for (let i = 0; i < rounds; i++) {
    using client = await RawClient.connect(other.mqttUrl, { clientId: 'restless' });
    await client.disconnect();
  }
  await other.stop();
  const events = await findEvents(other.data, '$hydrant/clients/restless/+');
  assert.ok(events.length <= 2 * 10 * 4 + 2 * 4, `${events.length} events for ${rounds} connections`);
  const times = { connected: 0, disconnected: 0 };
  for (const { topic, payload } of events)
    times[topic.split('/').at(-1) as 'connected'] += (JSON.parse(payload.toString()) as { times?: number }).times ?? 1;
  assert.deepEqual(times, { connected: rounds, disconnected: rounds });
});

test('clients.events false tells nothing; refusals are counted and logged all the same', async () => {
  await using other = await startHydrant({ set: { 'clients.events': false } });
  using client = await RawClient.connect(other.mqttUrl, { version: 5 });
  await client.subscribe('$hydrant/#');
  client.publish('$SYS/x', 'x', { qos: 1 });
  await client.take('puback', { reasonCode: 0x90 });
  await other.logged(({ message }) => message === 'a client was refused', 'the refusal in the log');
  await client.disconnect();
  assert.match(await (await fetch(`${other.httpUrl}/metrics`)).text(), /^hydrant_refused_total\{reason="reserved-topic"\} 1$/m);
  await other.stop();
  assert.deepEqual(await findEvents(other.data, '$hydrant/#'), []);
});

test('journal.qos0 false does not keep events about clients out of the journal', async () => {
  await using other = await startHydrant({ set: { 'journal.qos0': false } });
  using client = await RawClient.connect(other.mqttUrl, { clientId: 'kept' });
  await client.disconnect();
  await other.stop();
  assert.equal((await findEvents(other.data, '$hydrant/clients/kept/+')).length, 2);
});
