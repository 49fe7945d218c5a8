import assert from 'node:assert/strict';
import { createPrivateKey } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { createTestAuthority, type TestAuthority } from '../testing/certificates.ts';
import { run } from '../testing/child.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { readTlsFiles } from './tls-files.ts';

type Tls = Parameters<typeof readTlsFiles>[0];

let authority: TestAuthority;
let good: Tls;

before(async () => {
  authority = await createTestAuthority();
  good = { ...(await authority.server()), ca: authority.ca, clientCertificates: 'none', minVersion: 'TLSv1.2' };
});
after(() => authority[Symbol.asyncDispose]());

test('files that fit together are read, with names and end of the certificate', async () => {
  const files = readTlsFiles(good, Date.now());
  assert.equal(files.names, 'localhost, 127.0.0.1, 0:0:0:0:0:0:0:1');
  assert.equal(files.warning, undefined);
  assert.match(files.fingerprint, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
  assert.equal(files.context.minVersion, 'TLSv1.2');
  assert.equal(String(files.context.ca), readFileSync(authority.ca, 'utf8'));
});

test('a chain and comments around it are fine', async () => {
  const chained = await authority.server('chained');
  writeFileSync(chained.cert, `some text\n${readFileSync(chained.cert, 'utf8')}`);
  appendFileSync(chained.cert, readFileSync(authority.ca));
  assert.equal(readTlsFiles({ ...good, ...chained }, Date.now()).warning, undefined);
});

test('a certificate that has expired, or is not valid yet, is used with a warning that has the date', async () => {
  const old = await authority.server('old', { expired: true });
  const { warning, expiresAtMs } = readTlsFiles({ ...good, ...old }, Date.now());
  assert.equal(warning, `the certificate in tls.cert ${old.cert} has expired on ${new Date(expiresAtMs).toISOString()}`);
  assert.match(String(readTlsFiles(good, Date.now() - 10 * 86_400_000).warning), /is not valid before 20\d\d-/);
});

test('what cannot be used is named with key, file and fix', async () => {
  const other = await authority.server('other');
  const text = join(authority.path, 'text');
  writeFileSync(text, 'not PEM\n');
  const broken = join(authority.path, 'broken');
  writeFileSync(broken, '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n');
  const encrypted = join(authority.path, 'encrypted');
  const key = createPrivateKey(readFileSync(other.key));
  writeFileSync(encrypted, key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' }));
  const none = join(authority.path, 'none');
  for (const [given, message, fix] of [
    [{ cert: none }, /^tls\.cert \/.*none: ENOENT/, /hydrant tls self-signed/],
    [{ key: none }, /^tls\.key \/.*none: ENOENT/, /hydrant tls self-signed/],
    [{ ca: none }, /^tls\.ca \/.*none: ENOENT/, /PEM file that exists/],
    [{ cert: text }, /^tls\.cert \/.*text is not what it should be: there is no certificate/, /-----BEGIN CERTIFICATE-----/],
    [{ cert: broken }, /^tls\.cert \/.*broken is not what it should be: certificate /, /PEM file/],
    [{ cert: other.key }, /^tls\.cert .*there is no certificate/, /PEM file/],
    [{ key: text }, /^tls\.key \/.*text .*there is no private key/, /-----BEGIN PRIVATE KEY-----/],
    [{ key: other.cert }, /^tls\.key .*there is no private key/, /PEM file/],
    [{ ca: text }, /^tls\.ca .*there is no certificate/, /PEM file/],
    [{ key: encrypted }, /^tls\.key \/.*encrypted is encrypted with a passphrase/, /openssl pkey -in \/.*encrypted -out/],
    [
      { key: other.key },
      /^tls\.key \/.*other\.key is not the key of the certificate in tls\.cert \/.*server\.pem/,
      /comes first in tls\.cert/,
    ],
  ] as const) {
    assert.throws(() => readTlsFiles({ ...good, ...given }, Date.now()), { code: 'HYD_CONFIG', message, fix });
  }
});

test('a key that is too weak for TLS is refused with what to make instead', async () => {
  await using folder = await createTempFolder();
  const [cert, key] = [join(folder.path, 'weak.pem'), join(folder.path, 'weak.key')];
  const made = await run('openssl', ['req', '-x509', '-newkey', 'rsa:1024', '-nodes', '-subj', '/CN=weak', '-keyout', key, '-out', cert]);
  assert.equal(made.code, 0, made.stderr);
  assert.throws(() => readTlsFiles({ ...good, cert, key }, Date.now()), {
    code: 'HYD_CONFIG',
    message: /weak\.pem and tls\.key .*weak\.key cannot be used: ee key too small/,
    fix: /2048 bits/,
  });
});
