import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { writeUsers } from '../../src/testing/accounts.ts';
import { within } from '../../src/testing/deadline.ts';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const data = join(folder.path, 'data');
const config = join(folder.path, 'hydrant.yaml');
const keys = join(folder.path, 'keys.pem');
const issuer = await generateKeyPair('EdDSA', { extractable: true });
await writeFile(keys, await exportSPKI(issuer.publicKey));
await writeUsers(data, { ann: 'ann:päss', mon: 'mon' });
const RULES = `
acl:
  anonymous: {subscribe: ['open/#']}
  ann: {publish: ['a/#'], subscribe: ['#'], deny: {subscribe: ['a/secret/#']}}
  mon: {subscribe: ['$SYS/#']}
access: {jwt: {keys: keys.pem}}
http: {origins: ['https://ops.example.org']}
`;
await writeFile(config, RULES);
const server = await shareServer({ data, args: ['--config', config], set: { 'listeners.http.host': '0.0.0.0' } });
const base = `http://127.0.0.1:${server.httpPort}`;

const basic = (name: string, password: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}` });
const ANN = basic('ann', 'ann:päss');
const post = (path: string, headers: Record<string, string> = {}) => fetch(`${base}${path}`, { method: 'POST', body: 'x', headers });

async function token(claims: object, seconds = 60): Promise<{ authorization: string }> {
  const jwt = new SignJWT({ ...claims }).setProtectedHeader({ alg: 'EdDSA' }).setExpirationTime(Math.floor(Date.now() / 1000) + seconds);
  return { authorization: `Bearer ${await jwt.sign(issuer.privateKey)}` };
}

async function codeOf(response: Response): Promise<[number, string]> {
  const { error } = (await response.json()) as { error: { code: string } };
  return [response.status, error.code];
}

/** A stream of NDJSON whose topics the test takes one by one. */
async function read(query: string, headers: Record<string, string> = {}) {
  const asked = get(`${base}/events?${query}`, { headers });
  const [response] = (await within(once(asked, 'response'), 10_000, 'the head of the stream')) as [IncomingMessage];
  asked.on('error', () => {});
  response.on('error', () => {});
  let text = '';
  response.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const ended = once(response, 'end');
  ended.catch(() => {});
  const topics = () =>
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { topic: string }).topic);
  const until = async (topic: string): Promise<string[]> => {
    const look = async () => {
      while (!topics().includes(topic)) await once(response, 'data');
    };
    await within(look(), 10_000, () => `${topic} in ${text}`);
    return topics();
  };
  return { status: response.statusCode, until, ended: () => within(ended, 10_000, 'the end of the stream'), end: () => asked.destroy() };
}

async function reload(yaml: string): Promise<void> {
  await writeFile(config, yaml);
  const reloads = () => server.log.filter(({ event }) => event === 'reload').length;
  const before = reloads();
  server.child.signal('SIGHUP');
  await server.logged(() => reloads() > before, 'the reload');
}

test('a publish goes by the same accounts and rules as over MQTT, and says who it came from', async () => {
  assert.equal((await post('/t/a/b', ANN)).status, 200);
  const anonymous = await post('/t/a/b');
  assert.match(anonymous.headers.get('www-authenticate')!, /^Basic realm="hydrant", charset="UTF-8"/);
  assert.deepEqual(await codeOf(anonymous), [401, 'HYD_LOGIN']);
  assert.deepEqual(await codeOf(await post('/t/b', ANN)), [403, 'HYD_REFUSED']);
  for (const wrong of [basic('ann', 'x'), basic('eve', 'x'), { authorization: 'Basic' }, { authorization: 'Digest x' }]) {
    assert.deepEqual(await codeOf(await post('/t/a/b', wrong)), [401, 'HYD_LOGIN']);
  }
  for (const topic of ['$SYS/x', '$hydrant/x', '$share/g/x']) {
    const all = await token({ sub: 'root', acl: { publish: ['#', topic] } });
    assert.deepEqual(await codeOf(await post(`/t/${encodeURI(topic)}`, all)), [403, 'HYD_REFUSED'], topic);
  }
  assert.deepEqual(
    (await findEvents(data, 'a/b')).map(({ source }) => source),
    ['ann'],
  );
  await server.logged(({ reason, user, what }) => reason === 'not-allowed' && user === 'ann' && what === 'b', 'the refusal in the log');
});

test('a token in the Authorization header is an account', async () => {
  assert.equal((await post('/t/a/token', await token({ sub: 'ann' }))).status, 200);
  assert.equal((await post('/t/lab/x', await token({ sub: 'guest', acl: { publish: ['lab/#'] } }))).status, 200);
  assert.deepEqual(await codeOf(await post('/t/a/x', await token({ sub: 'guest', acl: { publish: ['lab/#'] } }))), [403, 'HYD_REFUSED']);
  assert.deepEqual(await codeOf(await post('/t/a/x', await token({ sub: 'ann' }, -60))), [401, 'HYD_LOGIN']);
});

test('an event stream shows what its reader may read, and nothing else', async () => {
  const [ann, anonymous] = [await read('', ANN), await read('filter=open/%23')];
  for (const topic of ['a/secret/x', 'a/1'])
    assert.equal((await post(`/t/${topic}`, await token({ sub: 'root', acl: { publish: ['#'] } }))).status, 200);
  assert.equal((await post('/t/open/1', await token({ sub: 'root', acl: { publish: ['#'] } }))).status, 200);
  assert.deepEqual(await ann.until('open/1'), ['a/1', 'open/1']);
  assert.deepEqual(await anonymous.until('open/1'), ['open/1']);
  const past = await read('since=0', ANN);
  assert.ok(!(await past.until('open/1')).some((topic) => topic.startsWith('a/secret')));
  for (const { end } of [ann, anonymous, past]) end();
  assert.deepEqual(await codeOf(await fetch(`${base}/events`)), [401, 'HYD_LOGIN']);
  assert.deepEqual(await codeOf(await fetch(`${base}/events?filter=a/secret/x`, { headers: ANN })), [403, 'HYD_REFUSED']);
  assert.deepEqual(await codeOf(await fetch(`${base}/events?filter=$history/1h/a/b`)), [401, 'HYD_LOGIN']);
});

test('a stream follows the rules when they change, and ends when its reader may not read any more or its token has ended', async () => {
  const root = await token({ sub: 'root', acl: { publish: ['#'] } });
  const [ann, anonymous] = [await read('filter=a/%23', ANN), await read('filter=open/%23')];
  const short = await read('filter=open/%23', await token({ sub: 'guest', acl: { subscribe: ['open/#'] } }, -9));
  await short.ended();
  await reload(RULES.replace("['open/#']", '[none]').replace('a/secret/#', 'a/hidden'));
  await anonymous.ended();
  for (const topic of ['a/hidden', 'a/secret/2']) await post(`/t/${topic}`, root);
  assert.deepEqual(await ann.until('a/secret/2'), ['a/secret/2']);
  await reload(RULES);
  await writeUsers(data, { ann: 'another', mon: 'mon' });
  await reload(RULES);
  await ann.ended();
  await writeUsers(data, { ann: 'ann:päss', mon: 'mon' });
  await reload(RULES);
});

test('metrics are for this machine and for who may read $SYS; health says nothing and asks for nothing', async () => {
  assert.equal((await fetch(`${base}/metrics`)).status, 200);
  const outside = Object.values(networkInterfaces())
    .flat()
    .find((one) => one && !one.internal && one.family === 'IPv4');
  assert.ok(outside, 'this machine has an address beyond loopback');
  const url = `http://${outside.address}:${server.httpPort}`;
  assert.deepEqual(await codeOf(await fetch(`${url}/metrics`)), [401, 'HYD_LOGIN']);
  assert.equal((await fetch(`${url}/metrics`, { headers: basic('mon', 'mon') })).status, 200);
  assert.deepEqual(await codeOf(await fetch(`${url}/metrics`, { headers: await token({ sub: 'guest', acl: {} }) })), [403, 'HYD_REFUSED']);
  for (const path of ['/healthz', '/readyz', '/']) assert.equal((await fetch(url + path)).status, 200, path);
});

test('a page of a listed origin may use the server after it has asked; any other may not', async () => {
  const asks = (origin: string) =>
    fetch(`${base}/t/a/b`, { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
  const allowed = await asks('https://ops.example.org');
  assert.deepEqual(
    [allowed.status, allowed.headers.get('access-control-allow-origin'), allowed.headers.get('vary')],
    [204, 'https://ops.example.org', 'origin'],
  );
  assert.match(allowed.headers.get('access-control-allow-headers')!, /authorization/);
  const other = await asks('https://evil.example.org');
  assert.deepEqual([other.status, other.headers.get('access-control-allow-origin')], [403, null]);
  const sent = await post('/t/a/b', { ...ANN, origin: 'https://ops.example.org' });
  assert.deepEqual([sent.status, sent.headers.get('access-control-allow-origin')], [200, 'https://ops.example.org']);
  assert.equal((await post('/t/a/b', { ...ANN, origin: 'https://evil.example.org' })).status, 403);
  const refused = await post('/t/a/b', { origin: 'https://ops.example.org' });
  assert.deepEqual([refused.status, refused.headers.get('access-control-allow-origin')], [401, 'https://ops.example.org']);
});

test('an address that guesses is refused with 429 once too many of its logins wait', async () => {
  await reload(RULES.replace('access: {', 'access: {attempts: {free: 1, waiting: 1, delay: 1s}, '));
  await post('/t/a/b', basic('ann', 'guess'));
  const first = post('/t/a/b', basic('ann', 'guess'));
  const answers = await Promise.all([first, post('/t/a/b', ANN), post('/t/a/b', ANN)]);
  const refused = answers.filter(({ status }) => status === 429);
  assert.equal(refused.length, 2);
  assert.equal(refused[0]!.headers.get('retry-after'), '5');
  assert.deepEqual(await codeOf(refused[0]!), [429, 'HYD_SLOWED']);
});

test('no password, token or hash is in the log, whatever came in', () => {
  const text = server.child.text();
  assert.match(text, /wrong name or password/);
  for (const secret of ['päss', 'guess', Buffer.from('ann:ann:päss').toString('base64'), 'scrypt', 'eyJ']) {
    assert.ok(!text.includes(secret), secret);
  }
});
