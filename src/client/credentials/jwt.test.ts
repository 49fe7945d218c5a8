import assert from 'node:assert/strict';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { decodeProtectedHeader, jwtVerify } from 'jose';
import type { CredentialRequest, Credentials } from '../../bus/mqtt/options.ts';
import { within } from '../../testing/deadline.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { type JwtOptions, jwt } from './jwt.ts';

const NOW = '2026-11-21T10:00:00Z';
const nowS = Date.parse(NOW) / 1000;
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pemOf = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string;
const clock = new FakeClock(NOW);
const create = (options: Partial<JwtOptions> = {}) => jwt({ key: ec.privateKey, ...options }, { clock });
const request = (refusals = 0): CredentialRequest => ({ url: 'mqtt://h', refusals, signal: new AbortController().signal });

/** What a token says, when it is signed by that key. */
async function open({ password }: Credentials, key: KeyObject = ec.publicKey) {
  return (await jwtVerify(password as string, key, { currentDate: new Date(clock.now()) })).payload;
}

test('a token has the claims that the document’s client sent, RS256 and ES256, from a file, a PEM or a KeyObject', async () => {
  for (const [{ privateKey, publicKey }, algorithm] of [
    [ec, 'ES256'],
    [rsa, 'RS256'],
  ] as const) {
    const path = join(folder.path, `${algorithm}.pem`);
    await writeFile(path, pemOf(privateKey));
    for (const key of [path, pemOf(privateKey), privateKey]) {
      const shown = await create({ key, audience: 'project', lifeSeconds: 120 })(request());
      assert.deepEqual(await open(shown, publicKey), { iat: nowS, exp: nowS + 120, aud: 'project' });
      assert.deepEqual(decodeProtectedHeader(shown.password as string), { alg: algorithm, typ: 'JWT' });
      const { username, validFromMs, validUntilMs, authentication } = shown;
      assert.deepEqual([username, validFromMs, validUntilMs, authentication], ['unused', nowS * 1000, (nowS + 120) * 1000, undefined]);
    }
  }
});

test('claims, key id, user name and authentication method go where they belong; a token lives an hour', async () => {
  const shown = await create({ claims: { sub: 'd1', exp: 1 }, keyId: 'k', username: 'me', as: 'JWT' })(request());
  assert.deepEqual(await open(shown), { sub: 'd1', iat: nowS, exp: nowS + 3600 });
  assert.equal(decodeProtectedHeader(shown.password as string).kid, 'k');
  assert.equal(shown.username, 'me');
  assert.deepEqual(shown.authentication, { method: 'JWT', data: Buffer.from(shown.password as string) });
});

test('options that cannot work are refused at the call, a key file when it is read', async () => {
  for (const lifeSeconds of [0, -1, 1.5, 86_401, Number.NaN]) assert.throws(() => create({ lifeSeconds }), { code: 'HYD_USAGE' });
  create({ lifeSeconds: 86_400 });
  assert.throws(() => create({ key: ec.publicKey }), { code: 'HYD_CREDENTIALS', message: /^the key is a public key/ });
  assert.throws(() => create({ algorithm: 'RS256' }), { code: 'HYD_CREDENTIALS', message: /RS256 signs with an RSA key/ });
  const secret = pemOf(ec.privateKey).split('\n').slice(1, -2);
  for (const key of [secret.join('\n'), secret.join(''), JSON.stringify(ec.privateKey.export({ format: 'jwk' }))]) {
    assert.throws(() => create({ key }), { code: 'HYD_CREDENTIALS', message: 'the key is neither the path of a file nor PEM' });
  }
  const path = join(folder.path, 'late.pem');
  const provider = create({ key: path });
  await assert.rejects(provider(request()), { code: 'HYD_CREDENTIALS', message: `the key file ${path} does not exist` });
  const file = createPublicKey(ec.privateKey).export({ type: 'spki', format: 'pem' });
  await writeFile(path, file);
  await assert.rejects(provider(request()), { message: /late\.pem is a public key/ });
  await writeFile(path, pemOf(ec.privateKey));
  assert.equal((await open(await provider(request()))).iat, nowS);
});

test('refused logins are dated otherwise one after the other, each of its full life, and what was taken stays', async () => {
  const provider = create({ lifeSeconds: 600 });
  const skews: number[] = [];
  const said: string[] = [];
  provider.attach({ log: (_level, message) => said.push(message), onReplaced() {}, onClockSkew: (skewMs) => skews.push(skewMs) });
  const dated = async (refusals: number): Promise<number> => {
    const shown = await provider(request(refusals));
    const { iat, exp } = JSON.parse(Buffer.from((shown.password as string).split('.')[1]!, 'base64url').toString());
    assert.equal(exp - iat, 600);
    assert.deepEqual([shown.validFromMs, shown.validUntilMs], [nowS * 1000, (nowS + 600) * 1000], 'by this machine’s clock');
    if (refusals === 3) shown.onAccepted?.();
    return (iat - nowS) / 60;
  };
  assert.deepEqual([await dated(0), await dated(1), await dated(2), await dated(3), await dated(0)], [0, -10, 0, 10, 10]);
  assert.deepEqual(skews, [600_000]);
  assert.match(said[0]!, /clock is about 10m behind the server's/);
});

test('a key that was replaced is taken over at the next login, and whoever is attached is told', async () => {
  const path = join(folder.path, 'turning.pem');
  await writeFile(path, pemOf(ec.privateKey));
  const provider = create({ key: path });
  assert.equal((await open(await provider(request()))).iat, nowS);
  const replaced = Promise.withResolvers<void>();
  const warnings: string[] = [];
  const detach = provider.attach({
    log: (level, message) => level === 'warn' && warnings.push(message),
    onReplaced: () => replaced.resolve(),
    onClockSkew() {},
  });
  try {
    await provider(request(7));
    await writeFile(path, pemOf(rsa.privateKey).slice(0, 500));
    assert.equal((await open(await provider(request()))).iat, nowS, 'half a key is not taken');
    assert.deepEqual(warnings, ['the key file cannot be used as it is now; the one before it goes on']);
    await writeFile(`${path}.new`, pemOf(rsa.privateKey));
    await rename(`${path}.new`, path);
    await within(replaced.promise, 20_000, 'the new key to be noticed');
    assert.equal(
      (await open(await provider(request(8)), rsa.publicKey)).iat,
      nowS,
      'what the old key was refused for says nothing of the clock',
    );
    assert.equal((await open(await provider(request(9)), rsa.publicKey)).iat, nowS - 600);
  } finally {
    detach();
  }
});
