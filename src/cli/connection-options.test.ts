import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTestAuthority } from '../testing/certificates.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { type ConnectionOptions, resolveConnection } from './connection-options.ts';

const options = (given: Partial<ConnectionOptions> = {}): ConnectionOptions => ({ keepalive: 60, connectTimeout: 10_000, ...given });

test('the server is --url, else -h and -p, else HYDRANT_URL, else this machine', () => {
  assert.equal(resolveConnection(options(), {}).url, 'mqtt://127.0.0.1:1883');
  assert.equal(resolveConnection(options(), { HYDRANT_URL: 'ws://bus:8080/' }).url, 'ws://bus:8080/');
  assert.equal(resolveConnection(options({ host: 'bus' }), { HYDRANT_URL: 'ws://other:1/' }).url, 'mqtt://bus:1883');
  assert.equal(resolveConnection(options({ port: 1884 }), {}).url, 'mqtt://127.0.0.1:1884');
  assert.equal(resolveConnection(options({ host: '::1' }), {}).url, 'mqtt://[::1]:1883');
  assert.equal(resolveConnection(options({ url: 'mqtt://bus' }), { HYDRANT_URL: 'ws://other:1/' }).url, 'mqtt://bus');
});

test('account and topic may stand in the URL and leave it there', () => {
  const { url, username, password, topic } = resolveConnection(options({ url: 'mqtt://me:p%40ss@bus:1/a/%23' }), {});
  assert.deepEqual({ url, username, password, topic }, { url: 'mqtt://bus:1', username: 'me', password: 'p@ss', topic: 'a/#' });
  assert.equal(resolveConnection(options({ url: 'ws://bus:1/mqtt' }), {}).topic, undefined);
});

test('a password comes from a file, so that nobody sees it in a process list', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'password');
  writeFileSync(file, 'secret\n');
  assert.equal(resolveConnection(options(), { HYDRANT_USER: 'me', HYDRANT_PASSWORD_FILE: file }).password, 'secret');
  assert.throws(() => resolveConnection(options(), { HYDRANT_PASSWORD_FILE: `${file}x` }), {
    code: 'HYD_USAGE',
    message: /HYDRANT_PASSWORD_FILE .*ENOENT/,
  });
});

test('versions are read as mosquitto writes them', () => {
  for (const [text, version] of [
    ['31', 3],
    ['3.1', 3],
    ['311', 4],
    ['3.1.1', 4],
    ['5', 5],
  ] as const) {
    assert.equal(resolveConnection(options({ protocolVersion: text }), {}).version, version);
  }
  assert.equal(resolveConnection(options(), {}, 5).version, 5);
});

test('what is no broker is refused by name', () => {
  for (const url of ['http://bus', 'bus:1883', '', 'mqtt://'])
    assert.throws(() => resolveConnection(options({ url }), {}), { code: 'HYD_USAGE' }, url);
  assert.throws(() => resolveConnection(options({ url: 'mqtt://a', port: 1 }), {}), { code: 'HYD_USAGE', message: /exclude each other/ });
  assert.throws(() => resolveConnection(options({ willTopic: 'a/#' }), {}), { code: 'HYD_TOPIC' });
});

test('options of TLS mean mqtts where no URL says otherwise, and are refused beside one that is not encrypted', async () => {
  await using authority = await createTestAuthority();
  const cafile = authority.ca;
  assert.equal(resolveConnection(options({ cafile }), {}).url, 'mqtts://127.0.0.1:8883');
  assert.equal(resolveConnection(options({ insecure: true, host: 'bus', port: 1 }), {}).url, 'mqtts://bus:1');
  assert.equal(resolveConnection(options({ cafile }), { HYDRANT_URL: 'wss://bus/' }).url, 'wss://bus/');
  for (const [url, fix] of [
    ['mqtt://bus', /^Use mqtts:/],
    ['ws://bus', /^Use wss:/],
  ] as const) {
    assert.throws(() => resolveConnection(options({ cafile }), { HYDRANT_URL: url }), {
      code: 'HYD_USAGE',
      message: /--cafile .*not encrypted/,
      fix,
    });
  }
});

test('certificate files are read, and those that cannot be used are named', async () => {
  await using authority = await createTestAuthority();
  const { ca: cafile, path } = authority;
  const [one, other] = [await authority.client('one'), await authority.client('other')];
  const { tls } = resolveConnection(options({ cafile, ...one, insecure: true }), {});
  assert.deepEqual([tls?.ca, tls?.cert, tls?.key, tls?.rejectUnauthorized].map(String), [
    ...[cafile, one.cert, one.key].map((file) => readFileSync(file, 'utf8')),
    'false',
  ]);
  writeFileSync(join(path, 'text'), 'no certificate\n');
  for (const [given, message] of [
    [{ cert: one.cert }, /--cert .*one\.pem is of no use alone/],
    [{ key: one.key }, /--key .*one\.key is of no use alone/],
    [{ cert: one.cert, key: other.key }, /one\.pem and .*other\.key cannot be used: key values mismatch/],
    [{ cafile: join(path, 'text') }, /--cafile .*text: there is no certificate in it/],
    [{ cafile: join(path, 'none') }, /--cafile .*none: ENOENT/],
  ] as const) {
    assert.throws(() => resolveConnection(options(given), {}), { code: 'HYD_USAGE', message });
  }
});
