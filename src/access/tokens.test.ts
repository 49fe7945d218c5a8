import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exportJWK, exportSPKI, type GenerateKeyPairResult, generateKeyPair, type JWTPayload, SignJWT, UnsecuredJWT } from 'jose';
import { FakeClock } from '../testing/fake-clock.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { AccountAccess } from './account-access.ts';
import { accessOptions, aclOption } from './options.ts';
import { createRules } from './rules.ts';
import { readKeyFile } from './token-keys.ts';

const NOW = '2026-11-21T10:00:00Z';
const nowS = Date.parse(NOW) / 1000;
const [rsa, ec, ed, stranger] = await Promise.all(
  ['RS256', 'ES256', 'EdDSA', 'ES256'].map((alg) => generateKeyPair(alg, { extractable: true })),
);
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const file = join(folder.path, 'keys.json');
await writeFile(file, JSON.stringify({ keys: [await jwk(rsa!, 'r'), await jwk(ec!, 'e'), await jwk(ed!, 'd')] }));

async function jwk(pair: GenerateKeyPairResult, kid: string): Promise<object> {
  return { ...(await exportJWK(pair.publicKey)), kid };
}

function sign(payload: JWTPayload, [pair, alg, kid]: [GenerateKeyPairResult, string, string?]): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg, ...(kid ? { kid } : {}) }).sign(pair.privateKey);
}

const good = { sub: 'ann', exp: nowS + 60 };

function create(
  jwt: object,
  options: { keys?: ReturnType<typeof readKeyFile> | string; acl?: object; clock?: FakeClock } = {},
): AccountAccess {
  const config = accessOptions.parse({ jwt: { keys: file, ...jwt } });
  const rules = createRules({ preset: 'open', acl: aclOption.parse(options.acl ?? {}) }, true);
  const parts = { clock: options.clock ?? new FakeClock(NOW), sleep: async () => {} };
  return new AccountAccess({ config, rules, accounts: undefined, keys: options.keys ?? readKeyFile(file) }, parts);
}

const show = (access: AccountAccess, token: string, username?: string) =>
  access.login({ door: 'mqtt', address: '192.0.2.1', username, password: Buffer.from(token) });

test('a token signed with RS256, ES256 or EdDSA names the user and when it ends, whatever the username', async () => {
  const access = create({});
  for (const [pair, alg, kid] of [
    [rsa!, 'RS256', 'r'],
    [ec!, 'ES256', 'e'],
    [ed!, 'EdDSA', 'd'],
    [ed!, 'EdDSA', undefined],
  ] as const) {
    for (const username of [undefined, 'ann', 'token']) {
      assert.deepEqual(await show(access, await sign(good, [pair, alg, kid]), username), {
        identity: { user: 'ann', admin: false, expiresAtMs: (nowS + 60) * 1000 + 10_000 },
      });
    }
  }
});

test('a token that is forged, old, early or not for us is refused, and nothing of it is said', async () => {
  const access = create({ issuer: 'https://id.example', audience: 'bus' });
  const ours = { ...good, iss: 'https://id.example', aud: ['bus', 'other'] };
  const by = [ec!, 'ES256', 'e'] as [GenerateKeyPairResult, string, string];
  assert.ok('identity' in (await show(access, await sign(ours, by))));
  const [head, body, signature] = (await sign(ours, by)).split('.');
  const evil = Buffer.from(JSON.stringify({ ...ours, sub: 'root' })).toString('base64url');
  for (const [token, why] of [
    [await sign(ours, [stranger!, 'ES256', 'e']), "the token's signature is not that of a known key"],
    [`${head}.${evil}.${signature}`, "the token's signature is not that of a known key"],
    [`${head}.${body}.`, "the token's signature is not that of a known key"],
    [await sign({ ...ours, exp: nowS - 11 }, by), 'the token has expired: it is 2026-11-21T10:00:00.000Z here'],
    [await sign({ ...ours, nbf: nowS + 11 }, by), "the token's claim nbf is not what is wanted: it is 2026-11-21T10:00:00.000Z here"],
    [await sign({ ...ours, iss: 'https://other.example' }, by), "the token's claim iss is not what is wanted"],
    [await sign({ ...ours, aud: 'other' }, by), "the token's claim aud is not what is wanted"],
    [await sign({ ...good, aud: 'bus' }, by), "the token's claim iss is not what is wanted"],
    [await sign(ours, [ec!, 'ES256', 'nobody']), 'the token names a key that is not known'],
    [await sign({ ...ours, sub: undefined }, by), "the token's claim sub names no user"],
    [await sign({ ...ours, sub: 'anonymous' }, by), "the token's claim sub: the name anonymous means something else in the rules"],
  ] as const) {
    assert.deepEqual(await show(access, token), { refused: 'bad-credentials', why }, why);
  }
});

test('a clock that is off by less than the skew allowed is fine', async () => {
  const access = create({});
  assert.ok('identity' in (await show(access, await sign({ ...good, exp: nowS - 9, nbf: nowS + 9 }, [ec!, 'ES256', 'e']))));
});

test('unsigned tokens, shared secrets and algorithms that are not listed are never taken', async () => {
  const access = create({ algorithms: ['ES256'] });
  const unsigned = new UnsecuredJWT(good).encode();
  const publicKey = Buffer.from(await exportSPKI(rsa!.publicKey));
  const shared = await new SignJWT(good).setProtectedHeader({ alg: 'HS256', kid: 'r' }).sign(publicKey);
  for (const token of [unsigned, shared, await sign(good, [rsa!, 'RS256', 'r'])]) {
    const answer = await show(access, token);
    assert.deepEqual(answer, {
      refused: 'bad-credentials',
      why: 'the token is signed with an algorithm that access.jwt.algorithms does not list',
    });
  }
  assert.throws(() => accessOptions.parse({ jwt: { algorithms: ['HS256'] } }));
  assert.throws(() => accessOptions.parse({ jwt: { algorithms: ['none'] } }));
});

test('a claim gives rights instead of the rules; what the rules deny stays denied', async () => {
  const acl = { '*': { publish: ['%u/#'], subscribe: ['#'], deny: { publish: ['+/secret'] } } };
  const access = create({ aclClaim: 'may', userClaim: 'name' }, { acl });
  const may = async (claims: object) => {
    const login = await show(access, await sign({ name: 'ann', ...claims }, [ec!, 'ES256', 'e']));
    assert.ok('identity' in login, JSON.stringify(login));
    assert.equal(login.identity.expiresAtMs, undefined, 'a token without an end has none');
    return access.permissions(login.identity, 'c');
  };
  const plain = await may({});
  assert.deepEqual([plain.mayPublish('ann/x'), plain.subscription('#')], [true, []]);
  const granted = await may({ may: { publish: ['lab/#', '%u/only'] } });
  assert.deepEqual(
    ['lab/x', 'ann/only', 'ann/x', 'lab/secret'].map((topic) => granted.mayPublish(topic)),
    [true, true, false, false],
  );
  assert.equal(granted.subscription('#'), undefined);
  const odd = await show(access, await sign({ name: 'ann', may: { publish: 'lab/#' } }, [ec!, 'ES256', 'e']));
  assert.deepEqual(odd, {
    refused: 'bad-credentials',
    why: "the token's claim may is not {publish: [filters], subscribe: [filters]}",
  });
});

test('public keys and certificates in PEM are taken, several of them, and a private one is not', async () => {
  const path = join(folder.path, 'keys.pem');
  await writeFile(
    path,
    `${await exportSPKI(stranger!.publicKey)}\n${await exportSPKI(ec!.publicKey)}\n${await exportSPKI(rsa!.publicKey)}`,
  );
  const access = create({}, { keys: readKeyFile(path) });
  for (const by of [[ec!, 'ES256'] as const, [rsa!, 'RS256'] as const])
    assert.ok('identity' in (await show(access, await sign(good, [...by]))));
  assert.deepEqual(await show(access, await sign(good, [ed!, 'EdDSA'])), {
    refused: 'bad-credentials',
    why: 'the token names a key that is not known',
  });
  for (const [text, expected] of [
    ['-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----', /it has a private key/],
    ['{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}', /it has no public key/],
    ['{}', /no list of keys/],
    ['nonsense', /access\.jwt\.keys .*keys\.pem: /],
  ] as const) {
    await writeFile(path, text);
    assert.throws(() => readKeyFile(path), { code: 'HYD_CONFIG', message: expected });
  }
});

/** An issuer on the network whose answer the test chooses. */
async function startIssuer(): Promise<{ url: string; keys: object[]; status: number; asked: number; server: Server }> {
  const issuer = { url: '', keys: [] as object[], status: 200, asked: 0, server: createServer() };
  issuer.server.on('request', (_request, response) => {
    issuer.asked++;
    response.writeHead(issuer.status, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: issuer.keys }));
  });
  issuer.server.listen(0, '127.0.0.1');
  await once(issuer.server, 'listening');
  issuer.url = `http://127.0.0.1:${(issuer.server.address() as AddressInfo).port}/jwks`;
  return issuer;
}

test('keys of an issuer are fetched once, again for a key that is unknown, and kept while it does not answer', async () => {
  const issuer = await startIssuer();
  try {
    const clock = new FakeClock(NOW);
    const access = create({}, { keys: issuer.url, clock });
    const token = async (pair: GenerateKeyPairResult, kid: string) => sign({ sub: 'ann' }, [pair, 'ES256', kid]);
    issuer.keys = [await jwk(ec!, 'one')];
    for (let i = 0; i < 3; i++) assert.ok('identity' in (await show(access, await token(ec!, 'one'))));
    assert.equal(issuer.asked, 1);
    issuer.keys = [await jwk(stranger!, 'two')];
    assert.ok('refused' in (await show(access, await token(stranger!, 'two'))), 'not twice within half a minute');
    assert.equal(issuer.asked, 1);
    clock.advance(30_000);
    assert.ok('identity' in (await show(access, await token(stranger!, 'two'))));
    assert.equal(issuer.asked, 2);
    issuer.status = 500;
    clock.advance(3_600_000);
    for (let i = 0; i < 3; i++) assert.ok('identity' in (await show(access, await token(stranger!, 'two'))));
    assert.ok('refused' in (await show(access, await token(ec!, 'three'))));
    assert.equal(issuer.asked, 3);
  } finally {
    issuer.server.close();
  }
});

test('an issuer that never answered is the server’s trouble, not the client’s', async () => {
  const issuer = await startIssuer();
  try {
    issuer.status = 503;
    const clock = new FakeClock(NOW);
    const access = create({}, { keys: issuer.url, clock });
    const token = await sign(good, [ec!, 'ES256', 'e']);
    const busy = { refused: 'server-busy', why: 'the keys of the token issuer could not be fetched' };
    assert.deepEqual(await show(access, token), busy);
    assert.deepEqual(await show(access, token), busy);
    assert.equal(issuer.asked, 1);
    issuer.status = 200;
    issuer.keys = [await jwk(ec!, 'e')];
    clock.advance(3000);
    assert.ok('identity' in (await show(access, token)));
  } finally {
    issuer.server.close();
  }
});

test('keys come over https, or from this machine', () => {
  const keys = (location: string) => accessOptions.safeParse({ jwt: { keys: location } }).success;
  for (const good of ['keys.json', '/etc/keys.pem', 'https://id.example/jwks', 'http://127.0.0.1:8/jwks', 'http://localhost/k']) {
    assert.equal(keys(good), true, good);
  }
  for (const bad of ['http://id.example/jwks', 'https://user:pw@id.example/jwks', 'file:///etc/keys', 'https://', '']) {
    assert.equal(keys(bad), false, bad);
  }
});
