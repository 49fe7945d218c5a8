import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Connection } from '../../mqtt/connection.ts';
import type { Packet } from '../../mqtt/packet.ts';
import { within } from '../../testing/deadline.ts';
import { DeliveryLog } from '../../testing/delivery-log.ts';
import { MemoryInbox } from '../../testing/memory-inbox.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { startScriptedSession } from '../../testing/scripted-session.ts';
import { connectBackoffMs } from './connect-backoff.ts';
import { openMqttBus } from './mqtt-bus.ts';
import type { Timing } from './options.ts';

const LIMIT_MS = 20_000;
const coded = (code: string, text: RegExp) => (error: HydrantError) => error.code === code && text.test(error.message);

/** Time that passes only while somebody backs off; `delays` says how long. */
function fakeTiming(random = 0.5): Timing & { delays: number[]; nowMs: number; until(count: number): Promise<void> } {
  const watchers = new Set<() => void>();
  const timing = {
    delays: [] as number[],
    nowMs: Date.now(),
    now: () => timing.nowMs,
    random: () => random,
    async sleep(ms: number) {
      timing.delays.push(ms);
      timing.nowMs += ms;
      for (const watch of watchers) watch();
      await new Promise((resolve) => setImmediate(resolve));
    },
    async until(count: number) {
      const done = Promise.withResolvers<void>();
      const look = (): void => {
        if (timing.delays.length >= count) done.resolve();
      };
      watchers.add(look);
      look();
      await within(done.promise, LIMIT_MS, () => `${count} delays, got ${timing.delays}`);
    },
  };
  return timing;
}

function refuse(code: number) {
  return (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd !== 'connect') return false;
    connection.send({ cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false });
    connection.close();
    return true;
  };
}

test('backing off: at once while a server of the list is untried, then up to half a second, doubled each round, 30 seconds at most', () => {
  const delays = (servers: number) => Array.from({ length: 10 }, (_, failures) => connectBackoffMs(failures, servers, () => 1));
  assert.deepEqual(delays(1), [0, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  assert.deepEqual(delays(3), [0, 0, 0, 500, 500, 500, 1000, 1000, 1000, 2000]);
  assert.equal(
    connectBackoffMs(1e9, 1, () => 0.25),
    7500,
  );
});

test('a server that cannot be reached is tried again with growing delays until it is there; the status says why, the log what to do', async () => {
  const timing = fakeTiming();
  const port = await freePort();
  const said: string[] = [];
  const log: Log = (level, message, fields) => void said.push(`${level} ${message}: ${fields?.error}; ${fields?.fix}`);
  await using bus = await openMqttBus({ urls: [`mqtt://u:secret@127.0.0.1:${port}`], timing, log });
  const stop = new AbortController();
  const subscribing = bus.subscribe(['a'], { durable: 'reader', signal: stop.signal });
  subscribing.catch(() => {});
  await timing.until(4);
  assert.deepEqual(timing.delays.slice(0, 4), [250, 500, 1000, 2000]);
  const [status] = bus.links;
  assert.deepEqual([status!.clientId, status!.url, status!.connects], ['reader', undefined, 0]);
  assert.match(status!.lastError!.message, /ECONNREFUSED/);
  assert.ok(!status!.lastError!.message.includes('secret'));
  for (const line of said) assert.match(line, /^warn no connection to the broker: [^;]*ECONNREFUSED[^;]*; Check that the server runs/);
  assert.ok(said.length >= 4 && !said.join().includes('secret'));
  stop.abort();
  await assert.rejects(within(subscribing, LIMIT_MS, 'the abort'), { code: 'HYD_ABORTED' });
  assert.deepEqual(bus.links, []);
});

test('of several servers the next is tried after each failure; after a loss the same one comes first', async () => {
  const timing = fakeTiming();
  await using first = await startScriptedSession();
  await using second = await startScriptedSession();
  const nowhere = `mqtt://127.0.0.1:${await freePort()}`;
  await using bus = await openMqttBus({ urls: [nowhere, first.url, second.url], timing });
  await using subscription = await bus.subscribe(['a'], { durable: 'reader' });
  assert.equal(subscription.status.url, first.url);
  assert.deepEqual(timing.delays, []);
  timing.nowMs += 60_000;
  first.hangUp();
  await first.until(() => first.connects === 2);
  assert.equal(second.connects, 0);
  await first.server[Symbol.asyncDispose]();
  await second.until('subscribe a');
  assert.equal(second.connects, 1);
});

for (const [code, text] of [
  [0x86, /bad user name or password/],
  [0x87, /not authorized/],
  [0x85, /client identifier not valid/],
] as const) {
  test(`an account that the server refuses (0x${code.toString(16)}) is an error at once, for readers and publishers`, async () => {
    await using session = await startScriptedSession({ answer: refuse(code) });
    await using bus = await openMqttBus({ urls: [session.url] });
    await assert.rejects(within(bus.subscribe(['a']), LIMIT_MS, 'the refusal'), coded('HYD_REFUSED', text));
    const event = { topic: 'a', payload: Buffer.from('1'), qos: 1, retain: false } as const;
    await assert.rejects(within(bus.publish(event), LIMIT_MS, 'the refusal'), coded('HYD_REFUSED', text));
    assert.deepEqual([session.connects, bus.links.length], [2, 0]);
  });
}

test('a server that is busy, or that refuses the account later than the first time, is tried again', async () => {
  const timing = fakeTiming();
  const codes = [0x89, 0, 0x87, 0];
  await using session = await startScriptedSession({
    answer: (packet, connection) => packet.cmd === 'connect' && refuseUnless0(codes.shift()!, packet, connection),
  });
  await using bus = await openMqttBus({ urls: [session.url], timing });
  await using subscription = await bus.subscribe(['a'], { durable: 'reader' });
  assert.equal(session.connects, 2);
  timing.nowMs += 60_000;
  session.hangUp();
  await session.until((seen) => seen.filter((each) => each === 'subscribe a').length === 2, 'the second subscription');
  assert.deepEqual([session.connects, subscription.status.connects], [4, 2]);
});

function refuseUnless0(code: number, packet: Packet, connection: Connection): boolean {
  return code !== 0 && refuse(code)(packet, connection);
}

for (const code of [0x84, 1]) {
  test(`a server that refuses MQTT 5 with ${code} gets 3.1.1, and the log says so once`, async () => {
    const said: string[] = [];
    await using session = await startScriptedSession({
      answer: (packet, connection) => packet.cmd === 'connect' && packet.protocolVersion === 5 && refuse(code)(packet, connection),
    });
    await using bus = await openMqttBus({ urls: [session.url], log: (_, message) => void said.push(message) });
    await using _reader = await bus.subscribe(['a']);
    await using _other = await bus.subscribe(['b']);
    assert.equal(session.connects, 3);
    assert.equal(said.filter((line) => /does not speak MQTT 5/.test(line)).length, 1);
    await assert.rejects(bus.subscribe(['a'], { group: 'workers' }), coded('HYD_UNSUPPORTED', /workers/));
  });
}

test('somebody else under the client id: DISCONNECT 0x8E ends the subscription at once', async () => {
  await using session = await startScriptedSession();
  await using bus = await openMqttBus({ urls: [session.url] });
  const log = new DeliveryLog(await bus.subscribe(['a'], { durable: 'reader' }));
  session.server.connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
  await assert.rejects(within(log.ended, LIMIT_MS, 'the end'), coded('HYD_TAKEN_OVER', /under the client id reader$/));
  assert.equal(session.connects, 1);
});

test('somebody else under the client id, MQTT 3.1.1: five connections in a row dropped at once end it; one that held begins the count anew', async () => {
  const timing = fakeTiming(0);
  await using session = await startScriptedSession();
  await using bus = await openMqttBus({ urls: [session.url], version: 4, timing });
  const log = new DeliveryLog(await bus.subscribe(['a'], { durable: 'reader' }));
  const subscribed = (times: number) => session.until((seen) => seen.filter((each) => each === 'subscribe a').length === times);
  for (let drop = 1; drop <= 9; drop++) {
    await subscribed(drop);
    if (drop === 4) timing.nowMs += 10_000;
    session.hangUp();
  }
  await assert.rejects(within(log.ended, LIMIT_MS, 'the end'), coded('HYD_TAKEN_OVER', /5 connections in a row/));
  assert.equal(session.connects, 9);
});

test('a link that falls silent is found: pinged after half the keep-alive, given up after half of it more', async () => {
  let isSilent = false;
  await using session = await startScriptedSession({ answer: () => isSilent });
  await using bus = await openMqttBus({ urls: [session.url], keepAliveSeconds: 2, connectTimeoutMs: 100 });
  await using subscription = await bus.subscribe(['a'], { durable: 'reader' });
  isSilent = true;
  await session.until(() => session.connects === 2, 'a second connection');
  assert.match(subscription.status.lastError!.message, /no answer to a ping within 1 s/);
});

test('while the reader is slow and nothing is read, the server is still pinged, and the link is not given up', async () => {
  let pings = 0;
  await using session = await startScriptedSession({
    answer: (packet) => {
      if (packet.cmd === 'pingreq') pings++;
      return false;
    },
  });
  await using bus = await openMqttBus({ urls: [session.url], keepAliveSeconds: 1, maxQueuedBytes: 1000 });
  await using subscription = await bus.subscribe(['a'], { durable: 'reader', maxInFlight: 1 });
  for (let id = 1; id <= 3000; id++) session.publish(id, 'x'.repeat(10_000), { qos: 1 });
  await session.until(() => pings >= 3, 'pings');
  assert.ok(session.server.connection.bufferedBytes > 1_000_000, 'what cannot be queued stays with the server');
  assert.equal(session.connects, 1);
  const log = new DeliveryLog(subscription, (delivery) => delivery.ack());
  await log.until(3000);
});

test('filters are subscribed to on every connection, whatever the server says of the session, and what is gone is unsubscribed after that', async () => {
  await using session = await startScriptedSession({ present: (_, number) => number > 0 });
  await using bus = await openMqttBus({ urls: [session.url], timing: fakeTiming(0) });
  const first = await bus.subscribe(['a', 'b'], { durable: 'reader' });
  await first.close();
  await using _second = await bus.subscribe(['c', 'b'], { durable: 'reader' });
  const from = session.seen.length;
  assert.deepEqual(session.seen, [
    'connect',
    'subscribe a',
    'subscribe b',
    'disconnect',
    'connect',
    'subscribe b',
    'subscribe c',
    'unsubscribe a',
  ]);
  session.hangUp();
  await session.until((seen) => seen.length >= from + 3);
  assert.deepEqual(session.seen.slice(from), ['connect', 'subscribe b', 'subscribe c']);
});

test('a filter that the server refuses is an error that names it, and leaves nothing subscribed; refused later it is logged', async () => {
  let refusing = true;
  const said: string[] = [];
  await using session = await startScriptedSession({
    answer: (packet, connection) => {
      if (packet.cmd !== 'subscribe') return false;
      const granted = packet.subscriptions.map(({ topic }) => (topic === 'no/#' && refusing ? 0x87 : 2));
      connection.send({ cmd: 'suback', messageId: packet.messageId, granted });
      return true;
    },
  });
  await using bus = await openMqttBus({
    urls: [session.url],
    timing: fakeTiming(0),
    log: (level, message) => void said.push(`${level} ${message}`),
  });
  await assert.rejects(bus.subscribe(['yes', 'no/#'], { durable: 'reader' }), coded('HYD_REFUSED', /no\/#: not authorized/));
  assert.deepEqual(session.seen.slice(-2), ['unsubscribe yes no/#', 'disconnect']);
  refusing = false;
  const log = new DeliveryLog(await bus.subscribe(['yes', 'no/#'], { durable: 'reader' }));
  refusing = true;
  const from = session.seen.length;
  session.hangUp();
  await session.until((seen) => seen.length >= from + 3);
  session.publish(1, 'still', { topic: 'yes', qos: 1 });
  await log.until(1);
  assert.ok(said.includes('error the broker refuses filters that it had granted'), said.join('\n'));
});

test('of overlapping filters one copy of each event is delivered and all are acknowledged; what only the newer filter got is delivered', async () => {
  await using session = await startScriptedSession({ present: () => true });
  const inbox = new MemoryInbox();
  await inbox.begin('0000000000000001');
  await inbox.noteFilters(['x/#']);
  await using bus = await openMqttBus({ urls: [session.url] });
  const log = new DeliveryLog(await bus.subscribe(['x/+', 'x/#'], { durable: 'reader', inbox }));
  const ids = new Map(
    session.server.packets.flatMap((packet) =>
      packet.cmd === 'subscribe' ? [[packet.subscriptions[0]!.topic, packet.properties!.subscriptionIdentifier!]] : [],
    ),
  );
  const send = (id: number, payload: string, filter: string): void =>
    session.publish(id, payload, { topic: 'x/1', qos: 1, properties: { subscriptionIdentifier: ids.get(filter)! } });
  send(1, 'one', 'x/+');
  send(2, 'one', 'x/#');
  send(3, 'queued before x/+ was there', 'x/#');
  await log.until(2);
  for (const delivery of log.deliveries) delivery.ack();
  await session.until('puback 3');
  assert.deepEqual(log.payloads, ['one', 'queued before x/+ was there']);
  assert.deepEqual(session.seen.slice(-3), ['puback 1', 'puback 2', 'puback 3']);
});

for (const moment of ['connect', 'connected', 'subscribe'] as const) {
  test(`closing ends a subscription that is being made, at the moment of ${moment}`, async () => {
    const stop = new AbortController();
    const at = (what: string): boolean => {
      if (what === moment) stop.abort();
      return what === 'subscribe';
    };
    await using session = await startScriptedSession({ answer: (packet) => at(packet.cmd) });
    const log: Log = (_, message) => message === 'connected to the broker' && at('connected');
    await using bus = await openMqttBus({ urls: [session.url], log });
    const subscribing = bus.subscribe(['a'], { durable: 'reader', signal: stop.signal });
    await assert.rejects(within(subscribing, LIMIT_MS, 'the end'), { code: 'HYD_ABORTED' });
    assert.deepEqual(bus.links, []);
  });
}
