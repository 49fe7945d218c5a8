import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Client, type ClientOptions, HydrantError, openClient, type Publication } from '../../src/client/index.ts';
import { type BreakingProxy, startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { startScriptedServer } from '../../src/testing/scripted-server.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const TOPIC = 'plant/1';
/** Connections cut in a row: one more and the driver takes it for somebody else under the client id, and waits long. */
const ROUNDS = 3;
const ENGINES = [
  { name: 'our broker, MQTT 5', version: 5, start: () => startBroker() },
  { name: 'Mosquitto, MQTT 5', version: 5, start: () => startMosquitto() },
  { name: 'Mosquitto, MQTT 3.1.1', version: 4, start: () => startMosquitto() },
] as const;

async function startBroker(): Promise<{ url: string; port: number } & AsyncDisposable> {
  const server = await startHydrant({ set: { 'archive.enabled': false } });
  return { url: server.mqttUrl, port: server.mqttPort, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function publish(client: Client, count: number, prefix = 'e'): Publication[] {
  return Array.from({ length: count }, (_, i) => client.publish({ topic: TOPIC, payload: `${prefix}${i}` }));
}

function names(count: number, prefix = 'e'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

const stored = (publications: readonly Publication[]): Promise<unknown> => Promise.all(publications.map((each) => each.stored));
const acked = (publications: readonly Publication[]): Promise<unknown> => Promise.all(publications.map((each) => each.acked));
const codeOf = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error) => (error instanceof HydrantError ? error.code : String(error)),
  );

/** A client that ends with the test, in a folder of its own. */
async function open(folder: TempFolder, options: Partial<ClientOptions>): Promise<Client> {
  const client = await openClient({ outbox: folder.path, keepAliveSeconds: 2, ...options });
  return Object.assign(client, {
    [Symbol.asyncDispose]: async () => void (await client.close({ deadlineMs: 0 })),
  });
}

const viaProxy = (proxy: BreakingProxy): string => `mqtt://127.0.0.1:${proxy.port}`;

for (const { name, version, start } of ENGINES) {
  test(`what is published while no server is there arrives in order when one is (client defect 5) · ${name}`, async () => {
    await using folder = await createTempFolder();
    await using server = await start();
    await using witness = await startWitness(server.url, [TOPIC], version);
    const port = await freePort();
    await using client = await open(folder, { url: `mqtt://127.0.0.1:${port}`, version });
    const publications = publish(client, 300);
    await stored(publications);
    assert.equal(client.metrics().depth, 300);
    await using door = await startBreakingProxy(server.port, port);
    await acked(publications);
    await witness.seen(300);
    assert.deepEqual(witness.firsts, names(300));
    assert.deepEqual(await client.flush(), { remaining: 0 });
    assert.deepEqual([client.metrics().depth, door.connections], [0, 1]);
    if (version === 5) assert.deepEqual(new Set(witness.events.map(({ id }) => id)), new Set(publications.map(({ id }) => id)));
  });

  test(`a link that goes dark loses nothing: an event is deleted only when it was acknowledged (pain 1) · ${name}`, async () => {
    await using folder = await createTempFolder();
    await using server = await start();
    await using witness = await startWitness(server.url, [TOPIC], version);
    await using proxy = await startBreakingProxy(server.port);
    await using client = await open(folder, { url: viaProxy(proxy), version });
    await acked(publish(client, 10, 'before'));
    proxy.blackhole();
    const dark = publish(client, 200);
    await stored(dark);
    await within(
      new Promise<void>((resolve) => client.on('link', ({ kind }) => kind === 'down' && resolve())),
      20_000,
      'the silence to be noticed',
    );
    assert.equal(client.metrics().depth, 200, 'nothing was deleted');
    proxy.heal();
    await acked(dark);
    await witness.seen(210);
    assert.deepEqual(witness.firsts, [...names(10, 'before'), ...names(200)]);
  });

  test(`what a stop leaves is sent by the next client (client defect 6) · ${name}`, async () => {
    await using folder = await createTempFolder();
    await using server = await start();
    await using witness = await startWitness(server.url, [TOPIC], version);
    await using proxy = await startBreakingProxy(server.port);
    proxy.blackhole();
    const first = await openClient({ outbox: folder.path, url: viaProxy(proxy), version });
    const publications = publish(first, 100);
    const codes = Promise.all(publications.map((each) => codeOf(each.acked)));
    assert.deepEqual(await first.close({ deadlineMs: 50 }), { remaining: 100 });
    assert.deepEqual(new Set(await codes), new Set(['HYD_CLOSED']));
    assert.equal(await codeOf(first.publish({ topic: TOPIC, payload: 'late' }).stored), 'HYD_CLOSED');
    await using next = await open(folder, { url: server.url, version });
    assert.deepEqual(await next.flush(), { remaining: 0 });
    await witness.seen(100);
    assert.deepEqual(witness.texts, names(100));
  });

  test(`connections that are cut again and again: all arrives, first arrivals in order, repeats under the same id · ${name}`, async () => {
    await using folder = await createTempFolder();
    await using server = await start();
    await using witness = await startWitness(server.url, [TOPIC], version);
    await using proxy = await startBreakingProxy(server.port);
    await using client = await open(folder, { url: viaProxy(proxy), version, maxAttempts: 1000 });
    const publications: Publication[] = [];
    for (let i = 0; i < ROUNDS; i++) {
      const some = publish(client, 100, `${i}-`);
      publications.push(...some);
      await some[50]!.acked;
      proxy.cut();
    }
    await acked(publications);
    await witness.seen(ROUNDS * 100);
    assert.deepEqual(witness.firsts, Array.from({ length: ROUNDS }, (_, i) => names(100, `${i}-`)).flat());
    if (version === 5) {
      const ids = new Map(publications.map(({ id }, i) => [`${Math.floor(i / 100)}-${i % 100}`, id]));
      for (const { text, id } of witness.events) assert.equal(id, ids.get(text));
    }
  });
}

test('no more than the window is out, however much waits (client defect 8)', async () => {
  await using folder = await createTempFolder();
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
    if (packet.cmd === 'pingreq') connection.send({ cmd: 'pingresp' });
  });
  await using client = await open(folder, { url: server.url, maxInFlight: 7 });
  await stored(publish(client, 500));
  const out = (): number => server.packets.filter(({ cmd }) => cmd === 'publish').length;
  await until(() => out() >= 7, 'the window to be full');
  await until(() => server.packets.some(({ cmd }) => cmd === 'pingreq'), 'a ping, long after');
  assert.equal(out(), 7);
  assert.equal(client.metrics().inFlight, 7);
});

test('a channel that is full refuses, and takes more as soon as the bus has taken some (pain 4)', async () => {
  await using folder = await createTempFolder();
  const port = await freePort();
  await using client = await open(folder, { url: `mqtt://127.0.0.1:${port}`, channels: { events: { maxEvents: 20 } } });
  const publications = publish(client, 25);
  await stored(publications.slice(0, 20));
  assert.deepEqual(await Promise.all(publications.slice(20).map((each) => codeOf(each.stored))), Array(5).fill('HYD_OUTBOX_FULL'));
  assert.deepEqual(await Promise.all(publications.slice(20).map((each) => codeOf(each.acked))), Array(5).fill('HYD_OUTBOX_FULL'));
  await using server = await startMosquitto({ port });
  await acked(publications.slice(0, 20));
  await client.flush();
  await acked(publish(client, 20, 'again'));
  assert.equal(client.metrics().refused, 5);
  assert.ok(server.pid > 0);
});

test('what waits for a server costs disk, not memory (pain 5)', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const used = (): number => {
    collect();
    const { heapUsed, external } = process.memoryUsage();
    return (heapUsed + external) / 1e6;
  };
  await using folder = await createTempFolder();
  await using client = await open(folder, { url: `mqtt://127.0.0.1:${await freePort()}` });
  const fill = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i += 2000) await stored(publish(client, 2000, 'x'.repeat(100)));
  };
  await fill(30_000);
  const before = used();
  await fill(60_000);
  const grown = used() - before;
  assert.equal(client.metrics().depth, 90_000);
  assert.ok(grown < 6, `60 000 events more took ${grown.toFixed(1)} MB of memory`);
});

test('both promises of every publish settle, and none that nobody listens to is unhandled (pain 6)', async (t) => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  t.after(() => process.off('unhandledRejection', note));
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using proxy = await startBreakingProxy(server.port);
  const client = await openClient({ outbox: folder.path, url: viaProxy(proxy), channels: { small: { maxEvents: 2 } } });
  const all: Publication[] = [];
  for (let round = 0; round < 4; round++) {
    all.push(...publish(client, 20));
    for (const request of [
      { topic: 'a/#', payload: '' },
      { topic: TOPIC, payload: 'late', ttlMs: 0 },
      { topic: TOPIC, payload: 'at most once', qos: 0 as const },
      { topic: TOPIC, payload: 'exactly once', qos: 2 as const },
      { topic: TOPIC, payload: 'one of many', channel: 'small' },
      { topic: TOPIC, payload: 'one of many', channel: 'small' },
      { topic: TOPIC, payload: 'one of many', channel: 'small' },
    ])
      all.push(client.publish(request));
    if (round % 2 === 1) proxy.cut();
    if (round === 2) proxy.blackhole();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await client.close({ deadlineMs: 300 });
  all.push(...publish(client, 5));
  const settled = await within(Promise.allSettled(all.flatMap(({ stored, acked }) => [stored, acked])), 10_000, 'all promises to settle');
  assert.equal(settled.length, 2 * (4 * 27 + 5));
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(unhandled, []);
});

test('publishing is the same online, offline and while the connection is going down (pain 11)', async () => {
  await using server = await startMosquitto();
  await using proxy = await startBreakingProxy(server.port);
  const outcomes: Record<string, string[]> = {};
  for (const state of ['online', 'offline', 'going offline']) {
    await using folder = await createTempFolder();
    const url = state === 'offline' ? `mqtt://127.0.0.1:${await freePort()}` : viaProxy(proxy);
    await using client = await open(folder, { url, channels: { small: { maxBytes: 100 } } });
    if (state !== 'offline') await client.publish({ topic: TOPIC, payload: 'up' }).acked;
    if (state === 'going offline') proxy.blackhole();
    const requests = [
      { topic: TOPIC, payload: 'text' },
      { topic: TOPIC, payload: new Uint8Array(0) },
      { topic: TOPIC, payload: 'x', qos: 2 as const, retain: true },
      { topic: TOPIC, payload: 'x', channel: 'state' },
      { topic: 'a/+', payload: 'x' },
      { topic: TOPIC, payload: 'x'.repeat(200), channel: 'small' },
    ];
    outcomes[state] = await Promise.all(requests.map((request) => codeOf(client.publish(request).stored)));
  }
  assert.deepEqual(outcomes.online, ['none', 'none', 'none', 'HYD_USAGE', 'HYD_TOPIC', 'HYD_TOO_LARGE']);
  assert.deepEqual(outcomes.offline, outcomes.online);
  assert.deepEqual(outcomes['going offline'], outcomes.online);
});

test('an event that the server hangs up on is set aside, and all others arrive (pain 10)', async () => {
  await using folder = await createTempFolder();
  const arrived: string[] = [];
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
    if (packet.cmd !== 'publish') return;
    const text = packet.payload.toString();
    if (text === 'e1') return void server.socket.end();
    arrived.push(text);
    connection.send({ cmd: 'puback', messageId: packet.messageId });
  });
  await using client = await open(folder, { url: server.url });
  const told = new Promise<string>((resolve) => client.on('quarantined', ({ id }) => resolve(id)));
  const publications = publish(client, 5);
  const code = await within(codeOf(publications[1]!.acked), 30_000, 'the event to be set aside');
  assert.equal(code, 'HYD_QUARANTINED');
  assert.equal(await told, publications[1]!.id);
  await acked(publications.filter((_, i) => i !== 1));
  assert.deepEqual([...new Set(arrived)], ['e0', 'e2', 'e3', 'e4']);
  assert.equal(client.metrics().quarantined, 1);
  assert.deepEqual(await client.flush(), { remaining: 0 }, 'it is not waited for');
});

test('what was acknowledged is in the broker also when that is killed in the same moment (pain 14)', async () => {
  await using folder = await createTempFolder();
  const data = `${folder.path}/server`;
  const port = await freePort();
  const set = { 'listeners.mqtt.port': port, 'archive.enabled': false };
  await using first = await startHydrant({ data, set });
  await using outbox = await createTempFolder();
  await using client = await open(outbox, { url: first.mqttUrl });
  const has = new Set<string>();
  for (const [i, each] of publish(client, 3000).entries()) void each.acked.then(() => has.add(`e${i}`));
  await until(() => has.size >= 500, 'some to be acknowledged');
  await first.kill();
  const before = [...has];
  const found = new Set((await findEvents(data, TOPIC)).map(({ payload }) => Buffer.from(payload).toString()));
  assert.deepEqual(
    before.filter((text) => !found.has(text)),
    [],
  );
  await using second = await startHydrant({ data, set });
  assert.deepEqual(await client.flush({ deadlineMs: 30_000 }), { remaining: 0 });
  assert.equal(has.size, 3000);
  await second.stop();
  const texts = (await findEvents(data, TOPIC)).map(({ payload }) => Buffer.from(payload).toString());
  assert.deepEqual([...new Set(texts)], names(3000), 'first arrivals in order');
});
