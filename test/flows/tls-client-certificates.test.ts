import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { request } from 'node:https';
import { after, afterEach, before, test } from 'node:test';
import { type CertificateFiles, createTestAuthority, type TestAuthority } from '../../src/testing/certificates.ts';
import { run } from '../../src/testing/child.ts';
import { within } from '../../src/testing/deadline.ts';
import { type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import type { LogEntry } from '../../src/testing/running-hydrant.ts';

const NOT_AUTHORIZED = 0x87;

let authority: TestAuthority;
let stranger: TestAuthority;
/** What a client may show: nothing, a good certificate of alice, one that has expired, one of another authority. */
let shown: Record<'nothing' | 'good' | 'expired' | 'foreign', CertificateFiles | undefined>;
let server: HydrantServer | undefined;

before(async () => {
  authority = await createTestAuthority();
  stranger = await createTestAuthority('somebody else');
  shown = {
    nothing: undefined,
    good: await authority.client('alice'),
    expired: await authority.client('old', { expired: true, commonName: 'alice' }),
    foreign: await stranger.client('alice'),
  };
});

after(async () => {
  await authority[Symbol.asyncDispose]();
  await stranger[Symbol.asyncDispose]();
});

afterEach(async (t) => {
  server?.showLogIfFailed(t as { name: string; passed?: boolean });
  await server?.[Symbol.asyncDispose]();
  server = undefined;
});

/** A server on which anonymous clients read and alice, known by her certificate, writes below her name. */
async function start(clientCertificates: 'none' | 'optional' | 'required'): Promise<HydrantServer> {
  const { cert, key } = await authority.server();
  const certificates = { 'tls.cert': cert, 'tls.key': key, 'tls.ca': authority.ca, 'tls.clientCertificates': clientCertificates };
  server = await startHydrant({
    set: { preset: 'firehose', ...certificates, 'access.certificateUser': clientCertificates !== 'none' },
  });
  return server;
}

function tlsOf(files: CertificateFiles | undefined) {
  const ca = readFileSync(authority.ca);
  return files ? { ca, cert: readFileSync(files.cert), key: readFileSync(files.key) } : { ca };
}

/** The reason code of a publish below alice's name. Rejects when there is no connection. */
async function publishMqtt(url: string, files: CertificateFiles | undefined): Promise<number> {
  using client = await RawClient.connect(url, { version: 5, tls: tlsOf(files) });
  const messageId = client.publish('alice/mqtt', 'x', { qos: 1 });
  return (await client.take('puback', { messageId })).reasonCode ?? 0;
}

/** The HTTP status of a publish below alice's name. Rejects when there is no connection. */
async function publishHttp(url: string, files: CertificateFiles | undefined): Promise<number> {
  const asked = request(`${url}/t/alice/http`, { method: 'POST', agent: false, ...tlsOf(files) });
  asked.end('x');
  const [response] = (await within(once(asked, 'response'), 10_000, 'an answer')) as [IncomingMessage];
  response.resume();
  return response.statusCode!;
}

async function failures({ httpUrl }: HydrantServer): Promise<Record<string, number>> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  return Object.fromEntries(
    [...text.matchAll(/^hydrant_tls_failures_total\{reason="(.+)"\} (\d+)$/gm)].map(([, reason, n]) => [reason, Number(n)]),
  );
}

/** The log with all that was written up to now: the answer to a signal is written behind it. */
async function logSoFar(server: HydrantServer): Promise<LogEntry[]> {
  server.child.signal('SIGHUP');
  await server.logged((entry) => entry.event === 'reload', 'the reload');
  return server.log;
}

test('required: a good certificate says who it is on every door, anything else is refused, counted and logged', async () => {
  const { urls } = await start('required');
  for (const url of [urls.mqtts!, urls.wss!]) {
    assert.equal(await publishMqtt(url, shown.good), 0);
    for (const bad of ['nothing', 'expired', 'foreign'] as const) await assert.rejects(publishMqtt(url, shown[bad]), `${url} ${bad}`);
  }
  assert.equal(await publishHttp(urls.https!, shown.good), 200);
  for (const bad of ['nothing', 'expired', 'foreign'] as const) await assert.rejects(publishHttp(urls.https!, shown[bad]), bad);
  assert.deepEqual(await failures(server!), { 'no-certificate': 3, 'bad-certificate': 6 });
  const told = (await logSoFar(server!)).filter((entry) => entry.message === 'a TLS handshake failed');
  assert.deepEqual(
    told.map(({ listener, error }) => [listener, error]),
    [
      ['mqtts', 'peer did not return a certificate'],
      ['mqtts', 'CERT_HAS_EXPIRED'],
      ['https', 'peer did not return a certificate'],
      ['https', 'CERT_HAS_EXPIRED'],
    ],
  );
});

test('optional: only a good certificate says who it is; without one, and with a bad one, a client is anonymous', async () => {
  const { urls } = await start('optional');
  for (const url of [urls.mqtts!, urls.wss!]) {
    assert.equal(await publishMqtt(url, shown.good), 0);
    for (const bad of ['nothing', 'expired', 'foreign'] as const) assert.equal(await publishMqtt(url, shown[bad]), NOT_AUTHORIZED, bad);
  }
  assert.equal(await publishHttp(urls.https!, shown.good), 200);
  for (const bad of ['nothing', 'expired', 'foreign'] as const) assert.equal(await publishHttp(urls.https!, shown[bad]), 401, bad);
  assert.deepEqual(await failures(server!), { 'bad-certificate': 6 });
});

test('none: nobody is asked, and a certificate that is offered all the same says nothing', async () => {
  const { urls } = await start('none');
  for (const files of Object.values(shown)) {
    assert.equal(await publishMqtt(urls.mqtts!, files), NOT_AUTHORIZED);
    assert.equal(await publishHttp(urls.https!, files), 401);
  }
  assert.deepEqual(await failures(server!), {});
});

test('mosquitto’s and curl’s client certificates are taken', async () => {
  const { urls } = await start('required');
  const { cert, key } = shown.good!;
  const pub = (...more: string[]) =>
    run('mosquitto_pub', [
      '-h',
      'localhost',
      '-p',
      new URL(urls.mqtts!).port,
      '--cafile',
      authority.ca,
      ...more,
      '-t',
      'alice/m',
      '-m',
      'hi',
      '-q',
      '1',
      '-V',
      '5',
    ]);
  const sent = await pub('--cert', cert, '--key', key);
  assert.deepEqual([sent.code, sent.stderr], [0, '']);
  assert.notEqual((await pub()).code, 0);
  const got = await run('curl', ['-sS', '--cacert', authority.ca, '--cert', cert, '--key', key, '-d', 'hi', `${urls.https}/t/alice/curl`]);
  assert.match(got.stdout, /"topic":"alice\/curl"/);
  assert.notEqual((await run('curl', ['-s', '--cacert', authority.ca, `${urls.https}/healthz`])).code, 0);
});
