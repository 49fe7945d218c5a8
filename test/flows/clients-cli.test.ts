import assert from 'node:assert/strict';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ClientInfo } from '../../src/broker/client-table.ts';
import { connectClient } from '../../src/mqtt/client.ts';
import { writeUsers } from '../../src/testing/accounts.ts';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { findEvents, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const server = await shareServer();
const AT = ['--data', server.data];
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

async function list(...args: string[]): Promise<Map<string, ClientInfo>> {
  const { code, stdout, stderr } = await runHydrant(['clients', 'ls', ...AT, '-o', 'ndjson', ...args]);
  assert.deepEqual([code, stderr], [0, '']);
  const clients = stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as ClientInfo);
  return new Map(clients.map((client) => [client.client, client]));
}

test('ls lists who is connected and who is absent, with what they have yet to get', async () => {
  using here = await connect({ clientId: 'here', version: 5 });
  await here.subscribe('l/#', 1);
  using away = await connect({ clientId: 'away', clean: false });
  await away.subscribe(['l/a', 'l/b'], 1);
  await away.disconnect();
  using publisher = await connect({ clientId: 'publisher' });
  for (let i = 0; i < 3; i++) await publisher.deliver('l/a', 'x', { qos: 1 });
  await here.messages(3);
  const clients = await list();
  const { since, remote, ...rest } = clients.get('here')!;
  assert.ok(Date.now() - Date.parse(since) < 60_000);
  assert.match(remote!, /^127\.0\.0\.1:\d+$/);
  assert.deepEqual(rest, {
    client: 'here',
    user: 'anonymous',
    connected: true,
    door: 'mqtt',
    protocol: '5.0',
    subscriptions: 1,
    inFlight: 3,
    queued: 0,
    // The three events; the server's own about clients came before and between.
    behind: rest.behind,
    sessionExpirySeconds: 0,
  });
  assert.ok(rest.behind >= 3);
  const absent = clients.get('away')!;
  assert.deepEqual([absent.connected, absent.remote, absent.subscriptions, absent.sessionExpirySeconds], [false, undefined, 2, 604_800]);
  assert.ok(absent.behind >= 3);
  assert.equal(clients.get('publisher')!.behind, 0);
  assert.deepEqual([...(await list('--connected')).keys()].sort(), ['here', 'publisher']);
  const table = await runHydrant(['clients', 'ls', ...AT, '-o', 'table']);
  assert.match(
    table.stdout,
    /^CLIENT +USER +STATE +SINCE +ADDRESS +DOOR +MQTT +SUBS +IN FLIGHT +QUEUED +BEHIND +BACKLOG +EXPIRY\naway +anonymous +absent /,
  );
});

test('show tells all about a client, its subscriptions and its history; that also of one that is gone', async () => {
  const id = 'a/b c#ü';
  {
    using client = await connect({ clientId: id, version: 5 });
    const subscriptions = [{ topic: 'own/#', qos: 2 as const, nl: true, rap: true, rh: 0 }];
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions, properties: { subscriptionIdentifier: 7 } });
    await client.take('suback');
    const shown = JSON.parse((await runHydrant(['clients', 'show', id, ...AT])).stdout) as Record<string, unknown>;
    assert.deepEqual(shown.filters, [{ filter: 'own/#', qos: 2, noLocal: true, retainAsPublished: true, id: 7, fromHistory: false }]);
    assert.deepEqual([shown.packetsIn, shown.packetsOut, shown.bufferedBytes], [2, 2, 0]);
    const { stdout } = await runHydrant(['clients', 'show', id, ...AT, '-o', 'table']);
    assert.match(stdout, /^client: +a\/b c#ü\nuser: +anonymous\nstate: +connected since /);
    assert.match(stdout, /\nown\/# +2 +no-local retain-as-published id=7\n/);
    assert.match(stdout, /\n\S+Z +\d+ +subscribed +.*filters=\["own\/#"\] qos=\[2\]\n$/);
    await client.disconnect();
  }
  const { stdout } = await runHydrant(['clients', 'show', id, ...AT, '-o', 'table', '-n', '2', '--tz', 'Europe/Berlin']);
  assert.match(stdout, /^client: +a\/b c#ü, which has no session now\n\nHistory, the last 2 of 3 events\n/);
  assert.match(stdout, /\+01:00 +\d+ +disconnected +.*reason=disconnect /);
  const past = await runHydrant(['clients', 'show', id, ...AT, '--since', '2020-01-01', '-n', '0']);
  assert.deepEqual(JSON.parse(past.stdout), { client: id, connected: false, history: [], historyTotal: 3 });
});

test('show reads the history from the archive when it is no longer in the journal', { timeout: 60_000 }, async () => {
  await using other = await startHydrant({ set: { 'journal.rotate.bytes': '64KiB' } });
  const at = ['--data', other.data];
  {
    using client = await RawClient.connect(other.mqttUrl, { clientId: 'old' });
    await client.disconnect();
  }
  await using publisher = await connectClient({ url: other.mqttUrl });
  await Promise.all(Array.from({ length: 100 }, () => publisher.publish({ topic: 'fill', payload: 'x'.repeat(4000), qos: 1 })));
  for (const signal = AbortSignal.timeout(30_000); ; ) {
    const metrics = await (await fetch(`${other.httpUrl}/metrics`, { signal })).text();
    if (/^hydrant_archive_segments_total [1-9]/m.test(metrics) && /^hydrant_journal_segments [12]$/m.test(metrics)) break;
  }
  const { history } = JSON.parse((await runHydrant(['clients', 'show', 'old', ...at])).stdout) as { history: { kind: string }[] };
  assert.deepEqual(
    history.map(({ kind }) => kind),
    ['connected', 'disconnected'],
  );
});

test('kick ends the connection and leaves the session, will and all', async () => {
  using watcher = await connect();
  await watcher.subscribe('kick/will');
  const session = { clientId: 'kicked', clean: false, version: 5 as const, properties: { sessionExpiryInterval: 600 } };
  const will = { topic: 'kick/will', payload: Buffer.from('gone'), qos: 0 as const, retain: false };
  using client = await connect({ ...session, will });
  await client.subscribe('kick/a', 1);
  const { code, stderr, stdout } = await runHydrant(['clients', 'kick', 'kicked', ...AT]);
  assert.deepEqual([code, stdout, stderr], [0, '', 'kicked: its connection was ended; its session stays\n']);
  await client.expect('disconnect', { reasonCode: 0x98 });
  await client.expectClose();
  await watcher.expectMessage('kick/will', 'gone');
  await watcher.deliver('kick/a', 'missed', { qos: 1 });
  const again = await runHydrant(['clients', 'kick', 'kicked', ...AT]);
  assert.deepEqual([again.code, again.stderr], [1, 'kicked: it was not connected; its session stays\n']);
  using back = await connect(session);
  assert.equal(back.connack.sessionPresent, true);
  await back.expectMessage('kick/a', 'missed');
  const ends = await findEvents(server.data, '$hydrant/clients/kicked/disconnected');
  assert.equal(JSON.parse(ends[0]!.payload.toString()).reason, 'kicked');
});

test('kick --forget ends the session too, of a 3.1.1 client that is connected or absent', async () => {
  for (const id of ['forget-1', 'forget-2']) {
    using client = await connect({ clientId: id, clean: false });
    await client.subscribe('f/#', 1);
    if (id === 'forget-2') await client.disconnect();
    const { code, stderr } = await runHydrant(['clients', 'kick', id, '--forget', ...AT]);
    const ended = id === 'forget-1' ? 'its connection was ended' : 'it was not connected';
    assert.deepEqual([code, stderr], [0, `${id}: ${ended}; its session was forgotten\n`]);
    if (id === 'forget-1') await client.expectClose();
    using publisher = await connect();
    await publisher.deliver('f/a', 'x', { qos: 1 });
    using back = await connect({ clientId: id, clean: false });
    assert.equal(back.connack.sessionPresent, false);
    await back.expectQuiet();
    const [end] = await findEvents(server.data, `$hydrant/clients/${id}/ended`);
    assert.equal(JSON.parse(end!.payload.toString()).reason, 'forgotten');
  }
});

test('a will that waits for its client is published when the session is forgotten', async () => {
  using watcher = await connect();
  await watcher.subscribe('forget/will');
  const will = {
    topic: 'forget/will',
    payload: Buffer.from('gone'),
    qos: 0 as const,
    retain: false,
    properties: { willDelayInterval: 600 },
  };
  using client = await connect({ clientId: 'patient', version: 5, clean: false, will, properties: { sessionExpiryInterval: 600 } });
  assert.equal((await runHydrant(['clients', 'kick', 'patient', ...AT])).code, 0);
  await client.expect('disconnect', { reasonCode: 0x98 });
  await watcher.ping();
  assert.equal((await runHydrant(['clients', 'kick', 'patient', '--forget', ...AT])).code, 0);
  await watcher.expectMessage('forget/will', 'gone');
});

test('a forgotten session stays forgotten when the server is killed', async () => {
  await using first = await startHydrant();
  {
    using client = await RawClient.connect(first.mqttUrl, { clientId: 'gone', clean: false });
    await client.subscribe('g/#', 1);
    await client.disconnect();
  }
  assert.equal((await runHydrant(['clients', 'kick', 'gone', '--forget', '--data', first.data])).code, 0);
  await first.kill();
  await using second = await startHydrant({ data: first.data });
  using client = await RawClient.connect(second.mqttUrl, { clientId: 'gone', clean: false });
  assert.equal(client.connack.sessionPresent, false);
});

test('a client that nobody knows, a group of the server, and a server that does not run are said so', async () => {
  using member = await connect({ clientId: 'member', clean: false });
  const group = '$share/some/thing/#';
  await member.subscribe(group, 1);
  const known = await list();
  assert.deepEqual([known.get('member')!.subscriptions, known.has(group)], [1, false]);
  for (const id of ['nobody', group]) {
    const unknown = await runHydrant(['clients', 'kick', id, ...AT]);
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /^hydrant clients kick: there is no client .*\n {2}fix: .*hydrant clients ls/);
  }
  await using folder = await createTempFolder();
  const none = await runHydrant(['clients', 'ls', '--data', folder.path]);
  assert.equal(none.code, 4);
  assert.match(none.stderr, /no server runs on .*\n {2}fix: .*--data.*--http/);
});

test('the token in the data folder is its owner’s alone, another at each start, and gone with the server', async () => {
  await using first = await startHydrant();
  const path = join(first.data, 'operator.token');
  const token = await readFile(path, 'utf8');
  assert.match(token, /^[0-9a-f]{64}\n$/);
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await first.stop();
  await assert.rejects(stat(path), { code: 'ENOENT' });
  await using second = await startHydrant({ data: first.data });
  assert.notEqual(await readFile(path, 'utf8'), token);
  const old = await fetch(`${second.httpUrl}/clients`, { headers: { authorization: `Bearer ${token.trim()}` } });
  assert.equal(old.status, 401);
});

test('elsewhere an account that is an admin lists and ends clients, over TLS too, and another one does not', async () => {
  await using folder = await createTempFolder();
  await using authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  const data = join(folder.path, 'data');
  const config = join(folder.path, 'hydrant.yaml');
  await writeUsers(data, { ann: 'ann-pw', bob: 'bob-pw' });
  await writeFile(config, 'access: {admins: [ann]}\nacl: {ann: {}, bob: {subscribe: ["#"]}}\n');
  await using other = await startHydrant({ data, args: ['--config', config], set: { 'tls.cert': cert, 'tls.key': key } });
  using _bob = await RawClient.connect(other.mqttUrl, { clientId: 'bob-1', username: 'bob', password: 'bob-pw' });
  const at = (user: string): string[] => ['--http', other.httpUrl, '-u', user];
  const env = { HYDRANT_PASSWORD: 'ann-pw' };
  const listed = await runHydrant(['clients', 'ls', ...at('ann'), '-o', 'ndjson'], { env });
  assert.deepEqual((JSON.parse(listed.stdout) as ClientInfo).user, 'bob');
  const secure = ['clients', 'ls', '--http', other.urls.https!, '-u', 'ann', '-o', 'ndjson'];
  assert.equal((await runHydrant([...secure, '--cafile', authority.ca], { env })).stdout, listed.stdout);
  const unknown = await runHydrant(secure, { env });
  assert.equal(unknown.code, 4);
  assert.match(unknown.stderr, /\n {2}fix: .*--cafile/);
  const denied = await runHydrant(['clients', 'kick', 'bob-1', ...at('bob')], { env: { HYDRANT_PASSWORD: 'bob-pw' } });
  assert.equal(denied.code, 4);
  assert.match(denied.stderr, /bob may not end the connections of clients\n {2}fix: .*access\.admins/);
  const wrong = await runHydrant(['clients', 'ls', ...at('ann')], { env: { HYDRANT_PASSWORD: 'bob-pw' } });
  assert.deepEqual([wrong.code, /wrong name or password/.test(wrong.stderr)], [4, true]);
  assert.equal((await runHydrant(['clients', 'kick', 'bob-1', ...at('ann')], { env })).code, 0);
  const nameless = await runHydrant(['clients', 'ls', '--http', other.httpUrl]);
  assert.match(nameless.stderr, /wants to know who you are\n {2}fix: .*-u NAME/);
});

test('ten thousand sessions are listed in order', { timeout: 120_000 }, async () => {
  const count = 10_000;
  await using other = await startHydrant({ set: { 'limits.connectRate': 0 } });
  const together = 200;
  for (let i = 0; i < count; i += together) {
    const clients = await Promise.all(
      Array.from({ length: together }, (_, at) => RawClient.connect(other.mqttUrl, { clientId: `many-${i + at}`, clean: false })),
    );
    await Promise.all(clients.map((client) => client.disconnect()));
  }
  const { code, stdout } = await runHydrant(['clients', 'ls', '--data', other.data, '-o', 'ndjson']);
  assert.equal(code, 0);
  const ids = stdout
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as ClientInfo).client);
  assert.equal(new Set(ids).size, count);
  assert.deepEqual(ids, ids.toSorted());
});
