import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Published, RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);

/** Connects with a session that lasts. */
const resume = (clientId: string, options = {}): Promise<RawClient> => connect({ clientId, clean: false, ...options });

const text = (packet: Published): string => packet.payload.toString();
const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);

/** Makes a session with these filters and leaves it. */
async function leave(clientId: string, filter: string, qos: 0 | 1 | 2): Promise<void> {
  using client = await resume(clientId);
  await client.subscribe(filter, qos);
  await client.disconnect();
}

async function publishAll(topic: string, payloads: string[], qos: 1 | 2 = 1): Promise<void> {
  using client = await connect({ auto: true });
  for (const payload of payloads) client.publish(topic, payload, { qos });
  for (const _ of payloads) await client.take(qos === 1 ? 'puback' : 'pubcomp');
}

for (const qos of [1, 2] as const) {
  test(`[MQTT3-3.1.2-5] [MQTT3-4.5.0-1] an absent subscriber gets what it missed at QoS ${qos}, in order, each once, then the live events`, async () => {
    await leave(`missed${qos}`, `missed${qos}/#`, qos);
    await publishAll(`missed${qos}/a`, numbers(1_000), qos);
    using back = await resume(`missed${qos}`, { auto: true });
    assert.equal(back.connack.sessionPresent, true);
    await publishAll(`missed${qos}/b`, numbers(100, 1_000), qos);
    const got = await back.messages(1_100);
    assert.deepEqual(got.map(text), numbers(1_100));
    assert.ok(got.every((packet) => packet.qos === qos && !packet.dup && !packet.retain));
    back.publish(`missed${qos}/end`, 'end');
    await back.take('publish', { topic: `missed${qos}/end` });
  });
}

test('[MQTT3-3.2.0-1] sends CONNACK before what a session missed', async () => {
  await leave('first', 'first/#', 1);
  await publishAll('first/a', numbers(5));
  using back = await resume('first');
  assert.equal(back.history[0]?.cmd, 'connack');
  assert.deepEqual((await back.messages(5)).map(text), numbers(5));
});

test('[MQTT3-3.1.2-4] keeps the subscriptions of a session and their QoS', async () => {
  await leave('subs', 'subs/+', 1);
  using back = await resume('subs', { auto: true });
  await publishAll('subs/a', ['x'], 2);
  await back.expectMessage('subs/a', 'x', { qos: 1 });
});

test('[MQTT3-3.1.2-6] a clean session discards subscriptions and what was waiting, for good', async () => {
  await leave('wiped', 'wiped/#', 1);
  await publishAll('wiped/a', ['lost']);
  {
    using clean = await connect({ clientId: 'wiped' });
    assert.equal(clean.connack.sessionPresent, false);
    await clean.expectQuiet();
    await clean.disconnect();
  }
  using again = await resume('wiped');
  assert.equal(again.connack.sessionPresent, false);
  await publishAll('wiped/a', ['also lost']);
  await again.expectQuiet();
});

test('[MQTT3-4.1.0-1] the subscriptions of a clean session end with its connection', async () => {
  {
    using client = await connect({ clientId: 'brief' });
    await client.subscribe('brief/#', 1);
  }
  using back = await resume('brief');
  assert.equal(back.connack.sessionPresent, false);
  await publishAll('brief/a', ['x']);
  await back.expectQuiet();
});

test('[MQTT3-4.4.0-1] [MQTT3-3.3.1-1] [MQTT3-4.3.2-1] [MQTT3-4.6.0-1] sends unacknowledged QoS 1 events again: same packet id, DUP, in order', async () => {
  using first = await resume('again1');
  await first.subscribe('again1/#', 1);
  await publishAll('again1/a', numbers(10));
  const sent = await first.messages(10);
  assert.ok(sent.every((packet) => !packet.dup));
  for (const packet of sent.slice(0, 4)) first.ack('puback', packet.messageId);
  await first.expectQuiet();
  first.destroy();
  using back = await resume('again1');
  const resent = await back.messages(6);
  assert.deepEqual(
    resent.map((packet) => [text(packet), packet.messageId, packet.dup]),
    sent.slice(4).map((packet) => [text(packet), packet.messageId, true]),
  );
  for (const packet of resent) back.ack('puback', packet.messageId);
  await back.expectQuiet();
  back.destroy();
  using once = await resume('again1');
  await once.expectQuiet();
});

test('acknowledgements out of order are remembered one by one', async () => {
  using first = await resume('holes');
  await first.subscribe('holes/#', 1);
  await publishAll('holes/a', numbers(10));
  const sent = await first.messages(10);
  for (const i of [9, 3, 5, 0]) first.ack('puback', sent[i]?.messageId);
  await first.expectQuiet();
  await first.disconnect();
  using back = await resume('holes', { auto: true });
  assert.deepEqual((await back.messages(6)).map(text), ['1', '2', '4', '6', '7', '8']);
  await back.expectQuiet();
});

test('[MQTT3-4.4.0-1] [MQTT3-4.3.3-1] sends a QoS 2 PUBLISH again until its PUBREC, then only PUBREL until PUBCOMP', async () => {
  using first = await resume('again2');
  await first.subscribe('again2/#', 2);
  await publishAll('again2/a', numbers(3), 2);
  const [a, b, c] = (await first.messages(3)) as [Published, Published, Published];
  first.ack('pubrec', a.messageId);
  await first.expect('pubrel', { messageId: a.messageId });
  first.ack('pubrec', b.messageId);
  await first.expect('pubrel', { messageId: b.messageId });
  first.ack('pubcomp', a.messageId);
  await first.expectQuiet();
  first.destroy();

  using back = await resume('again2');
  await back.take('pubrel', { messageId: b.messageId });
  const resent = await back.take('publish');
  assert.deepEqual([text(resent), resent.messageId, resent.dup, resent.qos], ['2', c.messageId, true, 2]);
  back.ack('pubcomp', b.messageId);
  back.ack('pubrec', c.messageId);
  await back.expect('pubrel', { messageId: c.messageId });
  await back.expectQuiet();
  back.destroy();

  using third = await resume('again2');
  await third.expect('pubrel', { messageId: c.messageId });
  third.ack('pubcomp', c.messageId);
  await third.expectQuiet();
  third.destroy();
  using fourth = await resume('again2');
  await fourth.expectQuiet();
});

test('[MQTT3-4.3.3-2] remembers an inbound QoS 2 packet id across connections: a repeat is not a new event', async () => {
  using watcher = await connect({ auto: true });
  await watcher.subscribe('in2/#', 2);
  {
    using first = await resume('in2');
    first.publish('in2/a', 'x', { qos: 2, messageId: 5 });
    await first.expect('pubrec', { messageId: 5 });
  }
  {
    using second = await resume('in2');
    second.publish('in2/a', 'x', { qos: 2, messageId: 5, dup: true });
    await second.expect('pubrec', { messageId: 5 });
    second.ack('pubrel', 5);
    await second.expect('pubcomp', { messageId: 5 });
  }
  using third = await resume('in2');
  await third.deliver('in2/a', 'new', { qos: 2, messageId: 5 });
  await watcher.expectMessage('in2/a', 'x');
  await watcher.take('pubrel');
  await watcher.expectMessage('in2/a', 'new');
});

test('[MQTT3-3.1.2-6] a takeover does not go on with a session that was to end with its connection', async () => {
  using clean = await connect({ clientId: 'was-clean', clean: true });
  await clean.subscribe('was-clean/#', 1);
  using taker = await resume('was-clean', { auto: true });
  assert.equal(taker.connack.sessionPresent, false);
  await clean.expectClose();
  await publishAll('was-clean/a', ['x']);
  await taker.expectQuiet();
});

test('[MQTT3-4.3.3-2] a takeover that repeats a QoS 2 publish at once does not publish it twice', async () => {
  using watcher = await connect({ auto: true });
  await watcher.subscribe('race2/#', 1);
  for (let i = 0; i < 20; i++) {
    using first = await resume('race2');
    first.publish('race2/a', `${i}`, { qos: 2, messageId: 6 });
    using second = await resume('race2');
    second.publish('race2/a', `${i}`, { qos: 2, messageId: 6, dup: true });
    await second.expect('pubrec', { messageId: 6 });
    second.ack('pubrel', 6);
    await second.expect('pubcomp', { messageId: 6 });
    await second.disconnect();
  }
  assert.deepEqual((await watcher.messages(20)).map(text), numbers(20));
  await watcher.expectQuiet();
});

test('[MQTT3-3.1.2-6] forgets inbound QoS 2 packet ids with the session', async () => {
  using watcher = await connect({ auto: true });
  await watcher.subscribe('forget2/#', 1);
  for (const payload of ['one', 'two']) {
    using client = await connect({ clientId: 'forget2', clean: true });
    client.publish('forget2/a', payload, { qos: 2, messageId: 5 });
    await client.expect('pubrec', { messageId: 5 });
    await client.disconnect();
  }
  await watcher.expectMessage('forget2/a', 'one');
  await watcher.expectMessage('forget2/a', 'two');
});

test('[MQTT3-3.1.3-2] keeps sessions apart: each gets its own, and one leaving takes nothing from another', async () => {
  await leave('apart-a', 'apart/#', 1);
  await leave('apart-b', 'apart/b', 1);
  await publishAll('apart/a', ['1']);
  await publishAll('apart/b', ['2']);
  using a = await resume('apart-a', { auto: true });
  assert.deepEqual((await a.messages(2)).map(text), ['1', '2']);
  using wiped = await connect({ clientId: 'apart-a' });
  await wiped.expectQuiet();
  using b = await resume('apart-b', { auto: true });
  assert.deepEqual((await b.messages(1)).map(text), ['2']);
  await b.expectQuiet();
});

test('overlapping filters yield one delivery to an absent subscriber too, at the highest QoS', async () => {
  {
    using client = await resume('overlap');
    await client.subscribe({ 'overlap/#': 1, 'overlap/a': 2, 'overlap/+': 0 });
    await client.disconnect();
  }
  await publishAll('overlap/a', ['both'], 2);
  await publishAll('overlap/b/c', ['one'], 2);
  using back = await resume('overlap', { auto: true });
  assert.equal((await back.take('publish', { topic: 'overlap/a' })).qos, 2);
  assert.equal((await back.take('publish', { topic: 'overlap/b/c' })).qos, 1);
  await back.take('pubrel');
  await back.expectQuiet();
});

test('a subscription begins with its SUBSCRIBE, also in an old session', async () => {
  await leave('begin', 'begin/a', 1);
  await publishAll('begin/b', ['before']);
  await publishAll('begin/a', ['1']);
  {
    using client = await resume('begin', { auto: true });
    await client.expectMessage('begin/a', '1');
    await client.subscribe('begin/b', 1);
    await client.expectQuiet();
    await client.disconnect();
  }
  await publishAll('begin/b', ['after']);
  using back = await resume('begin', { auto: true });
  await back.expectMessage('begin/b', 'after');
  await back.expectQuiet();
});

test('what was waiting when a filter was unsubscribed is not delivered through a later one', async () => {
  await leave('ended', 'ended/#', 1);
  {
    using client = await resume('ended');
    await client.unsubscribe('ended/#');
    await client.disconnect();
  }
  await publishAll('ended/a', ['between']);
  using back = await resume('ended', { auto: true });
  await back.subscribe('ended/#', 1);
  await publishAll('ended/a', ['after']);
  await back.expectMessage('ended/a', 'after');
  await back.expectQuiet();
});

test('an absent subscriber gets 20 000 events at the pace of its acknowledgements, none missing or twice', async () => {
  await leave('pace', 'pace/#', 1);
  using client = await connect();
  for (let i = 0; i < 20_000; i++) client.publish('pace/a', `${i}`, { qos: 1, messageId: 1 + (i % 60_000) });
  await client.take('puback', { messageId: 20_000 }, 30_000);
  using back = await resume('pace');
  let at = 0;
  while (at < 20_000) {
    const packet = await back.take('publish', {}, 30_000);
    assert.equal(text(packet), `${at++}`);
    back.ack('puback', packet.messageId);
  }
  await back.expectQuiet();
});
