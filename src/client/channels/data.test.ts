import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { HandChannels } from '../../testing/hand-channels.ts';
import { generic } from '../profiles/generic.ts';

const coded = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof HydrantError && error.code === code && message.test(error.message);

function open(maxEventBytes?: number) {
  const hand = new HandChannels(generic({ device: 'd1', maxEventBytes }));
  return { hand, data: hand.channels.open('data') };
}

const stored = (hand: HandChannels) => hand.waiting('data').map(({ topic, payload }) => `${topic} ${Buffer.from(payload)}`);

test('data goes where the document’s program sends it, byte for byte', () => {
  const { hand, data } = open();
  for (let index = 0; index < 3; index++) data.publish({ index, val: 10 + index });
  data.publish('{"index":3}', { sub: 'pump/7' });
  data.publish(new Uint8Array([0xff, 0x00]));
  hand.channels.open('data/pump').publish(1, { sub: '7' });
  assert.deepEqual(stored(hand), [
    '/devices/d1/data {"index":0,"val":10}',
    '/devices/d1/data {"index":1,"val":11}',
    '/devices/d1/data {"index":2,"val":12}',
    '/devices/d1/data/pump/7 {"index":3}',
    '/devices/d1/data \u{fffd}\0',
    '/devices/d1/data/pump/7 1',
  ]);
});

test('an empty payload is a payload (client defect 3)', async () => {
  const { hand, data } = open();
  await Promise.all([data.publish('').stored, data.publish(new Uint8Array(0)).stored]);
  assert.deepEqual(
    hand.waiting('data').map(({ payload }) => payload.length),
    [0, 0],
  );
});

test('what cannot be sent rejects both promises, names the reason, and stores nothing', async () => {
  const { hand, data } = open(4_096);
  const large = data.publish('x'.repeat(4_097));
  await assert.rejects(
    large.stored,
    coded('HYD_TOO_LARGE', /\/devices\/d1\/data has 4097 bytes; the profile generic allows 4096 in one event/),
  );
  await assert.rejects(large.acked, coded('HYD_TOO_LARGE', /4097/));
  await assert.rejects(data.publish(undefined).stored, coded('HYD_USAGE', /it is undefined/));
  await assert.rejects(data.publish('x', { sub: 'a//b' }).stored, coded('HYD_TOPIC', /"data\/a\/\/b" has an empty level/));
  await assert.rejects(data.publish('x', { sub: 'a/+' }).stored, coded('HYD_TOPIC', /wildcard/));
  assert.deepEqual(stored(hand), []);
});

test('a channel that the profile does not have is refused by name, with those there are', () => {
  const { hand } = open();
  assert.throws(() => hand.channels.open('telemetry'), coded('HYD_USAGE', /no channel "telemetry": there are data, data\/<sub> and state/));
  assert.throws(() => hand.channels.open('state/x'), coded('HYD_USAGE', /no channel "state\/x"/));
  assert.throws(() => new HandChannels(generic()).channels.open('data'), coded('HYD_USAGE', /knows no device/));
});

test('all of data is one queue of 100 000 events unless told otherwise, and the same object each time', () => {
  const { hand, data } = open();
  assert.equal(hand.channels.open('data'), data);
  assert.equal(hand.bounds.get('data')?.maxEvents, 100_000);
  hand.channels.open('data/pump', { maxEvents: 5, whenFull: 'wait', waitMs: 100 });
  hand.channels.open('data', { waitMs: 200 });
  hand.channels.open('data');
  assert.deepEqual(hand.bounds.get('data'), { maxEvents: 5, whenFull: 'wait', waitMs: 200 });
});

test('an option that a channel does not have is named, with the one that was meant', () => {
  const { hand } = open();
  const opening = (name: string, options: object) => () => void hand.channels.open(name, options as never);
  const fixed = (message: RegExp, fix: RegExp) => (error: unknown) =>
    coded('HYD_USAGE', message)(error) && fix.test((error as HydrantError).fix);
  assert.throws(opening('data', { maxEvent: 5 }), fixed(/channel data has no option maxEvent/, /Did you mean maxEvents\?/));
  assert.throws(opening('data', { mode: 'last' }), fixed(/channel data has no option mode/, /Options are maxEvents/));
  assert.throws(opening('state', { interval: 5 }), fixed(/channel state has no option interval/, /Did you mean intervalMs\?/));
  assert.throws(opening('data', { priority: 1 }), fixed(/channel data has no option priority/, /Give it to openClient/));
});
