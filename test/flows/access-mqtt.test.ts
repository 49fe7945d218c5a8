import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, afterEach, beforeEach, test } from 'node:test';
import { WebSocket } from 'ws';
import { writeUsers } from '../../src/testing/accounts.ts';
import { type HydrantServer, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const RULES = `
acl:
  anonymous: {subscribe: ['open/#', '$SYS/#']}
  ann: {publish: ['a/#', 'open/#'], subscribe: ['#'], deny: {publish: [a/no], subscribe: ['a/secret/#', x/y]}}
  '*': {publish: ['%u/%c/#'], subscribe: ['%u/%c/#']}
`;
const SLOW = 'access: {attempts: {delay: 50ms, maxDelay: 50ms}}\n';

const USERS = { ann: 'ann-pw', bob: 'bob-pw' };
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const data = join(folder.path, 'data');
const config = join(folder.path, 'hydrant.yaml');
const clients: RawClient[] = [];
let server: HydrantServer | undefined;

beforeEach(async () => {
  await writeUsers(data, USERS);
  if (server) return reload(RULES + SLOW);
  await writeFile(config, RULES + SLOW);
  server = await startHydrant({ data, args: ['--config', config] });
});
afterEach((t) => {
  for (const client of clients.splice(0)) client.destroy();
  server?.showLogIfFailed(t as { name: string; passed?: boolean });
});
after(() => server?.[Symbol.asyncDispose]());

async function connect(name: string | undefined, options: RawConnect = {}): Promise<RawClient> {
  const account = name === undefined ? {} : { username: name, password: `${name}-pw` };
  const client = await RawClient.connect(server!.mqttUrl, { ...account, auto: true, ...options });
  clients.push(client);
  return client;
}

/** The code of a CONNACK that says no; the connection must end then. */
async function refusal(options: RawConnect): Promise<number | undefined> {
  const client = await RawClient.open(server!.mqttUrl, options.version);
  clients.push(client);
  client.sendConnect(options);
  const { returnCode, reasonCode } = await client.expect('connack');
  await client.expectClose();
  return options.version === 5 ? reasonCode : returnCode;
}

/** Reads the configuration again, and waits until the server has. */
async function reload(yaml: string): Promise<void> {
  await writeFile(config, yaml);
  const reloads = () => server!.log.filter(({ event }) => event === 'reload').length;
  const before = reloads();
  server!.child.signal('SIGHUP');
  await server!.logged(() => reloads() > before, 'the reload');
}

for (const [version, wrong, notAllowed] of [
  [3, 4, 5],
  [4, 4, 5],
  [5, 0x86, 0x87],
] as const) {
  test(`protocol ${version}: a wrong password and an unknown name are answered with ${wrong}`, async () => {
    assert.equal(await refusal({ version, username: 'ann', password: 'bob-pw' }), wrong);
    assert.equal(await refusal({ version, username: 'eve', password: 'bob-pw' }), wrong);
    assert.equal(await refusal({ version, username: 'ann' }), wrong);
    await (await connect('ann', { version })).ping();
  });

  test(`protocol ${version}: a will that its sender may not publish is answered with ${notAllowed}`, async () => {
    const will = { topic: 'b/x', payload: Buffer.from('x'), qos: 0 as const, retain: false };
    assert.equal(await refusal({ version, username: 'ann', password: 'ann-pw', will }), notAllowed);
  });
}

test('a refused publish gets reason 0x87 on MQTT 5, is acknowledged and dropped on 3.1.1, and everybody else goes on', async () => {
  const reader = await connect('ann', { version: 5 });
  await reader.subscribe('#', 1);
  const five = await connect('ann', { version: 5, auto: false });
  five.publish('a/no', 'x', { qos: 1 });
  assert.equal((await five.expect('puback')).reasonCode, 0x87);
  five.publish('b/x', 'x', { qos: 2 });
  assert.equal((await five.expect('pubrec')).reasonCode, 0x87);
  five.publish('b/x', 'x');
  await five.deliver('a/five', 'x', { qos: 2 });
  const three = await connect('ann', { version: 4, auto: false });
  await three.deliver('a/no', 'x', { qos: 1 });
  await three.deliver('a/no', 'x', { qos: 2 });
  await three.deliver('a/three', 'x', { qos: 1 });
  assert.deepEqual(
    (await reader.messages(2)).map(({ topic }) => topic),
    ['a/five', 'a/three'],
  );
  await reader.ping();
  await server!.logged(({ reason, what, user }) => reason === 'not-allowed' && what === 'a/no' && user === 'ann', 'the refusal in the log');
});

test('with access.refusedPublish close, a 3.1.1 client that publishes what it may not is closed', async () => {
  await reload(`${RULES}access: {refusedPublish: close}\n`);
  const three = await connect('ann', { auto: false });
  three.publish('a/no', 'x', { qos: 1 });
  await three.expectClose();
  const five = await connect('ann', { version: 5, auto: false });
  five.publish('a/no', 'x', { qos: 1 });
  assert.equal((await five.expect('puback')).reasonCode, 0x87);
  await five.ping();
});

test('a subscription that is not allowed is answered with 0x80, on MQTT 5 with 0x87, the others in the packet are granted', async () => {
  const three = await connect(undefined);
  assert.deepEqual((await three.subscribe({ 'open/#': 1, '#': 1, 'a/b': 1, '$SYS/#': 0, 'open/+': 2 })).granted, [1, 0x80, 0x80, 0, 2]);
  const five = await connect(undefined, { version: 5 });
  assert.deepEqual((await five.subscribe({ 'open/#': 1, '#': 1, '$hydrant/#': 1 })).granted, [1, 0x87, 0x87]);
  assert.deepEqual((await five.subscribe({ '$history/1h/a/#': 1, '$history/1h/open/#': 1 })).granted, [0x87, 1]);
  const ann = await connect('ann', { version: 5 });
  assert.deepEqual((await ann.subscribe({ 'a/secret/x': 1, 'x/y': 1, 'a/+': 1 })).granted, [0x87, 0x87, 1]);
});

test('denied topics inside a granted subscription are not delivered: live, retained, from the past', async () => {
  const writer = await connect('ann', { version: 5 });
  await writer.deliver('a/secret/kept', 'x', { qos: 1, retain: true });
  await writer.deliver('a/kept', 'x', { qos: 1, retain: true });
  const reader = await connect('ann', { version: 5 });
  await reader.subscribe('a/#', 1);
  await reader.expectMessage('a/kept', 'x');
  await writer.deliver('a/secret/live', 'x', { qos: 1 });
  await writer.deliver('a/live', 'x', { qos: 1 });
  await reader.expectMessage('a/live', 'x');
  await reader.unsubscribe('a/#');
  await reader.subscribe('$history/1h/a/#', 1);
  const past: string[] = [];
  while (past.at(-1) !== 'a/live') past.push((await reader.take('publish')).topic);
  assert.deepEqual(
    past.filter((topic) => topic.startsWith('a/secret')),
    [],
  );
});

test('%u and %c: each account writes and reads below its own name and client id', async () => {
  const bob = await connect('bob', { clientId: 'b1', version: 5 });
  assert.deepEqual((await bob.subscribe({ 'bob/b1/#': 1, 'bob/b2/#': 1, 'bob/#': 1, 'ann/#': 1 })).granted, [1, 0x87, 0x87, 0x87]);
  await bob.deliver('bob/b1/x', 'mine', { qos: 1 });
  await bob.expectMessage('bob/b1/x', 'mine');
  bob.publish('bob/b2/x', 'x', { qos: 1 });
  assert.equal((await bob.take('puback')).reasonCode, 0x87);
  for (const clientId of ['#', '+', 'b1/x', 'b1/#']) {
    const wide = await connect('bob', { clientId, version: 5 });
    assert.deepEqual(
      (await wide.subscribe({ 'bob/#': 1, 'bob/+/#': 1, 'bob/b1/x/#': 1, 'bob/b1/#': 1 })).granted,
      [0x87, 0x87, 0x87, 0x87],
    );
    wide.publish('bob/b1/x/y', 'x', { qos: 1 });
    assert.equal((await wide.take('puback')).reasonCode, 0x87, clientId);
  }
});

test('other rules count at once: a subscription shows what is allowed now, a publish is refused', async () => {
  const reader = await connect(undefined);
  await reader.subscribe('open/#', 1);
  const ann = await connect('ann', { version: 5 });
  await ann.deliver('open/1', 'x', { qos: 1 });
  await reader.expectMessage('open/1', 'x');
  await reload("acl: {anonymous: {subscribe: ['open/#'], deny: {subscribe: [open/2]}}, ann: {publish: ['open/#']}}\n");
  await ann.deliver('open/2', 'x', { qos: 1 });
  await ann.deliver('open/3', 'x', { qos: 1 });
  await reader.expectMessage('open/3', 'x');
  ann.publish('a/x', 'x', { qos: 1 });
  assert.equal((await ann.take('puback')).reasonCode, 0x87);
  await reload("acl: {anonymous: {subscribe: ['other']}, ann: {publish: ['open/#']}}\n");
  await ann.deliver('open/4', 'x', { qos: 1 });
  await reader.ping();
});

test('a session that comes back gets only what its owner may read by then', async () => {
  const session = { clientId: 'away', clean: false } as const;
  const before = await connect('ann', session);
  await before.subscribe('a/#', 1);
  await before.disconnect();
  const writer = await connect('ann');
  for (const topic of ['a/1', 'a/2', 'a/3']) await writer.deliver(topic, 'x', { qos: 1 });
  await reload("acl: {ann: {publish: ['a/#'], subscribe: ['a/#'], deny: {subscribe: [a/2]}}}\n");
  const again = await connect('ann', session);
  assert.deepEqual(
    (await again.messages(2)).map(({ topic }) => topic),
    ['a/1', 'a/3'],
  );
});

test('the session of one user is not another’s, whatever the client id', async () => {
  const ann = await connect('ann', { clientId: 'shared', clean: false });
  await ann.subscribe('open/#', 1);
  assert.equal(await refusal({ version: 5, clientId: 'shared', username: 'bob', password: 'bob-pw', clean: false }), 0x85);
  await ann.ping();
});

test('an account that is removed, or gets another password, is cut off; anonymous clients are when they are not let in any more', async () => {
  const [ann, bob, anonymous] = [await connect('ann', { version: 5 }), await connect('bob', { version: 5 }), await connect(undefined)];
  await writeUsers(data, { bob: 'another' });
  await reload(RULES);
  for (const client of [ann, bob]) {
    assert.equal((await client.expect('disconnect')).reasonCode, 0x87);
    await client.expectClose();
  }
  assert.equal(await refusal({ username: 'bob', password: 'bob-pw' }), 4);
  await connect('bob', { password: 'another' });
  await anonymous.ping();
  await reload("acl: {ann: {publish: ['a/#']}}\n");
  await anonymous.expectClose();
  assert.equal(await refusal({}), 5);
});

test('a name and password in the request for a websocket count for a CONNECT that shows none', async () => {
  const url = server!.wsUrl.replace('ws://', 'ws://ann:ann-pw@');
  const client = await RawClient.connect(url, { version: 5 });
  clients.push(client);
  assert.deepEqual((await client.subscribe('a/b', 1)).granted, [1]);
  const socket = new WebSocket(server!.wsUrl, ['mqtt'], { headers: { authorization: 'Digest x' } });
  const [, response] = await new Promise<[unknown, { statusCode?: number; headers: Record<string, unknown> }]>((resolve) =>
    socket.on('error', () => {}).on('unexpected-response', (...args) => resolve(args as never)),
  );
  assert.equal(response.statusCode, 401);
  assert.match(String(response.headers['www-authenticate']), /^Basic /);
  socket.terminate();
});

test('guessing is slowed, and counted in the log without the guesses', async () => {
  const startedMs = performance.now();
  for (let i = 0; i < 6; i++) assert.equal(await refusal({ username: 'bob', password: `guess-${i}` }), 4);
  assert.ok(performance.now() - startedMs > 45, 'the sixth had to wait');
  await connect('bob');
  await server!.logged(({ reason, user }) => reason === 'bad-credentials' && user === 'bob', 'the name that was tried');
  assert.doesNotMatch(server!.child.text(), /guess-/);
});

test('the accounts are gone with their file: then there is nobody to let in but whom the rules name', async () => {
  await rm(join(data, 'users'));
  await reload(RULES);
  assert.equal(await refusal({ username: 'ann', password: 'ann-pw' }), 4);
  await connect(undefined);
});
