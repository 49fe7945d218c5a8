import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { openMqttBus } from '../../src/bus/mqtt/mqtt-bus.ts';
import {
  type Client,
  type ClientOptions,
  HydrantError,
  type JwtOptions,
  jwt,
  type LinkChange,
  openClient,
} from '../../src/client/index.ts';
import { connectClient } from '../../src/mqtt/client.ts';
import { within } from '../../src/testing/deadline.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { startScriptedServer } from '../../src/testing/scripted-server.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Tokens that a device signs itself, at a server that knows its key and allows no skew.

const HOUR_MS = 3_600_000;
const TOKEN_ENDED = 0xa0;
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const keys = join(folder.path, 'keys.json');
const keyFile = join(folder.path, 'device.pem');
const first = createKey();
const second = createKey();
await writeFile(keyFile, pemOf(first));
await allow(first);
const server = await shareServer({
  set: { 'access.jwt.keys': keys, 'access.jwt.clockSkew': '0s', 'access.attempts.delay': '10ms', 'access.attempts.maxDelay': '10ms' },
});

function createKey(): KeyObject {
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
}

function pemOf(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

/** The server's list of keys. */
async function allow(...privateKeys: KeyObject[]): Promise<void> {
  await writeFile(keys, JSON.stringify({ keys: privateKeys.map((key) => createPublicKey(key).export({ format: 'jwk' })) }));
}

const token = (options: Partial<JwtOptions> = {}, offMs = 0) =>
  jwt({ key: keyFile, claims: { sub: 'd1' }, ...options }, { clock: { now: () => Date.now() + offMs } });

/** A client with an outbox of its own, and what it tells of its link. */
async function open(options: Partial<ClientOptions> & { clientId: string }): Promise<Client & { changes: LinkChange[] }> {
  const client = await openClient({ url: server.mqttUrl, outbox: join(folder.path, options.clientId), ...options });
  const changes: LinkChange[] = [];
  client.on('link', (change) => changes.push(change));
  return Object.assign(client, { changes });
}

/** Publishes numbered events, ten at a time, until `stop` is aborted. @returns how many were acknowledged */
async function publishUntil(stop: AbortSignal, client: Client, topic: string): Promise<number> {
  let count = 0;
  while (!stop.aborted) {
    const batch = Array.from({ length: 10 }, () => client.publish({ topic, payload: String(count++) }));
    await Promise.all(batch.map(({ acked }) => acked));
    await sleep(5);
  }
  return count;
}

/** Every number once, and in order. */
async function assertOnce(topic: string, count: number): Promise<void> {
  const numbers = (await findEvents(server.data, topic)).map(({ payload }) => Number(Buffer.from(payload)));
  assert.equal(numbers.length, count, 'as many as were acknowledged');
  assert.ok(
    numbers.every((number, at) => number === at),
    'in order',
  );
}

/** Resolves when the server ends a connection that was made now, with a token that lives so long and is not renewed. */
async function lifeEnds(lifeSeconds: number): Promise<void> {
  const { password } = await token({ lifeSeconds })({ url: server.mqttUrl, refusals: 0, signal: new AbortController().signal });
  await using left = await connectClient({ url: server.mqttUrl, version: 5, username: 'x', password });
  assert.equal((await within(left.closed, 60_000, 'the end of the token')).reasonCode, TOKEN_ENDED);
}

test('a token of 10 s is renewed while events flow: none is lost and none comes twice (client defect 11)', async () => {
  const ways = [
    { name: '3.1.1', version: 4, as: 'password', connects: 2 },
    { name: '5', version: 5, as: 'password', connects: 2 },
    { name: '5-auth', version: 5, as: 'JWT', connects: 1 },
  ] as const;
  const stop = new AbortController();
  const runs = ways.map(async ({ name, version, as, connects }) => {
    await using client = await open({ version, clientId: `renewed-${name}`, credentials: token({ lifeSeconds: 10, as }) });
    const topic = `renewed/${name}`;
    const count = await publishUntil(stop.signal, client, topic);
    assert.ok(count >= 1000, `${count} events`);
    assert.equal(client.metrics().connects, connects, name);
    const unplanned = client.changes.filter(({ kind, error }) => kind !== 'up' && error !== undefined);
    assert.deepEqual(unplanned, [], 'no connection was lost and no login refused');
    await assertOnce(topic, count);
  });
  // What was not renewed has ended by then.
  await Promise.all([...runs, lifeEnds(11).finally(() => stop.abort())]);
});

test('a key that is replaced on disk is taken over while events flow, and the old one may be withdrawn then', async () => {
  await using client = await open({ clientId: 'turned', credentials: token() });
  const stop = new AbortController();
  const renewed = Promise.withResolvers<void>();
  client.on('link', () => client.metrics().connects === 2 && renewed.resolve());
  const publishing = publishUntil(stop.signal, client, 'turned');
  try {
    await within(client.publish({ topic: 'turned/up', payload: 'x' }).acked, 20_000, 'the first login');
    await allow(first, second);
    await reload();
    await writeFile(keyFile, pemOf(second).slice(0, 100));
    await writeFile(`${keyFile}.new`, pemOf(second));
    await rename(`${keyFile}.new`, keyFile);
    await within(renewed.promise, 20_000, 'the new key to be used');
    await allow(second);
    await reload();
  } finally {
    stop.abort();
  }
  await assertOnce('turned', await publishing);
  assert.deepEqual(
    client.changes.map(({ kind, error }) => [kind, error]),
    ['up', 'down', 'up'].map((kind) => [kind, undefined]),
  );
  await allow(first);
  await writeFile(keyFile, pemOf(first));
  await reload();
});

test('a device without its key yet, or with one that the server does not know, stores what it has and sends it once the key is right', async () => {
  const key = join(folder.path, 'late.pem');
  await using client = await open({ clientId: 'late', credentials: token({ key }) });
  const told = async (kind: LinkChange['kind']): Promise<LinkChange> => {
    const found = Promise.withResolvers<LinkChange>();
    const end = client.on('link', (change) => change.kind === kind && found.resolve(change));
    return within(found.promise, 20_000, `the link to be ${kind}`).finally(end);
  };
  const failed = told('failed');
  const event = client.publish({ topic: 'late', payload: '0' });
  await event.stored;
  const { error } = await failed;
  assert.ok(error instanceof HydrantError && error.code === 'HYD_CREDENTIALS');
  assert.equal(error.message, `the key file ${key} does not exist`);
  await writeFile(key, pemOf(second));
  assert.match((await told('refused')).error!.message, /refused the connection: bad user name or password/);
  await writeFile(key, pemOf(first));
  await within(event.acked, 20_000, 'the event on the bus');
  await assertOnce('late', 1);
});

async function reload(): Promise<void> {
  const reloads = (): number => server.log.filter(({ event }) => event === 'reload').length;
  const before = reloads();
  server.child.signal('SIGHUP');
  await server.logged(() => reloads() > before, 'the reload');
}

for (const [version, offMs, logins] of [
  [5, -40 * HOUR_MS, 2],
  [5, 3.5 * HOUR_MS, 1],
  [4, -0.5 * HOUR_MS, 4],
] as const) {
  const off = `${Math.abs(offMs) / HOUR_MS} h ${offMs < 0 ? 'behind' : 'ahead'}`;
  test(`MQTT ${version}: a clock that is ${off} is let in at login ${logins}`, async () => {
    const credentials = token({ lifeSeconds: 1500 }, offMs);
    await using client = await open({ version, clientId: `skewed-${version}-${logins}`, credentials });
    const skews: number[] = [];
    client.on('clock-skew', ({ skewMs }) => skews.push(skewMs));
    await within(client.publish({ topic: 'skewed', payload: 'x' }).acked, 20_000, 'a login that is taken');
    assert.deepEqual(
      client.changes.map(({ kind }) => kind),
      [...Array(logins - 1).fill('refused'), 'up'],
    );
    if (logins === 1) return assert.deepEqual(skews, [], 'this server does not mind a token that is from the future');
    assert.equal(skews.length, 1);
    assert.ok(Math.abs(skews[0]! + offMs) <= (version === 5 ? 5_000 : 1_500_000), `${skews[0]}`);
  });
}

test('credentials that stay expired cost one login in each step of the backoff, and the provider is asked each time (pain 8)', async () => {
  const asked: number[] = [];
  const connects: string[] = [];
  await using refusing = await startScriptedServer((packet, connection) => {
    if (packet.cmd !== 'connect') return;
    connects.push(String(packet.password));
    connection.send({ cmd: 'connack', returnCode: 5, reasonCode: 5, sessionPresent: false });
    connection.close();
  });
  const signer = token({}, -365 * 24 * HOUR_MS);
  let nowMs = 0;
  const quarter = Promise.withResolvers<void>();
  const delays: number[] = [];
  const said: string[] = [];
  await using bus = await openMqttBus({
    urls: [refusing.url],
    neverGiveUp: true,
    log: (level, message, fields) => said.push(`${level} ${message} ${JSON.stringify(fields)}`),
    version: 4,
    clientId: 'expired',
    closeTimeoutMs: 1,
    credentials: (request) => {
      asked.push(request.refusals);
      return signer(request);
    },
    timing: {
      now: () => nowMs,
      async sleep(ms, signal) {
        if (nowMs >= HOUR_MS / 4) return void (await new Promise((resolve) => signal.addEventListener('abort', resolve)));
        delays.push(ms);
        nowMs += ms;
        if (nowMs >= HOUR_MS / 4) quarter.resolve();
        await new Promise((resolve) => setImmediate(resolve));
      },
    },
  });
  const publishing = bus.publish({ topic: 'a', payload: Buffer.from('x'), qos: 1, retain: false });
  publishing.catch(() => {});
  await within(quarter.promise, 60_000, 'a quarter of an hour of refused logins');
  assert.ok(connects.length >= 30 && connects.length <= 150, `${connects.length} logins in a quarter of an hour`);
  assert.equal(connects.length, delays.length, 'one login, then a delay');
  assert.deepEqual(
    asked.slice(0, connects.length),
    connects.map((_, at) => at),
  );
  assert.equal(new Set(connects).size, connects.length, 'each time another token');
  assert.ok(Math.max(...delays) <= 30_000);
  assert.ok(said.length > 0 && said.every((line) => connects.every((password) => !line.includes(password))), 'no token in the log');
});
