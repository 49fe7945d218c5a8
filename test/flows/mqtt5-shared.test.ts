import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, test } from 'node:test';
import { writeUsers } from '../../src/testing/accounts.ts';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { Team } from '../../src/testing/team.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Shared subscriptions as applications use them; test/conformance/shared.test.ts goes through MQTT 5 §4.8.2.

const server = await shareServer();
const clients: RawClient[] = [];
afterEach(() => {
  for (const client of clients.splice(0)) client.destroy();
});

async function connect(options: RawConnect = {}, url = server.mqttUrl): Promise<RawClient> {
  const client = await RawClient.connect(url, { version: 5, ...options });
  clients.push(client);
  return client;
}
const lasting = (clientId: string, more: RawConnect['properties'] = {}): RawConnect => ({
  clientId,
  clean: false,
  properties: { sessionExpiryInterval: 60, ...more },
});

let groups = 0;

/** A topic and a shared filter of its own. */
function name(): { topic: string; filter: string; share: string } {
  const topic = `shared${++groups}`;
  return { topic: `${topic}/a`, filter: `${topic}/#`, share: `$share/g/${topic}/#` };
}

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);
const sorted = (texts: string[]): string[] => texts.toSorted((a, b) => Number(a) - Number(b));

async function publish(topic: string, texts: string[], qos: 0 | 1 | 2 = 1): Promise<void> {
  const publisher = await connect({ auto: true, properties: { receiveMaximum: 1000 } });
  await Promise.all(texts.map((text) => publisher.deliver(topic, text, { qos })));
  if (qos === 0) await publisher.expectQuiet();
}

for (const qos of [0, 1, 2] as const)
  test(`members that are as quick as each other share evenly at QoS ${qos}, whatever their version`, async () => {
    const { topic, share } = name();
    const team = new Team();
    for (const version of [3, 4, 5, 5] as const) {
      const member = await connect({ version });
      assert.deepEqual((await member.subscribe(share, qos)).granted, [qos]);
      team.add(member);
    }
    await publish(topic, numbers(400), qos);
    await team.until(400);
    assert.deepEqual(sorted(team.texts), numbers(400));
    assert.equal(team.shares.size, 4);
    for (const [, count] of team.shares) assert.ok(count >= 60 && count <= 140, `shares of ${[...team.shares.values()]}`);
  });

test('a member that acknowledges nothing has what it took, and holds back nobody', async () => {
  const { topic, share } = name();
  const team = new Team();
  const stalled = await connect({ properties: { receiveMaximum: 7 } });
  const busy = await connect();
  for (const member of [stalled, busy]) await member.subscribe(share, 2);
  team.add(stalled, false);
  team.add(busy);
  await publish(topic, numbers(600));
  await team.until(600);
  assert.equal(team.shares.get(stalled), 7, 'its receive maximum');
  stalled.destroy();
  await team.until(607);
  assert.deepEqual(sorted([...new Set(team.texts)]), numbers(600));
  assert.equal(team.shares.get(busy), 600);
});

test('the member with the fewest events in hand gets the next', async () => {
  const { topic, share } = name();
  const team = new Team();
  const slow = await connect();
  const quick = await connect();
  for (const member of [slow, quick]) await member.subscribe(share, 1);
  team.add(slow, false);
  team.add(quick);
  const publisher = await connect({ auto: true });
  for (const text of numbers(60)) await publisher.deliver(topic, text, { qos: 1 });
  await team.until(60);
  assert.ok(team.shares.get(slow)! <= 12, `the slow one got ${team.shares.get(slow)}`);
});

test('a member that does not read its socket holds back nobody', { timeout: 60_000 }, async () => {
  const { topic, share } = name();
  const team = new Team();
  const deaf = await connect();
  const busy = await connect();
  for (const member of [deaf, busy]) await member.subscribe(share, 1);
  deaf.stream.pause();
  team.add(busy);
  const padding = 'x'.repeat(16 * 1024);
  for (let i = 0; i < 1500; i += 100)
    await publish(
      topic,
      numbers(100, i).map((text) => text + padding),
    );
  await team.until(500);
  deaf.destroy();
  await team.until(1500, 30_000);
});

test('what a member has not acknowledged goes to another as a new event when it leaves, cuts or is taken over', async () => {
  const goodbyes: [string, (member: RawClient) => Promise<unknown>][] = [
    ['DISCONNECT', (member) => member.disconnect()],
    ['cut', async (member) => member.destroy()],
    ['takeover', (member) => connect(lasting(member.clientId))],
  ];
  for (const [how, leave] of goodbyes) {
    const { topic, share } = name();
    const member = await connect(lasting(`leaver-${how}`));
    await member.subscribe(share, 1);
    await publish(topic, ['x', 'y']);
    await member.messages(2);
    const other = await connect({ auto: true });
    await other.subscribe(share, 1);
    await other.ping();
    await leave(member);
    for (const text of ['x', 'y']) await other.expectMessage(topic, text, { qos: 1, dup: false });
    await other.expectQuiet();
  }
});

test('a member that unsubscribes completes what it has; when it leaves instead, another gets it', async () => {
  const { topic, share } = name();
  const member = await connect();
  const other = await connect({ auto: true });
  await member.subscribe(share, 1);
  await publish(topic, ['1', '2']);
  const [first, second] = await member.messages(2);
  await other.subscribe(share, 1);
  await member.unsubscribe(share);
  await publish(topic, ['3']);
  await other.expectMessage(topic, '3');
  await member.ping();
  member.ack('puback', first!.messageId);
  await member.ping();
  await other.expectQuiet();
  assert.ok(second);
  member.destroy();
  await other.expectMessage(topic, '2');
  await other.expectQuiet();
});

test('while every member is away their group keeps what comes, once, and who comes back first gets it in order', async () => {
  const { topic, share } = name();
  for (const clientId of ['away-1', 'away-2']) {
    const member = await connect(lasting(clientId));
    await member.subscribe(share, 1);
    await member.disconnect();
  }
  await publish(topic, numbers(300));
  const first = await connect({ ...lasting('away-1'), auto: true });
  assert.deepEqual(
    (await first.messages(300)).map(({ payload }) => payload.toString()),
    numbers(300),
  );
  const second = await connect({ ...lasting('away-2'), auto: true });
  await second.expectQuiet();
  await first.expectQuiet();
});

test('a group ends with its last member, also when that one only expires: the next begins with what comes', async () => {
  const { topic, share } = name();
  const member = await connect({ clientId: 'last', clean: false, properties: { sessionExpiryInterval: 1 } });
  await member.subscribe(share, 1);
  await publish(topic, ['old']);
  await member.expectMessage(topic, 'old');
  const watcher = await connect();
  await watcher.subscribe('$hydrant/clients/last/ended');
  await member.disconnect();
  await publish(topic, ['older']);
  await watcher.take('publish', { topic: '$hydrant/clients/last/ended' });
  const next = await connect({ auto: true });
  await next.subscribe(share, 1);
  await next.unsubscribe(share);
  await publish(topic, ['nobody']);
  await next.subscribe(share, 1);
  await publish(topic, ['new']);
  await next.expectMessage(topic, 'new');
  await next.expectQuiet();
});

test('QoS 0 goes to one member that is there and is kept for nobody', async () => {
  const { topic, share } = name();
  const away = await connect(lasting('zero-away'));
  await away.subscribe(share, 2);
  await away.disconnect();
  await publish(topic, ['lost'], 0);
  const here = await connect({ auto: true });
  await here.subscribe(share, 2);
  await publish(topic, ['1', '2'], 0);
  await here.expectMessage(topic, '1', { qos: 0 });
  await here.expectMessage(topic, '2', { qos: 0 });
  await here.expectQuiet();
});

test('each member gets events in its own way: identifier, retain as published; and nothing that was retained before', async () => {
  const { topic, share } = name();
  const publisher = await connect({ auto: true });
  await publisher.deliver(topic, 'before', { qos: 1, retain: true });
  const member = await connect({ auto: true });
  const subscribe = async (rap: boolean, id: number): Promise<void> => {
    const messageId = member.nextId();
    const subscriptions = [{ topic: share, qos: 1 as const, nl: false, rap, rh: 0 }];
    member.send({ cmd: 'subscribe', messageId, subscriptions, properties: { subscriptionIdentifier: id } });
    await member.take('suback', { messageId });
  };
  await subscribe(true, 7);
  await member.expectQuiet();
  await publisher.deliver(topic, 'one', { qos: 1, retain: true });
  const one = await member.expectMessage(topic, 'one', { retain: true });
  assert.equal(Number(one.properties?.subscriptionIdentifier), 7);
  await subscribe(false, 8);
  await publisher.deliver(topic, 'two', { qos: 1, retain: true });
  const two = await member.expectMessage(topic, 'two', { retain: false });
  assert.equal(Number(two.properties?.subscriptionIdentifier), 8);
});

test('a client in a group with an ordinary subscription to the same gets both', async () => {
  const { topic, filter, share } = name();
  const member = await connect({ auto: true });
  const other = await connect({ auto: true });
  for (const each of [member, other]) await each.subscribe(share, 1);
  await member.subscribe(filter, 1);
  await publish(topic, ['1', '2']);
  const got = (await member.messages(3)).map(({ payload }) => payload.toString());
  assert.deepEqual(got.toSorted().length, 3);
  assert.deepEqual([...new Set(got)].toSorted(), ['1', '2']);
  await other.messages(1);
  await other.expectQuiet();
  await member.expectQuiet();
});

test('[MQTT-3.1.2-24] [MQTT-3.1.2-25] what is too large for one member goes to another, and is passed over when it is for all', async () => {
  const { topic, share } = name();
  const small = await connect({ auto: true, properties: { maximumPacketSize: 200 } });
  const large = await connect({ auto: true, properties: { maximumPacketSize: 2000 } });
  for (const member of [small, large]) await member.subscribe(share, 2);
  const [big, huge] = ['b'.repeat(1000), 'h'.repeat(3000)];
  for (const qos of [0, 1, 2] as const) {
    await publish(topic, [big, big, huge], qos);
    for (const { payload } of await large.messages(2)) assert.equal(payload.toString(), big);
    for (let i = 0; i < 2 && qos === 2; i++) await large.take('pubrel');
  }
  await large.expectQuiet();
  await small.expectQuiet();
  const team = new Team();
  for (const member of [small, large]) team.add(member);
  await publish(topic, numbers(20));
  await team.until(20);
  assert.equal(team.shares.size, 2);
});

test('[MQTT-3.3.2-5] what expires while it waits for a member, or after one has left it, is delivered to none', async () => {
  const { topic, share } = name();
  const member = await connect(lasting('expiring', { receiveMaximum: 1 }));
  await member.subscribe(share, 1);
  const publisher = await connect({ auto: true });
  for (const text of ['left', 'waiting']) await publisher.deliver(topic, text, { qos: 1, properties: { messageExpiryInterval: 1 } });
  await publisher.deliver(topic, 'last', { qos: 1 });
  await member.expectMessage(topic, 'left');
  await member.disconnect();
  const will = { topic: `timer/${topic}`, payload: Buffer.alloc(0), properties: { willDelayInterval: 2 } };
  const timer = await connect({ will, properties: { sessionExpiryInterval: 60 } });
  const watcher = await connect();
  await watcher.subscribe(will.topic);
  timer.destroy();
  await watcher.take('publish', { topic: will.topic });
  const back = await connect(lasting('expiring'));
  await back.expectMessage(topic, 'last');
});

test('a group within a group and a group in the past are refused; 3.1.1 clients hear Failure', async () => {
  const wrong = ['$share/g/$history/1h/a', '$share/g/$share/h/a', '$share//a', '$share/g'];
  const five = await connect();
  assert.deepEqual((await five.subscribe(wrong, 1)).granted, [0x8f, 0x8f, 0x8f, 0x8f]);
  const four = await connect({ version: 4 });
  assert.deepEqual((await four.subscribe([...wrong, '$share/g/a'], 1)).granted, [0x80, 0x80, 0x80, 0x80, 1]);
  const messageId = five.nextId();
  const subscriptions = [{ topic: '$share/g/a', qos: 1 as const, nl: false, rap: false, rh: 0 }];
  five.send({ cmd: 'subscribe', messageId, subscriptions, properties: { userProperties: { since: '1h' } } });
  const suback = await five.take('suback', { messageId });
  assert.deepEqual(suback.granted, [0x8f]);
  assert.match(String(suback.properties?.reasonString), /a group reads what comes/);
});

test('no client can be the session of a group', async () => {
  const { share } = name();
  const member = await connect();
  await member.subscribe(share, 1);
  for (const clientId of [share, '$share/free/x', '$bus/archive'])
    await assert.rejects(RawClient.connect(server.mqttUrl, { version: 5, clientId }), /CONNACK says 133/);
});

test('the statistics count shared subscriptions, and no limit counts a group as a session', async () => {
  await using own = await startHydrant({ set: { 'sys.interval': '1s', 'limits.sessions': 4 } });
  const topic = '$SYS/broker/shared_subscriptions/count';
  const watcher = await connect({}, own.mqttUrl);
  await watcher.subscribe(topic, 0);
  for (const text of ['2', '1']) {
    const members = await Promise.all([1, 2].map(() => connect({}, own.mqttUrl)));
    for (const member of members.slice(0, Number(text))) await member.subscribe('$share/g/a', 1);
    members.push(await connect({}, own.mqttUrl));
    while ((await watcher.take('publish', { topic })).payload.toString() !== text);
    for (const member of members) await member.disconnect();
  }
});

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());

test('an event goes to a member that may read it, and is passed over when nobody there may', async () => {
  const data = join(folder.path, 'data');
  await writeUsers(data, { ann: 'ann-pw', bob: 'bob-pw' });
  const config = `
acl:
  ann: {publish: ['#'], subscribe: ['#']}
  bob: {subscribe: ['#'], deny: {subscribe: [t/secret, t/hidden]}}
`;
  await using own = await startHydrant({ data, config });
  const open = (user: string, options: RawConnect = {}): Promise<RawClient> =>
    connect({ auto: true, username: user, password: `${user}-pw`, ...options }, own.mqttUrl);
  const bob = await open('bob');
  const ann = await open('ann', { ...lasting('ann') });
  const publisher = await open('ann');
  for (const member of [bob, ann]) assert.deepEqual((await member.subscribe('$share/g/t/#', 1)).granted, [1]);
  for (let i = 0; i < 4; i++) await publisher.deliver('t/secret', `${i}`, { qos: 1 });
  for (let i = 0; i < 4; i++) await ann.expectMessage('t/secret', `${i}`);
  await ann.disconnect();
  await publisher.deliver('t/secret', 'for ann', { qos: 1 });
  await publisher.deliver('t/open', 'for anybody', { qos: 1 });
  await bob.expectMessage('t/open', 'for anybody');
  const back = await open('ann', { ...lasting('ann') });
  await back.expectMessage('t/secret', 'for ann');
  await back.unsubscribe('$share/g/t/#');
  await publisher.deliver('t/secret', 'for nobody', { qos: 1 });
  await publisher.deliver('t/open', 'still', { qos: 1 });
  await bob.expectMessage('t/open', 'still');
  const late = await open('ann');
  await late.subscribe('$share/g/t/#', 1);
  await publisher.deliver('t/secret', 'next', { qos: 1 });
  await late.expectMessage('t/secret', 'next');
});

test('a group is there again after a stop and a start of its server, with what nobody had acknowledged', async () => {
  await using place = await createTempFolder();
  const data = join(place.path, 'data');
  {
    await using own = await startHydrant({ data });
    const members = [await connect(lasting('r1'), own.mqttUrl), await connect(lasting('r2'), own.mqttUrl)];
    for (const member of members) await member.subscribe('$share/g/t/#', 1);
    const publisher = await connect({ auto: true }, own.mqttUrl);
    for (const text of numbers(10)) await publisher.deliver('t/a', text, { qos: 1 });
    for (const member of members)
      for (const { payload, messageId } of await member.messages(5)) if (Number(payload) >= 4) member.ack('puback', messageId);
    for (const member of members) await member.ping();
    await own.stop();
  }
  await using own = await startHydrant({ data });
  const publisher = await connect({ auto: true }, own.mqttUrl);
  await publisher.deliver('t/a', '10', { qos: 1 });
  const back = await connect({ ...lasting('r2'), auto: true }, own.mqttUrl);
  for (const text of ['0', '1', '2', '3', '10']) await back.expectMessage('t/a', text, { dup: false });
  await back.expectQuiet();
});
