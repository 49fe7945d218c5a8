import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { jwtVerify, SignJWT } from 'jose';
import { run } from '../../testing/child.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { assertSigning, readPrivateKey } from './private-key.ts';

const PASSPHRASE = 'between us';
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const at = (name: string): string => join(folder.path, name);

/** Runs openssl; file names are those of the test's folder. */
async function openssl(...args: string[]): Promise<void> {
  const { code, stderr } = await run('openssl', args, { cwd: folder.path });
  assert.equal(code, 0, stderr);
}

await openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa.pem');
await openssl('genpkey', '-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256', '-out', 'ec.pem');
const secret = ['-aes-256-cbc', '-passout', `pass:${PASSPHRASE}`];
await Promise.all([
  openssl('rsa', '-in', 'rsa.pem', '-traditional', '-out', 'rsa.pkcs1'),
  openssl('rsa', '-in', 'rsa.pem', '-traditional', ...secret, '-out', 'rsa.pkcs1.encrypted'),
  openssl('pkey', '-in', 'rsa.pem', ...secret, '-out', 'rsa.encrypted'),
  openssl('ec', '-in', 'ec.pem', '-out', 'ec.sec1'),
  openssl('ec', '-in', 'ec.pem', ...secret, '-out', 'ec.sec1.encrypted'),
  openssl('pkey', '-in', 'ec.pem', ...secret, '-out', 'ec.encrypted'),
  openssl('ecparam', '-name', 'prime256v1', '-genkey', '-out', 'ec.with-parameters'),
  openssl('ecparam', '-name', 'prime256v1', '-out', 'ec.parameters'),
  openssl('ecparam', '-name', 'secp384r1', '-genkey', '-noout', '-out', 'p384'),
  openssl('ecparam', '-name', 'secp256k1', '-genkey', '-noout', '-out', 'k256'),
  openssl('genpkey', '-algorithm', 'ED25519', '-out', 'ed25519'),
  openssl('genpkey', '-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:1024', '-out', 'rsa1024'),
  openssl('genpkey', '-algorithm', 'RSA-PSS', '-pkeyopt', 'rsa_keygen_bits:2048', '-out', 'rsa-pss'),
  openssl('pkey', '-in', 'ec.pem', '-pubout', '-out', 'public'),
  openssl('rsa', '-in', 'rsa.pem', '-RSAPublicKey_out', '-out', 'public.pkcs1'),
  openssl('req', '-x509', '-key', 'rsa.pem', '-subj', '/CN=device', '-days', '9', '-out', 'certificate'),
  openssl('req', '-new', '-key', 'rsa.pem', '-subj', '/CN=device', '-out', 'request'),
  openssl('pkey', '-in', 'ec.pem', '-outform', 'DER', '-out', 'der'),
  run('ssh-keygen', ['-q', '-t', 'rsa', '-b', '2048', '-N', '', '-f', at('openssh')]).then(({ code, stderr }) =>
    assert.equal(code, 0, stderr),
  ),
]);

for (const [file, algorithm, form] of [
  ['rsa.pem', 'RS256', 'RSA in PKCS#8'],
  ['rsa.pkcs1', 'RS256', 'RSA in PKCS#1'],
  ['rsa.pkcs1.encrypted', 'RS256', 'RSA in PKCS#1, encrypted'],
  ['rsa.encrypted', 'RS256', 'RSA in PKCS#8, encrypted'],
  ['ec.pem', 'ES256', 'P-256 in PKCS#8'],
  ['ec.sec1', 'ES256', 'P-256 in SEC1'],
  ['ec.sec1.encrypted', 'ES256', 'P-256 in SEC1, encrypted'],
  ['ec.encrypted', 'ES256', 'P-256 in PKCS#8, encrypted'],
  ['ec.with-parameters', 'ES256', "P-256 behind the curve's parameters"],
] as const) {
  test(`a key of ${form} signs with ${algorithm}`, async () => {
    const pem = await readFile(at(file));
    const passphrase = file.endsWith('encrypted') ? PASSPHRASE : undefined;
    for (const content of [pem, `${await readFile(at('certificate'), 'utf8')}\r\n${pem.toString().replaceAll('\n', '\r\n')}`]) {
      const found = readPrivateKey(content, 'the key', { passphrase });
      assert.equal(found.algorithm, algorithm);
      const token = await new SignJWT({ sub: 'd' }).setProtectedHeader({ alg: algorithm }).sign(found.key);
      const reference = createPrivateKey({ key: pem, passphrase });
      assert.ok(reference.equals(found.key));
      assert.equal((await jwtVerify(token, createPublicKey(reference))).payload.sub, 'd');
    }
    const other = algorithm === 'RS256' ? 'ES256' : 'RS256';
    assert.throws(() => readPrivateKey(pem, 'the key', { passphrase, algorithm: other }), {
      code: 'HYD_CREDENTIALS',
      message: new RegExp(other),
    });
  });
}

test('what is no key to sign with is named, and what is expected', async () => {
  const cut = (await readFile(at('rsa.pem'))).subarray(0, 700);
  const swapped = (await readFile(at('ec.pem'), 'utf8')).replace(/^(.{60})..../m, '$1');
  for (const [content, message, fix] of [
    [await readFile(at('public')), /^the key is a public key; a private key in PEM is expected \(PKCS#8, PKCS#1 or SEC1\)$/],
    [await readFile(at('public.pkcs1')), /^the key is a public key;/],
    [await readFile(at('openssh.pub')), /^the key is a public key;/],
    [await readFile(at('certificate')), /^the key is a certificate;/],
    [await readFile(at('request')), /^the key is a request for a certificate;/],
    [await readFile(at('der')), /^the key is DER, which is binary;/, /openssl pkey -inform DER/],
    [await readFile(at('openssh')), /^the key is a private key in the format of OpenSSH;/, /ssh-keygen -p -m PEM/],
    [await readFile(at('ec.parameters')), /^the key has the parameters of a curve and no key;/],
    [cut, /^the key is cut off before its end;/],
    [Buffer.from(swapped), /^the key is damaged: /],
    [Buffer.alloc(0), /^the key is empty;/],
    [Buffer.from('{"kty":"EC"}'), /^the key is JSON;/],
    [Buffer.from('PuTTY-User-Key-File-3: x'), /^the key is a key in the format of PuTTY;/],
    [Buffer.from('-----BEGIN PGP MESSAGE-----'), /^the key is a PGP MESSAGE;/],
    [Buffer.from('hello'), /^the key is something else;/],
    [
      await readFile(at('p384')),
      /^the key is a key on the curve secp384r1, and ES256 wants P-256 \(prime256v1\)$/,
      /openssl genpkey -algorithm EC/,
    ],
    [await readFile(at('k256')), /curve secp256k1/],
    [await readFile(at('ed25519')), /^the key is a key of type ed25519;/],
    [await readFile(at('rsa-pss')), /^the key is a key of type rsa-pss;/],
    [await readFile(at('rsa1024')), /^the key is an RSA key of 1024 bits, and RS256 wants at least 2048$/, /rsa_keygen_bits:2048/],
    [await readFile(at('ec.encrypted')), /^the key is encrypted, and no passphrase is given$/, /passphrase/],
  ] as const) {
    assert.throws(() => readPrivateKey(content, 'the key'), { code: 'HYD_CREDENTIALS', message, ...(fix ? { fix } : {}) }, String(message));
  }
});

test('a wrong passphrase is said for every encrypted form, and stands in no error', async () => {
  for (const file of ['rsa.pkcs1.encrypted', 'rsa.encrypted', 'ec.sec1.encrypted', 'ec.encrypted']) {
    const pem = await readFile(at(file));
    assert.throws(
      () => readPrivateKey(pem, file, { passphrase: 'hush hush' }),
      (error: Error) => /cannot be decrypted/.test(error.message) && !/hush/.test(JSON.stringify(error) + error.stack),
    );
  }
});

test('a KeyObject that is public or a shared secret is refused', () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  assert.equal(assertSigning(privateKey, 'the key').algorithm, 'ES256');
  assert.throws(() => assertSigning(publicKey, 'the key'), { code: 'HYD_CREDENTIALS', message: /^the key is a public key;/ });
});
