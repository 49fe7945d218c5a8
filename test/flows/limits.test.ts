import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect as connectTcp, type Socket } from 'node:net';
import { test } from 'node:test';
import { generate } from 'mqtt-packet';
import { type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

// Every limit at its edge and one past it: the offender alone is answered, and it is counted.

const SUBSCRIPTIONS = 3;
const LEVELS = 4;
const RETAINED = 2;
const server = await shareServer({
  set: { 'limits.subscriptions': SUBSCRIPTIONS, 'limits.topicLevels': LEVELS, 'limits.retained': RETAINED },
});
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { auto: true, ...options });

async function counted(from: HydrantServer, reason: string): Promise<number> {
  const text = await (await fetch(`${from.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^hydrant_refused_total\\{reason="${reason}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0);
}

let ids = 0;

/** Connects from a loopback address of its own; undefined when the server closes without a word. */
async function enter(url: string, localAddress = '127.0.0.1'): Promise<Socket | undefined> {
  const socket = connectTcp({ host: '127.0.0.1', port: Number(new URL(url).port), localAddress });
  socket.on('error', () => {});
  socket.write(generate({ cmd: 'connect', protocolId: 'MQTT', protocolVersion: 4, clean: true, clientId: `l-${++ids}`, keepalive: 0 }));
  const isAnswered = await new Promise<boolean>((resolve) => {
    socket.once('data', () => resolve(true));
    socket.once('close', () => resolve(false));
  });
  return isAnswered ? socket : undefined;
}

test('connections: of one address, and in all; one that leaves makes room', async () => {
  await using small = await startHydrant({ set: { 'limits.connectionsPerAddress': 3, 'limits.connections': 5 } });
  const open: Socket[] = [];
  for (const from of ['127.0.0.1', '127.0.0.1', '127.0.0.1', '127.0.0.2', '127.0.0.2']) open.push((await enter(small.mqttUrl, from))!);
  assert.ok(open.every(Boolean));
  assert.equal(await enter(small.mqttUrl, '127.0.0.3'), undefined);
  assert.equal(await counted(small, 'connections'), 1);
  open.pop()!.destroy();
  const last = open.pop()!;
  last.destroy();
  await once(last, 'close');
  let other: Socket | undefined;
  while (!other) other = await enter(small.mqttUrl, '127.0.0.3');
  open.push(other);
  const before = await counted(small, 'connections-per-address');
  assert.equal(await enter(small.mqttUrl, '127.0.0.1'), undefined);
  assert.equal((await counted(small, 'connections-per-address')) - before, 1);
  for (const socket of open) socket.destroy();
});

test("connect rate: ten seconds' worth at once from one address, then as time passes; another address is not held back", async () => {
  await using small = await startHydrant({ set: { 'limits.connectRate': 1 } });
  const open: (Socket | undefined)[] = [];
  for (let i = 0; i < 10; i++) open.push(await enter(small.mqttUrl));
  assert.ok(open.every(Boolean), 'ten at once');
  for (let i = 0; i < 10; i++) open.push(await enter(small.mqttUrl));
  assert.ok((await counted(small, 'connect-rate')) > 0);
  assert.ok(await enter(small.mqttUrl, '127.0.0.2').then((socket) => open.push(socket) && socket));
  let later: Socket | undefined;
  while (!later) later = await enter(small.mqttUrl);
  open.push(later);
  for (const socket of open) socket?.destroy();
});

test('sessions: one too many is told so, in the words of its protocol; one that is there comes back', async () => {
  await using small = await startHydrant({ set: { 'limits.sessions': 2 } });
  const options = { clean: false, clientId: 'stays' };
  (await RawClient.connect(small.mqttUrl, options)).destroy();
  using second = await RawClient.connect(small.mqttUrl);
  for (const [version, fields] of [
    [4, { returnCode: 3 }],
    [5, { reasonCode: 0x97 }],
  ] as const) {
    using third = await RawClient.open(small.mqttUrl, version);
    third.sendConnect({ version });
    await third.expect('connack', fields);
    await third.expectClose();
  }
  using back = await RawClient.connect(small.mqttUrl, options);
  assert.equal(back.connack.sessionPresent, true);
  await second.ping();
});

test('subscriptions of a client: those within the limit are granted, the next ones not, a repeated one is; unsubscribing makes room', async () => {
  for (const [version, code] of [
    [4, 0x80],
    [5, 0x97],
  ] as const) {
    using client = await connect({ version });
    const filters = Array.from({ length: SUBSCRIPTIONS + 2 }, (_, i) => `many/${i}`);
    const granted = [...Array(SUBSCRIPTIONS).fill(1), code, code];
    assert.deepEqual((await client.subscribe(filters, 1)).granted, granted);
    assert.deepEqual((await client.subscribe('many/0', 2)).granted, [2]);
    await client.unsubscribe('many/0');
    assert.deepEqual((await client.subscribe('many/9')).granted, [0]);
  }
});

test('levels of a topic and of a filter', async () => {
  const deepest = Array(LEVELS).fill('l').join('/');
  using reader = await connect();
  assert.deepEqual((await reader.subscribe([deepest, `${deepest}/l`, '#'])).granted, [0, 0x80, 0]);
  for (const version of [4, 5] as const) {
    using client = await connect({ version });
    const id = client.publish(`${deepest}/l`, 'too deep', { qos: 1 });
    await client.expect('puback', version === 5 ? { messageId: id, reasonCode: 0x90 } : { messageId: id });
    await client.deliver(deepest, 'deepest', { qos: 1 });
    await reader.expectMessage(deepest, 'deepest');
  }
  assert.equal(await counted(server, 'topic-levels'), 3);
  const answer = await fetch(`${server.httpUrl}/t/${deepest}/l`, { method: 'POST', body: 'x' });
  assert.equal(answer.status, 400);
});

test('retained topics: MQTT 5 is refused one more, 3.1.1 has it delivered as an event that is not kept; known topics are replaced', async () => {
  using reader = await connect();
  await reader.subscribe('keep/#');
  using client = await connect({ version: 5 });
  for (let i = 0; i < RETAINED; i++) await client.deliver(`keep/${i}`, 'kept', { qos: 1, retain: true });
  client.publish('keep/more', 'x', { qos: 1, retain: true });
  await client.expect('puback', { reasonCode: 0x97 });
  using old = await connect();
  await old.deliver('keep/more', 'not lost', { qos: 1, retain: true });
  await old.deliver('keep/0', 'replaced', { qos: 1, retain: true });
  assert.equal((await fetch(`${server.httpUrl}/t/keep/more?retain=true`, { method: 'POST', body: 'x' })).status, 413);
  assert.deepEqual(
    (await reader.messages(RETAINED + 2)).map(({ payload }) => payload.toString()),
    [...Array(RETAINED).fill('kept'), 'not lost', 'replaced'],
  );
  using late = await connect();
  await late.subscribe('keep/#');
  const kept = (await late.messages(RETAINED)).map(({ topic, payload }) => `${topic} ${payload}`);
  assert.deepEqual(kept.sort(), ['keep/0 replaced', 'keep/1 kept']);
  await late.expectQuiet();
  await client.deliver('keep/0', '', { qos: 1, retain: true });
  await client.deliver('keep/more', 'room again', { qos: 1, retain: true });
});

test('publish rate: what comes too fast is read later, and nothing of it is lost; another client is not held back', async () => {
  await using small = await startHydrant({ set: { 'limits.publishRate': 20 } });
  using reader = await RawClient.connect(small.mqttUrl, { auto: true });
  await reader.subscribe('fast/#', 1);
  using fast = await RawClient.connect(small.mqttUrl);
  const beganMs = performance.now();
  for (let i = 0; i < 50; i++) fast.publish('fast/a', `${i}`, { qos: 1 });
  using other = await RawClient.connect(small.mqttUrl);
  await other.deliver('fast/b', 'at once', { qos: 1 });
  const got = (await reader.messages(51)).map(({ payload }) => payload.toString());
  assert.ok(performance.now() - beganMs >= 1000, '50 at 20 per second with 20 at once take more than a second');
  assert.ok(got.indexOf('at once') < 45);
  assert.deepEqual(
    got.filter((text) => text !== 'at once'),
    Array.from({ length: 50 }, (_, i) => `${i}`),
  );
});
