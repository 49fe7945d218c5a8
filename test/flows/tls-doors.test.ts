import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { get } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { run } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const authority = await createTestAuthority();
after(() => authority[Symbol.asyncDispose]());
const { cert, key } = await authority.server();
const certificates = { 'tls.cert': cert, 'tls.key': key };
const tls = { ca: readFileSync(authority.ca) };
const server = await shareServer({ set: { ...certificates, 'listeners.ws.enabled': true, 'listeners.wss.enabled': true } });
const { urls } = server;
/** Every door that MQTT comes in by. */
const MQTT_DOORS = [urls.mqtt, urls.mqtts!, urls.ws, urls.wss!, urls.http.replace('http', 'ws'), urls.https!.replace('http', 'ws')];

const portOf = (url: string): number => Number(new URL(url).port);

/** The metric of failed handshakes, by reason. */
async function failures({ httpUrl }: HydrantServer): Promise<Record<string, number>> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  return Object.fromEntries(
    [...text.matchAll(/^hydrant_tls_failures_total\{reason="(.+)"\} (\d+)$/gm)].map(([, reason, n]) => [reason, Number(n)]),
  );
}

test('the ready line and lock.json name every open door, each on a port of its own', async () => {
  assert.deepEqual(Object.keys(urls), ['mqtt', 'mqtts', 'ws', 'wss', 'http', 'https']);
  assert.equal(new Set(Object.values(urls).map(portOf)).size, 6);
  for (const [name, url] of Object.entries(urls)) assert.match(url, new RegExp(`^${name}://127\\.0\\.0\\.1:[1-9]\\d*$`));
  assert.deepEqual(JSON.parse(await readFile(join(server.data, 'lock.json'), 'utf8')).listeners, urls);
});

test('one event published by any door comes out by every door, in every version', async () => {
  const clients = await Promise.all(
    MQTT_DOORS.flatMap((url) => ([3, 4, 5] as const).map((version) => RawClient.connect(url, { version, auto: true, tls }))),
  );
  try {
    await Promise.all(clients.map((client) => client.subscribe('doors/#', 2)));
    for (const [index, client] of clients.entries()) {
      await client.deliver(`doors/${index}`, `${index}`, { qos: 2 });
      await Promise.all(clients.map((reader) => reader.take('publish', { topic: `doors/${index}`, qos: 2 })));
    }
  } finally {
    for (const client of clients) client.destroy();
  }
});

test('websockets come in on any path of all four ports', async () => {
  for (const url of MQTT_DOORS.filter((door) => door.startsWith('ws'))) {
    for (const path of ['/', '/mqtt', '/any/other?x=1']) {
      using client = await RawClient.connect(new URL(path, url).href, { tls });
      await client.ping();
    }
  }
});

test('mosquitto’s clients publish and subscribe over TLS, with TLS 1.2 and 1.3', async () => {
  for (const version of ['tlsv1.2', 'tlsv1.3']) {
    const to = [
      '-h',
      'localhost',
      '-p',
      String(portOf(urls.mqtts!)),
      '--cafile',
      authority.ca,
      '--tls-version',
      version,
      '-t',
      `m/${version}`,
    ];
    assert.equal((await run('mosquitto_pub', [...to, '-q', '1', '-r', '-m', 'hi'])).code, 0);
    assert.equal((await run('mosquitto_sub', [...to, '-C', '1', '-W', '10'])).stdout, 'hi\n');
  }
  const unknown = await run('mosquitto_pub', [
    '-h',
    'localhost',
    '-p',
    String(portOf(urls.mqtts!)),
    '--capath',
    '/etc/ssl/certs',
    '-t',
    'a',
    '-m',
    'b',
  ]);
  assert.notEqual(unknown.code, 0);
});

test('the HTTP API is served with TLS too, and only a page of the server itself may use it', async () => {
  const curl = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await run('curl', ['-sS', '--cacert', authority.ca, ...args]);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const { seq } = JSON.parse(await curl('-d', 'hello', `${urls.https}/t/over/https`));
  const asked = get(`${urls.https}/events?filter=over/%23&since=${seq}`, { ...tls });
  const [response] = (await within(once(asked, 'response'), 10_000, 'the stream')) as [IncomingMessage];
  const [line] = (await within(once(response, 'data'), 10_000, 'the first event')) as [Buffer];
  response.destroy();
  assert.equal(JSON.parse(line.toString()).topic, 'over/https');
  assert.match(await curl(`${urls.https}/`), /<html/);
  assert.match(await curl('-H', `Origin: ${urls.https}`, `${urls.https}/healthz`), /ok/);
  assert.match(await curl('-H', 'Origin: https://example.org', `${urls.https}/healthz`), /HYD_REFUSED/);
  assert.match(await curl('-H', 'Host: bus.example.org', `${urls.https}/healthz`), /not this machine's loopback/);
});

test('a port for websockets alone tells other requests so, and publishes nothing', async () => {
  for (const url of [urls.ws, urls.wss!]) {
    const { stdout } = await run('curl', ['-si', '--cacert', authority.ca, '-d', 'x', `${url.replace('ws', 'http')}/t/never/published`]);
    assert.match(stdout, /^HTTP\/1\.1 426 Upgrade Required\r\n(?:.+\r\n)*upgrade: websocket\r\n/);
    assert.match(stdout, /this port takes MQTT over websockets only/);
  }
  const found = await runHydrant(['find', 'never/#', '--data', server.data, '-o', 'ndjson']);
  assert.equal(found.stdout, '');
});

test('hydrant pub and sub reach both TLS doors, and say what is wrong when they do not', async () => {
  for (const url of [urls.mqtts!, urls.wss!]) {
    const sent = await runHydrant(['pub', '-L', url, '--cafile', authority.ca, '-t', 'cli/tls', '-m', url, '-r', '-q', '1']);
    assert.deepEqual([sent.code, sent.stderr], [0, '']);
    const got = await runHydrant(['sub', '-L', url, '--insecure', '-t', 'cli/tls', '-C', '1', '-W', '10']);
    assert.equal(got.stdout, `${url}\n`);
    const unknown = await runHydrant(['pub', '-L', url, '-t', 'cli/tls', '-m', 'x']);
    assert.equal(unknown.code, 4);
    assert.match(unknown.stderr, /unable to verify the first certificate\n {2}fix: Give the authority .*--cafile FILE/);
    const otherName = await runHydrant([
      'pub',
      '-L',
      url.replace('127.0.0.1', '127.0.0.2'),
      '--cafile',
      authority.ca,
      '-t',
      'cli/tls',
      '-m',
      'x',
    ]);
    assert.equal(otherName.code, 4);
  }
  const byHost = await runHydrant([
    'pub',
    '-h',
    'localhost',
    '-p',
    String(portOf(urls.mqtts!)),
    '--cafile',
    authority.ca,
    '-t',
    'a',
    '-m',
    'x',
    '-q',
    '1',
  ]);
  assert.deepEqual([byHost.code, byHost.stderr], [0, '']);
  const plainPort = await runHydrant(['pub', '-L', `mqtts://127.0.0.1:${server.mqttPort}`, '-t', 'a', '-m', 'x']);
  assert.match(plainPort.stderr, /fix: Check that this port speaks TLS/);
});

/** Whether a handshake comes to its end, and the protocol that was agreed on. */
async function handshake(url: string, options: ConnectionOptions): Promise<{ version: string | null; alpn: string | false | null }> {
  const socket = connectTls({ host: '127.0.0.1', port: portOf(url), ...tls, ...options });
  try {
    await within(once(socket, 'secureConnect'), 10_000, 'the handshake');
    return { version: socket.getProtocol(), alpn: socket.alpnProtocol };
  } finally {
    socket.destroy();
  }
}

test('versions of TLS before 1.2 are refused, and 1.2 too where the configuration says so', async () => {
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const before = (await failures(server))['old-version'] ?? 0;
  for (const url of [urls.mqtts!, urls.https!, urls.wss!]) {
    await assert.rejects(handshake(url, old), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
    assert.equal((await handshake(url, { maxVersion: 'TLSv1.2' })).version, 'TLSv1.2');
    assert.equal((await handshake(url, {})).version, 'TLSv1.3');
  }
  assert.equal((await failures(server))['old-version'], before + 3);
  await using strict = await startHydrant({ set: { ...certificates, 'tls.minVersion': 'TLSv1.3' } });
  await assert.rejects(handshake(strict.urls.mqtts!, { maxVersion: 'TLSv1.2' }), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  assert.equal((await handshake(strict.urls.https!, {})).version, 'TLSv1.3');
});

test('a client that names mqtt as its protocol is served, one that names another is not', async () => {
  assert.equal((await handshake(urls.mqtts!, { ALPNProtocols: ['mqtt'] })).alpn, 'mqtt');
  assert.equal((await handshake(urls.https!, { ALPNProtocols: ['http/1.1'] })).alpn, 'http/1.1');
  await assert.rejects(handshake(urls.mqtts!, { ALPNProtocols: ['http/1.1'] }), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' });
});

/** Sends bytes that are no TLS, or nothing, and resolves when the server has hung up. */
async function poke(url: string, bytes: string): Promise<void> {
  const socket = connectTcp(portOf(url), '127.0.0.1');
  socket.on('error', () => {});
  socket.resume();
  socket.write(bytes);
  await within(once(socket, 'close'), 10_000, 'the server to hang up');
}

test('a handshake that is never finished is cut, and a scan fills no log', async () => {
  await using own = await startHydrant({ set: { ...certificates, 'limits.connectTimeout': '300ms' } });
  const doors = [own.urls.mqtts!, own.urls.https!];
  await Promise.all(doors.map((url) => poke(url, '')));
  await Promise.all(doors.map((url) => poke(url, '\x16\x03\x01\x02\x00\x01')));
  await Promise.all(doors.flatMap((url) => Array.from({ length: 20 }, () => poke(url, 'GET / HTTP/1.1\r\n\r\n'))));
  const counted = await failures(own);
  assert.deepEqual([counted.timeout, counted['not-tls']], [4, 40]);
  own.child.signal('SIGHUP');
  await own.logged((entry) => entry.event === 'reload', 'the reload, behind all that was logged');
  const lines = own.log.filter((entry) => entry.message === 'a TLS handshake failed');
  assert.deepEqual(lines.map(({ listener, reason, remote }) => [listener, reason, remote]).sort(), [
    ['https', 'not-tls', '127.0.0.1'],
    ['https', 'timeout', '127.0.0.1'],
    ['mqtts', 'not-tls', '127.0.0.1'],
    ['mqtts', 'timeout', '127.0.0.1'],
  ]);
});

test('connections of one address are limited before their handshakes, on all doors with TLS together', async () => {
  await using own = await startHydrant({ set: { ...certificates, 'limits.connectionsPerAddress': 4 } });
  const doors = [own.urls.mqtts!, own.urls.https!];
  const held = new Set(doors.flatMap((url) => [url, url, url]).map((url) => connectTcp(portOf(url), '127.0.0.1')));
  // Which two come too late is up to the kernel.
  const refused = Promise.withResolvers<void>();
  const closed = [...held].map(async (socket) => {
    await once(socket.on('error', () => {}).resume(), 'close');
    held.delete(socket);
    if (held.size === 4) refused.resolve();
  });
  await within(refused.promise, 10_000, 'two of six to be refused');
  assert.equal((await failures(own))['connections-per-address'], 2);
  for (const socket of [...held].slice(0, 2)) socket.destroy();
  while (((await failures(own)).cut ?? 0) < 2) await new Promise((resolve) => setImmediate(resolve));
  using client = await RawClient.connect(own.urls.mqtts!, { tls });
  await client.ping();
  assert.equal((await failures(own))['connections-per-address'], 2);
  for (const socket of held) socket.destroy();
  await Promise.all(closed);
});

test('an unfinished handshake does not keep the server from ending', async () => {
  await using own = await startHydrant({ set: { ...certificates, 'limits.connectTimeout': '10m' } });
  const sockets = [own.urls.mqtts!, own.urls.https!].map((url) => connectTcp(portOf(url), '127.0.0.1'));
  const closed = sockets.map((socket) =>
    once(
      socket.resume().on('error', () => {}),
      'close',
    ),
  );
  await Promise.all(sockets.map((socket) => once(socket, 'connect')));
  using client = await RawClient.connect(own.urls.mqtts!, { tls });
  await client.ping();
  assert.deepEqual(await own.stop(), { code: 0, signal: null });
  await Promise.all(closed);
});

test('without a certificate there is no TLS door, and one that is asked for by name is refused', async () => {
  await using own = await startHydrant();
  assert.deepEqual(Object.keys(own.urls), ['mqtt', 'ws', 'http']);
  const asked = await runHydrant(['up', '--data', own.data, '--set', 'listeners.wss.enabled=true']);
  assert.equal(asked.code, 2);
  assert.match(
    asked.stderr,
    /listeners\.wss\.enabled is true, but there is no certificate: give tls\.cert and tls\.key \(hydrant tls self-signed/,
  );
});
