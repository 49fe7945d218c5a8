import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { HandChannels } from '../../testing/hand-channels.ts';
import { type GenericOptions, generic } from '../profiles/generic.ts';
import type { Profile } from '../profiles/profile.ts';
import type { StateOptions } from './state.ts';

function open(options: StateOptions = {}, profile: Profile = generic({ device: 'd1' }), from?: HandChannels) {
  const hand = new HandChannels(profile, from && { disk: from.disk, nowMs: from.nowMs });
  return { hand, state: hand.channels.open('state', options) };
}

const small = (options: GenericOptions) => generic({ device: 'd1', ...options });
const coded = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof HydrantError && error.code === code && message.test(error.message) && error.fix !== '';

test('collect sends what the document’s program sends: its updates as one array, byte for byte', async () => {
  const { hand, state } = open();
  state.update('{"flow":1,"l_cpu_temp":12,"pressure":12,"r_cpu_temp":32}');
  state.update(Buffer.from('[{"a":1.0},{"b":2}]'));
  state.update({ c: 3 });
  state.update('[[1,2]]');
  assert.equal(await hand.send(), '[{"flow":1,"l_cpu_temp":12,"pressure":12,"r_cpu_temp":32},{"a":1.0},{"b":2},{"c":3},[1,2]]');
  assert.equal(hand.sent[0]?.topic, '/devices/d1/state');
});

test('a state that grows beyond 65 000 bytes goes in two publishes, with nothing lost (client defect 1)', async () => {
  const { hand, state } = open();
  const updates = Array.from({ length: 70 }, (_, n) => JSON.stringify({ n, text: 'x'.repeat(1_000) }));
  const done = Promise.all(updates.map((update) => state.update(update).acked));
  const arrays: string[] = [];
  for (let text = await hand.send(); text !== undefined; text = await hand.send()) {
    assert.ok(text.length <= 65_536, `${text.length} bytes`);
    arrays.push(text);
    hand.ack();
  }
  await done;
  assert.equal(arrays.length, 2);
  assert.deepEqual(
    arrays.flatMap((text) => JSON.parse(text) as unknown[]),
    updates.map((update) => JSON.parse(update)),
  );
});

test('an update that is too large alone is refused with its largest key, and keeps nothing else back (client defect 1)', async () => {
  const { hand, state } = open();
  const large = state.update({ ok: 1, readings: 'x'.repeat(70_000), more: 'yy' });
  const nested = state.update([{ a: 1 }, { b: 'z'.repeat(66_000) }]);
  await assert.rejects(
    large.stored,
    coded(
      'HYD_TOO_LARGE',
      /takes 70036 bytes; the profile generic allows 65536 in one state; the largest part is "readings" with 70002 bytes/,
    ),
  );
  await assert.rejects(large.acked, coded('HYD_TOO_LARGE', /readings/));
  await assert.rejects(nested.stored, coded('HYD_TOO_LARGE', /the largest part is \[1\] "b" with 66002 bytes/));
  state.update({ next: 1 });
  assert.equal(await hand.send(), '[{"next":1}]');
});

test('the largest update that is allowed fills a publish to the last byte', async () => {
  const { hand, state } = open({}, small({ maxStateBytes: 20 }));
  await state.update('"1234567890123456"').stored;
  await assert.rejects(state.update('"12345678901234567"').stored, coded('HYD_TOO_LARGE', /21 bytes/));
  state.update('1');
  assert.equal(await hand.send(), '["1234567890123456"]');
});

test('updates that come while a publish waits for its acknowledgement go with the next one (client defect 2)', async () => {
  const { hand, state } = open();
  state.update({ n: 1 });
  await hand.send();
  const during = state.update({ n: 2 });
  hand.ack();
  state.update({ n: 3 });
  assert.equal(await hand.send(), '[{"n":2},{"n":3}]');
  hand.ack();
  await during.acked;
  assert.equal(await hand.send(), undefined);
});

test('an empty payload is an error that says so, and ends nothing (client defect 3)', async () => {
  const { hand, state } = open();
  for (const empty of ['', '  ', new Uint8Array(0)])
    await assert.rejects(state.update(empty).stored, coded('HYD_USAGE', /not JSON: it is empty/));
  await assert.rejects(state.update('{"a":').stored, coded('HYD_USAGE', /not JSON: .*\{\\"a\\":/));
  await assert.rejects(state.update(Buffer.from([0x22, 0xff, 0x22])).stored, coded('HYD_USAGE', /not UTF-8/));
  await assert.rejects(state.update(undefined).acked, coded('HYD_USAGE', /it is undefined/));
  await assert.rejects(state.update(1n).acked, coded('HYD_USAGE', /BigInt/));
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  await assert.rejects(state.update(deep).stored, coded('HYD_USAGE', /more than 100 levels/));
  state.update(1);
  assert.equal(await hand.send(), '[1]');
});

test('an empty array is no update: it settles at once and leaves no comma behind (client defect 4)', async () => {
  const { hand, state } = open();
  const updates = [state.update('[]'), state.update({ a: 1 }), state.update([]), state.update(' [ ] '), state.update({ b: 2 })];
  await Promise.all([0, 2, 3].map((at) => updates[at]!.acked));
  assert.equal(await hand.send(), '[{"a":1},{"b":2}]');
});

test('there is one publish per interval at most', async () => {
  const { hand, state } = open({ intervalMs: 400 });
  state.update(1);
  assert.equal(await hand.dueIn(), 400);
  hand.nowMs += 300;
  state.update(2);
  assert.equal(await hand.dueIn(), 100, 'the interval began with the first update');
  await hand.send();
  const sentMs = hand.nowMs;
  state.update(3);
  hand.ack();
  await hand.send();
  assert.ok(hand.nowMs - sentMs >= 400, `${hand.nowMs - sentMs} ms between two`);
  hand.ack();
  hand.nowMs += 60_000;
  state.update(4);
  assert.equal(await hand.dueIn(), 400);
  hand.nowMs -= 3_600_000;
  assert.ok((await hand.dueIn())! <= 400, 'also when the clock was set back');
});

test('what waited for a connection goes as soon as there is one', async () => {
  const { hand, state } = open();
  state.update(1);
  hand.nowMs += 50_000;
  assert.equal(await hand.dueIn(), 0);
});

test('publishNow sends without waiting for the interval, and resolves with the acknowledgement', async () => {
  const { hand, state } = open();
  await state.publishNow();
  state.update(1);
  const now = state.publishNow();
  assert.equal(await hand.dueIn(), 0);
  assert.equal(await hand.send(), '[1]');
  state.update(2);
  hand.ack();
  const dueIn = hand.dueIn();
  await now;
  assert.ok((await dueIn)! > 0, 'what came later waits for its interval');
});

test('publishNow holds for an update that takes the place of the one it was called for', async () => {
  const { hand, state } = open({ mode: 'last', form: 'object' });
  state.update({ a: 1 });
  const now = state.publishNow();
  state.update({ b: 2 });
  assert.equal(await hand.dueIn(), 0);
  assert.equal(await hand.send(), '{"a":1,"b":2}');
  hand.ack();
  await now;
  state.update({ c: 3 });
  assert.equal(await hand.dueIn(), 1_000);
});

test('publishNow waits for the time that the service needs between two states', async () => {
  const profile = generic({ device: 'd1' });
  const strict = { ...profile, limits: { ...profile.limits, minStateIntervalMs: 700 } };
  const { hand, state } = open({}, strict);
  state.update(1);
  void state.publishNow();
  assert.equal(await hand.dueIn(), 700, 'the process before may have sent a moment ago');
  await hand.send();
  hand.nowMs += 5_000;
  hand.ack();
  state.update(2);
  void state.publishNow();
  assert.equal(await hand.dueIn(), 700, 'it may have lain here for a while, without a connection');
  assert.throws(() => hand.channels.open('state', { intervalMs: 699 }), coded('HYD_USAGE', /699.*700 ms/));
});

test('publishNow fails as the update does that it was called for', async () => {
  const { hand, state } = open();
  hand.failure = new HydrantError('HYD_OUTBOX', 'the disk is full');
  state.update(1);
  await assert.rejects(state.publishNow(), coded('HYD_OUTBOX', /full/));
  hand.failure = undefined;
  state.update(2);
  assert.equal(await hand.dueIn(), 1_000, 'what comes later waits for its interval');
});

test('what was cut off goes again with the same content under the same id, what came meanwhile after it', async () => {
  const { hand, state } = open();
  state.update(1);
  state.update(2);
  await hand.send();
  hand.cut();
  state.update(3);
  await hand.send();
  hand.ack();
  await hand.send();
  assert.deepEqual(
    hand.sent.map(({ text }) => text),
    ['[1,2]', '[1,2]', '[3]'],
  );
  assert.equal(hand.sent[0]?.id, hand.sent[1]?.id);
  assert.notEqual(hand.sent[1]?.id, hand.sent[2]?.id);
});

test('a restart sends what was stored, and repeats what may have arrived as it was', async () => {
  const { hand, state } = open();
  state.update(1);
  await hand.send();
  state.update(2);
  const next = new HandChannels(generic({ device: 'd1' }), { disk: hand.disk, nowMs: hand.nowMs });
  assert.equal(await next.send(), '[1]', 'though nobody asked for the channel yet');
  assert.equal(next.sent[0]?.id, hand.sent[0]?.id);
  next.ack();
  assert.equal(await next.send(), '[2]');
});

test('last sends the newest value of each key', async () => {
  const { hand, state } = open({ mode: 'last', form: 'object' });
  const first = state.update({ a: 1, b: { x: 1 } });
  const second = state.update({ b: { y: 2 }, c: null });
  assert.equal(hand.waiting('state').length, 1, 'one place in the outbox, however many updates');
  assert.deepEqual(JSON.parse((await hand.send())!), { a: 1, b: { y: 2 }, c: null });
  hand.ack();
  const { id } = hand.sent[0]!;
  assert.deepEqual(
    (await Promise.all([first.acked, second.acked])).map((receipt) => receipt.id),
    [id, id],
  );
  state.update({ a: 3 });
  assert.deepEqual(JSON.parse((await hand.send())!), { a: 3, b: { y: 2 }, c: null });
});

test('merge merges deeply, and null removes', async () => {
  const { hand, state } = open({ mode: 'merge', form: 'object' });
  state.update({ cpu: { left: 12, right: 32 }, flow: 1 });
  state.update({ cpu: { left: 13 }, flow: null });
  assert.deepEqual(JSON.parse((await hand.send())!), { cpu: { left: 13, right: 32 } });
});

test('merge keeps apart what no one patch can say', async () => {
  const { hand, state } = open({ mode: 'merge', form: 'object' });
  state.update({ a: { b: 1, c: 2 } });
  await hand.send();
  hand.ack();
  const replaced = state.update({ a: 1 });
  state.update({ a: { d: 3 } });
  assert.equal(hand.waiting('state').length, 2);
  assert.deepEqual(JSON.parse((await hand.send())!), { a: { d: 3 } });
  hand.ack();
  await replaced.acked;
});

test('the array form puts the document into an array', async () => {
  const { hand, state } = open({ mode: 'last' });
  state.update({ a: 1 });
  assert.equal(await hand.send(), '[{"a":1}]');
});

test('changes are sent since what the far end has for certain', async () => {
  const { hand, state } = open({ mode: 'merge', form: 'changes' });
  state.update({ a: 1, b: 2 });
  await hand.send();
  hand.cut();
  state.update({ c: 3 });
  assert.deepEqual(JSON.parse((await hand.send())!), { a: 1, b: 2, c: 3 }, 'the first may not have arrived');
  hand.ack();
  state.update({ b: null });
  assert.deepEqual(JSON.parse((await hand.send())!), { b: null });
  hand.ack();
  hand.up();
  assert.equal(await until(hand), '{"a":1,"c":3}');
});

test('after a connect the document goes once more under the id it had, unless that is not wanted', async () => {
  const { hand, state } = open({ mode: 'last', form: 'object' });
  state.update({ a: 1 });
  await hand.send();
  hand.ack();
  hand.up();
  assert.equal(await until(hand), '{"a":1}');
  assert.equal(hand.sent[1]?.id, hand.sent[0]?.id);
  hand.ack();
  hand.channels.open('state', { mode: 'collect' });
  hand.up();
  assert.equal(await until(hand), undefined, 'what is collected is no document');
  hand.channels.open('state', { mode: 'last', resend: false });
  hand.up();
  assert.equal(await until(hand), undefined);
});

test('a document survives a restart', async () => {
  const { hand, state } = open({ mode: 'merge', form: 'object' });
  state.update({ a: 1 });
  await hand.send();
  hand.ack();
  state.update({ b: 2 });
  const next = open({ mode: 'merge' }, undefined, hand);
  next.state.update({ c: 3 });
  assert.deepEqual(JSON.parse((await next.hand.send())!), { a: 1, b: 2, c: 3 }, 'with the form that was asked for before');
});

test('a document that would grow too large is refused with its largest key, and stays as it was', async () => {
  const { hand, state } = open({ mode: 'last', form: 'object' }, small({ maxStateBytes: 100 }));
  state.update({ a: 'x'.repeat(50) });
  await assert.rejects(state.update({ b: 'y'.repeat(60) }).stored, coded('HYD_TOO_LARGE', /the largest part is "b" with 62 bytes/));
  state.update({ c: 1 });
  assert.deepEqual(JSON.parse((await hand.send())!), { a: 'x'.repeat(50), c: 1 });
  hand.ack();
  await assert.rejects(state.update({ d: 'z'.repeat(60) }).stored, coded('HYD_TOO_LARGE', /"d"/), 'what has arrived counts too');
});

test('what waited at the start counts in the size of a document too', async () => {
  const profile = small({ maxStateBytes: 100 });
  const { hand, state } = open({ mode: 'last', form: 'object' }, profile);
  state.update({ a: 'x'.repeat(50) });
  const next = open({ mode: 'last', form: 'object' }, profile, hand);
  await next.hand.dueIn();
  await assert.rejects(next.state.update({ b: 'y'.repeat(50) }).stored, coded('HYD_TOO_LARGE', /100 in one state/));
});

test('what no longer fits after a change of the profile is named, so that it is set aside', async () => {
  const collected = open();
  collected.state.update({ a: 'x'.repeat(100) });
  await assert.rejects(
    open({}, small({ maxStateBytes: 50 }), collected.hand).hand.send(),
    coded('HYD_TOO_LARGE', /the largest part is "a"/),
  );
  const merged = open({ mode: 'merge' });
  merged.state.update({ a: 1 });
  await merged.hand.send();
  merged.hand.ack();
  merged.state.update({ b: 'x'.repeat(100) });
  const { hand, state } = open({ mode: 'merge' }, small({ maxStateBytes: 50 }), merged.hand);
  await assert.rejects(hand.send(), coded('HYD_TOO_LARGE', /the largest part is "b"/));
  hand.disk.records.shift();
  state.update({ c: 1 });
  assert.equal(await hand.send(), '[{"a":1,"c":1}]', 'the document is as it was before');
});

test('a document takes objects only', async () => {
  const { state } = open({ mode: 'last' });
  await assert.rejects(state.update([{ a: 1 }]).stored, coded('HYD_USAGE', /an array, not an object/));
  await assert.rejects(state.update('3').stored, coded('HYD_USAGE', /3, not an object/));
});

test('keys set and removed again and again do not fill the outbox', async () => {
  const { hand, state } = open({ mode: 'merge', form: 'object' }, small({ maxStateBytes: 1_000 }));
  for (let n = 0; n < 1_000; n++) {
    state.update({ [`key-${n}`]: 'value' });
    state.update({ [`key-${n}`]: null });
  }
  for (const { payload } of hand.waiting('state')) assert.ok(payload.length <= 1_000, `${payload.length} bytes`);
  assert.ok(hand.waiting('state').length < 100, `${hand.waiting('state').length} waiting`);
  while ((await hand.send()) !== undefined) hand.ack();
  assert.equal(hand.sent.at(-1)?.text, '{}');
});

test('a change of mode sends what waits as it was meant', async () => {
  const { hand, state } = open();
  state.update({ a: 1 });
  hand.channels.open('state', { mode: 'last', form: 'object' });
  state.update({ b: 2 });
  hand.channels.open('state', { mode: 'collect' });
  state.update({ c: 3 });
  const texts: string[] = [];
  for (let text = await hand.send(); text !== undefined; text = await hand.send()) {
    texts.push(text);
    hand.ack();
  }
  assert.deepEqual(texts, ['[{"a":1}]', '{"b":2}', '[{"c":3}]']);
});

test('what was last and becomes merge is one document', async () => {
  const { hand, state } = open({ mode: 'last', form: 'object' });
  state.update({ a: 1, b: 2 });
  hand.channels.open('state', { mode: 'merge' });
  state.update({ b: null });
  assert.equal(await hand.send(), '{"a":1}');
});

/** The next publish, which something asynchronous is about to store. */
async function until(hand: HandChannels): Promise<string | undefined> {
  for (let turn = 0; turn < 100; turn++) {
    const text = await hand.send();
    if (text !== undefined) return text;
    await new Promise(setImmediate);
  }
  return undefined;
}
