import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, beforeEach, test } from 'node:test';
import { type Access, openAccess } from '../access/access.ts';
import type { ClientInfo, ClientTable } from '../broker/client-table.ts';
import type { Bus } from '../bus/bus.ts';
import { silentLog } from '../core/log.ts';
import { openHttpServer } from './http-server.ts';

const TOKEN = '0123456789abcdef'.repeat(4);
const MANY = 10_000;

/** Accounts `boss`, an admin, and `ann`; any password. Others are anonymous. */
const access: Access = {
  ...openAccess(),
  login: async ({ username }) => {
    if (username === 'eve') return { refused: 'bad-credentials', why: 'wrong name or password' };
    return { identity: { user: username ?? 'anonymous', admin: username === 'boss' } };
  },
};

const info = (client: string): ClientInfo => ({
  client,
  user: 'ann',
  connected: client.endsWith('0'),
  since: '2026-11-21T10:00:00.000Z',
  subscriptions: 1,
  inFlight: 0,
  queued: 0,
  behind: 3,
  sessionExpirySeconds: null,
});

const asked: unknown[] = [];
const clients = {
  *list() {
    for (let i = 0; i < MANY; i++) yield info(`c${i}`);
  },
  find: (id: string) => (id === 'a/b ü' ? { ...info(id), filters: [] } : undefined),
  async history(id: string, options: { sinceMs: number; limit: number }) {
    asked.push([id, options.limit, Date.now() - options.sinceMs]);
    return id === 'gone' ? { total: 7, last: [{ seq: 1, time: 'then', kind: 'connected', details: {} }] } : { total: 0, last: [] };
  },
  async end(id: string, options: { forget: boolean }) {
    asked.push([id, options.forget]);
    return id === 'a/b ü' ? { connected: true, forgotten: options.forget } : undefined;
  },
} as unknown as ClientTable;

const refused: unknown[] = [];
const http = await openHttpServer({
  bus: {} as Bus,
  access,
  clients,
  operatorToken: TOKEN,
  origins: () => [],
  onRefused: ({ user }, reason, what) => void refused.push([user, reason, what]),
  acceptWebSocket: () => {},
  readiness: async () => [],
  metrics: async () => ({ contentType: 'text/plain', text: '' }),
  maxBodyBytes: 1000,
  log: silentLog,
});
const server: Server = http.createDoor({ loopbackOnly: true }).listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => http.close({ deadlineMs: 1000 }));
beforeEach(() => {
  asked.length = 0;
  refused.length = 0;
});

const NOTHING: Record<string, string> = {};
const OPERATOR = { authorization: `Bearer ${TOKEN}` };
const basic = (name: string): Record<string, string> => ({ authorization: `Basic ${Buffer.from(`${name}:x`).toString('base64')}` });

function ask(path: string, headers: Record<string, string> = OPERATOR, method = 'GET'): Promise<Response> {
  return fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { method, headers });
}

async function errorOf(response: Response): Promise<[status: number, code: string, fix: string]> {
  const { error } = (await response.json()) as { error: { code: string; fix: string } };
  return [response.status, error.code, error.fix];
}

for (const [method, path] of [
  ['GET', '/clients'],
  ['GET', '/clients/a'],
  ['DELETE', '/clients/a'],
] as const) {
  test(`${method} ${path} is for operators only: without credentials 401, with those of others 403, both with the fix`, async () => {
    const wrong = [TOKEN.replace('0', '1'), `${TOKEN}0`].map((token) => ({ authorization: `Bearer ${token}` }));
    for (const headers of [NOTHING, ...wrong]) {
      const [status, code, fix] = await errorOf(await ask(path, headers, method));
      assert.deepEqual([status, code], [401, 'HYD_LOGIN']);
      assert.match(fix, /operator\.token .* access\.admins/);
    }
    assert.deepEqual((await errorOf(await ask(path, basic('ann'), method))).slice(0, 2), [403, 'HYD_REFUSED']);
    assert.deepEqual((await errorOf(await ask(path, basic('eve'), method))).slice(0, 2), [401, 'HYD_LOGIN']);
    // The operator's token is no password of an account.
    const asUser = { authorization: `Basic ${Buffer.from(`ann:${TOKEN}`).toString('base64')}` };
    assert.equal((await ask(path, asUser, method)).status, 403);
    assert.deepEqual(asked, []);
    assert.equal(refused.length, 6);
    assert.notEqual((await ask(path, basic('boss'), method)).status, 403);
    assert.notEqual((await ask(path, OPERATOR, method)).status, 401);
  });
}

test('ten thousand clients come one a line, or only those that are connected', async () => {
  const response = await ask('/clients');
  assert.equal(response.headers.get('content-type'), 'application/x-ndjson');
  const lines = (await response.text()).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => (JSON.parse(line) as ClientInfo).client),
    Array.from({ length: MANY }, (_, i) => `c${i}`),
  );
  const connected = (await (await ask('/clients?connected=true')).text()).trimEnd().split('\n');
  assert.equal(connected.length, MANY / 10);
});

test('while a long list is sent others are answered', async () => {
  const list = await ask('/clients');
  const reader = list.body!.getReader();
  await reader.read();
  assert.equal((await ask('/healthz', {})).status, 200);
  await reader.cancel();
});

test('one client is shown by its percent-encoded id, with its history since a moment', async () => {
  const shown = (await (await ask(`/clients/${encodeURIComponent('a/b ü')}?since=1h&limit=7`)).json()) as Record<string, unknown>;
  assert.deepEqual([shown.client, shown.behind, shown.historyTotal], ['a/b ü', 3, 0]);
  const [id, limit, sinceMs] = asked[0] as [string, number, number];
  assert.deepEqual([id, limit], ['a/b ü', 7]);
  assert.ok(sinceMs >= 3_600_000 && sinceMs < 3_700_000);
  assert.equal((await ask('/clients/a/b%20%C3%BC')).status, 200);
});

test('one that is gone is shown by its history alone, and one that never was is not found', async () => {
  const gone = (await (await ask('/clients/gone')).json()) as Record<string, unknown>;
  assert.deepEqual(gone, {
    client: 'gone',
    connected: false,
    history: [{ seq: 1, time: 'then', kind: 'connected', details: {} }],
    historyTotal: 7,
  });
  const [status, code, fix] = await errorOf(await ask('/clients/nobody'));
  assert.deepEqual([status, code], [404, 'HYD_NOT_FOUND']);
  assert.match(fix, /hydrant clients ls/);
});

test('DELETE ends a connection, with forget=true the session', async () => {
  const path = `/clients/${encodeURIComponent('a/b ü')}`;
  assert.deepEqual(await (await ask(path, OPERATOR, 'DELETE')).json(), { client: 'a/b ü', connected: true, forgotten: false });
  assert.deepEqual(await (await ask(`${path}?forget=true`, OPERATOR, 'DELETE')).json(), {
    client: 'a/b ü',
    connected: true,
    forgotten: true,
  });
  assert.deepEqual(asked, [
    ['a/b ü', false],
    ['a/b ü', true],
  ]);
  assert.deepEqual((await errorOf(await ask('/clients/nobody', OPERATOR, 'DELETE'))).slice(0, 2), [404, 'HYD_NOT_FOUND']);
});

test('what cannot be read is refused by name', async () => {
  for (const path of [
    '/clients?conected=true',
    '/clients?connected=maybe',
    '/clients/a?limit=1001',
    '/clients/a?since=soon',
    '/clients/%ff',
  ])
    assert.deepEqual((await errorOf(await ask(path))).slice(0, 2), [400, 'HYD_USAGE'], path);
  assert.equal((await ask('/clients/a?forget=yes', OPERATOR, 'DELETE')).status, 400);
});

test('a page of another site cannot end connections, whatever it shows', async () => {
  assert.equal((await ask('/clients/a', { ...OPERATOR, origin: 'https://evil.example' }, 'DELETE')).status, 403);
  assert.deepEqual(asked, []);
});
