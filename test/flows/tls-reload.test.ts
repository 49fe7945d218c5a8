import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import { type CertificateFiles, createTestAuthority, type TestAuthority } from '../../src/testing/certificates.ts';
import { within } from '../../src/testing/deadline.ts';
import { type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import type { LogEntry } from '../../src/testing/running-hydrant.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';

let authority: TestAuthority;
let [first, second]: CertificateFiles[] = [];
let folder: TempFolder;
let server: HydrantServer | undefined;

before(async () => {
  authority = await createTestAuthority();
  [first, second] = [await authority.server('first'), await authority.server('second')];
  folder = await createTempFolder();
});

after(async () => {
  await authority[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

afterEach(async (t) => {
  server?.showLogIfFailed(t as { name: string; passed?: boolean });
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

const path = (name: string): string => join(folder.path, name);
const config = (yaml: string): void => writeFileSync(path('hydrant.yaml'), yaml);

/** Puts a certificate where the configuration `tls: {cert: server.pem, key: server.key}` looks for it, beside itself. */
function install({ cert, key }: CertificateFiles): void {
  copyFileSync(cert, path('server.pem'));
  copyFileSync(key, path('server.key'));
}

async function start(yaml: string): Promise<HydrantServer> {
  config(yaml);
  server = await startHydrant({ args: ['--config', path('hydrant.yaml')] });
  return server;
}

/** SIGHUP, and what was logged of it. */
async function reload(on: HydrantServer): Promise<LogEntry> {
  const known = on.log.filter((entry) => entry.event === 'reload').length;
  on.child.signal('SIGHUP');
  await on.logged(() => on.log.filter((entry) => entry.event === 'reload').length > known, 'the reload');
  return on.log.findLast((entry) => entry.event === 'reload')!;
}

async function dial(url: string, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(url);
  const socket = connect({ host, port: Number(port), ca: readFileSync(authority.ca), ...options });
  await within(once(socket, 'secureConnect'), 10_000, 'the handshake');
  return socket;
}

/** The certificate that a new connection is shown. */
async function shownBy(url: string): Promise<string> {
  const socket = await dial(url);
  const { fingerprint256 } = socket.getPeerCertificate();
  socket.destroy();
  return fingerprint256;
}

const fingerprintOf = ({ cert }: CertificateFiles): string => new X509Certificate(readFileSync(cert)).fingerprint256;
const doorsOf = ({ urls }: HydrantServer): string[] => [urls.mqtts!, urls.https!, urls.wss!];

const YAML = 'tls: {cert: server.pem, key: server.key}\nlisteners: {wss: {enabled: true}}\n';

test('SIGHUP shows a new certificate to new connections on every door, and those that are open go on', async () => {
  install(first!);
  const own = await start(YAML);
  const tls = { ca: readFileSync(authority.ca) };
  const open = await Promise.all([own.urls.mqtts!, own.urls.wss!].map((url) => RawClient.connect(url, { tls, auto: true })));
  for (const client of open) await client.subscribe('flow/#', 1);
  for (const url of doorsOf(own)) assert.equal(await shownBy(url), fingerprintOf(first!));

  install(second!);
  const { applied, needRestart } = await reload(own);
  assert.deepEqual([applied, needRestart], [[], []]);
  const told = own.log.find((entry) => entry.message === 'there is a new certificate')!;
  assert.equal(told.fingerprint, fingerprintOf(second!));
  for (const url of doorsOf(own)) assert.equal(await shownBy(url), fingerprintOf(second!));
  for (const [index, client] of open.entries()) {
    await client.deliver(`flow/${index}`, 'still here', { qos: 1 });
    for (const reader of open) await reader.take('publish', { topic: `flow/${index}` });
  }
  for (const client of open) client.destroy();
});

test('files under other names are taken over, and a reload that changes nothing says nothing of certificates', async () => {
  install(first!);
  const own = await start(YAML);
  await reload(own);
  assert.ok(!own.log.some((entry) => entry.message === 'there is a new certificate'));
  config(YAML.replace('server.pem', second!.cert).replace('server.key', second!.key).replace('}', ', minVersion: TLSv1.3}'));
  assert.deepEqual((await reload(own)).applied, ['tls.cert', 'tls.key', 'tls.minVersion']);
  assert.equal(await shownBy(own.urls.https!), fingerprintOf(second!));
  await assert.rejects(dial(own.urls.mqtts!, { maxVersion: 'TLSv1.2' }), { code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
});

test('files that do not fit change nothing at all, and the log says which and what to do', async () => {
  install(first!);
  const own = await start(YAML);
  copyFileSync(second!.cert, path('server.pem'));
  config(`${YAML}limits: {inFlight: 7}\n`);
  const refused = await reload(own);
  assert.equal(refused.level, 'error');
  assert.match(String(refused.error), /tls\.key \/.*server\.key is not the key of the certificate in tls\.cert \/.*server\.pem/);
  assert.match(String(refused.fix), /comes first/);
  for (const url of doorsOf(own)) assert.equal(await shownBy(url), fingerprintOf(first!));
  copyFileSync(second!.key, path('server.key'));
  assert.deepEqual((await reload(own)).applied, ['limits.inFlight']);
  assert.equal(await shownBy(own.urls.mqtts!), fingerprintOf(second!));
});

test('clients of an authority that is no longer listed are refused, with a session to resume too', async () => {
  await using other = await createTestAuthority('the next authority');
  install(first!);
  copyFileSync(authority.ca, path('clients.pem'));
  const asking = (ca: string): string => `tls: {cert: server.pem, key: server.key, ca: ${ca}, clientCertificates: required}\n`;
  const own = await start(asking('clients.pem'));
  const { cert, key } = await authority.client('alice');
  const alice = { cert: readFileSync(cert), key: readFileSync(key) };
  const before = await dial(own.urls.mqtts!, alice);
  const [session] = (await within(once(before.resume(), 'session'), 10_000, 'a session ticket')) as [Buffer];
  const resumed = await RawClient.connect(own.urls.mqtts!, { tls: { ca: readFileSync(authority.ca), ...alice, session } });
  await resumed.ping();

  config(asking(other.ca));
  assert.deepEqual((await reload(own)).applied, ['tls.ca']);
  await resumed.ping();
  for (const more of [{}, { session }]) {
    await assert.rejects(
      RawClient.connect(own.urls.mqtts!, { tls: { ca: readFileSync(authority.ca), ...alice, ...more } }),
      Object.keys(more).join(),
    );
  }
  const next = await other.client('bob');
  using bob = await RawClient.connect(own.urls.mqtts!, {
    tls: { ca: readFileSync(authority.ca), cert: readFileSync(next.cert), key: readFileSync(next.key) },
  });
  await bob.ping();
  before.destroy();
  resumed.destroy();

  // Until the restart clients are asked, so there must be an authority.
  config('tls: {cert: server.pem, key: server.key}\n');
  assert.deepEqual((await reload(own)).needRestart, ['tls.clientCertificates']);
  using again = await RawClient.connect(own.urls.mqtts!, {
    tls: { ca: readFileSync(authority.ca), cert: readFileSync(next.cert), key: readFileSync(next.key) },
  });
  await again.ping();
});

test('opening and closing doors, and asking clients for certificates, needs a restart and is reported as such', async () => {
  install(first!);
  const own = await start(YAML);
  config(YAML.replace('key: server.key', `key: server.key, ca: ${authority.ca}, clientCertificates: required`).replace('true', 'false'));
  assert.deepEqual((await reload(own)).needRestart, ['listeners.wss.enabled', 'tls.clientCertificates']);
  assert.equal(await shownBy(own.urls.wss!), fingerprintOf(first!));
  config('');
  assert.deepEqual((await reload(own)).needRestart, ['listeners.wss.enabled', 'tls.cert', 'tls.key']);
  assert.equal(await shownBy(own.urls.https!), fingerprintOf(first!));
});

test('a certificate given to a server without TLS needs a restart', async () => {
  install(first!);
  const own = await start('');
  config(YAML);
  assert.deepEqual((await reload(own)).needRestart, ['listeners.wss.enabled', 'tls.cert', 'tls.key']);
});

test('a certificate that has expired is served with a warning', async () => {
  install(await authority.server('expired', { expired: true }));
  const own = await start(YAML);
  const warning = await own.logged((entry) => entry.level === 'warn', 'the warning');
  assert.match(String(warning.message), /the certificate in tls\.cert \/.*server\.pem has expired on 20\d\d-\d\d-\d\dT/);
  const socket = await dial(own.urls.mqtts!, { rejectUnauthorized: false });
  assert.equal(String(socket.authorizationError), 'CERT_HAS_EXPIRED');
  socket.destroy();
});

test('files that cannot be used stop the start before anything is made, with exit code 2 and the fix', async () => {
  install(first!);
  config('tls: {cert: server.pem, key: none.key}\n');
  for (const command of [['up'], ['config', 'check']]) {
    const { code, stdout, stderr } = await runHydrant([...command, '--config', path('hydrant.yaml'), '--data', path('data')]);
    assert.deepEqual([code, stdout], [2, ''], stderr);
    assert.match(stderr, /tls\.key \/.*none\.key: ENOENT.*\n {2}fix: Give a PEM file that exists; `hydrant tls self-signed`/);
  }
  assert.throws(() => readFileSync(path('data/hydrant.json')), { code: 'ENOENT' });
});
