import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { until } from '../../testing/deadline.ts';
import { Publishing } from './publishing.ts';

const EVENT = { topic: 'a', payload: '{}' };

/** A client whose disk answers when the test says so. */
function slowDisk() {
  const puts: PromiseWithResolvers<void>[] = [];
  const publish = () => {
    const put = Promise.withResolvers<void>();
    puts.push(put);
    return { id: '', stored: put.promise, acked: new Promise<never>(() => {}) };
  };
  return { puts, publishing: new Publishing({ publish }, 'a', { isOrdered: true }) };
}

test('what was published is stored also while more is published without an end', async () => {
  const { puts, publishing } = slowDisk();
  await publishing.publish(EVENT);
  const stored = publishing.stored();
  await publishing.publish(EVENT);
  puts[0]!.resolve();
  await stored;
});

test('nothing is stored while one before it is not, whichever the disk answers first', async () => {
  const { puts, publishing } = slowDisk();
  let isStored = false;
  await publishing.publish(EVENT);
  const first = publishing.stored();
  await publishing.publish(EVENT);
  const second = publishing.stored().then(() => {
    isStored = true;
  });
  puts[1]!.resolve();
  await new Promise(setImmediate);
  assert.equal(isStored, false);
  puts[0]!.resolve();
  await Promise.all([first, second]);
});

test('an event that is left out is settled once what stands for it is stored', async () => {
  const { puts, publishing } = slowDisk();
  publishing.onRefused = async () => (await publishing.publish(EVENT)).stored;
  await publishing.publish(EVENT);
  let isStored = false;
  const stored = publishing.stored().then(() => {
    isStored = true;
  });
  puts[0]!.reject(new HydrantError('HYD_TOO_LARGE', 'too large'));
  await until(() => puts.length === 2, 'what stands for it');
  await new Promise(setImmediate);
  assert.equal(isStored, false);
  puts[1]!.resolve();
  await stored;
});

test('large events wait for each other, so that what waits for the disk never fills the outbox', async () => {
  const { puts, publishing } = slowDisk();
  const large = { topic: 'a', payload: Buffer.alloc(20 * 1024 * 1024) };
  await publishing.publish(large);
  await publishing.publish(EVENT);
  const next = publishing.publish(large);
  await new Promise(setImmediate);
  assert.equal(puts.length, 2);
  puts[0]!.resolve();
  await next;
  assert.equal(puts.length, 3);
});
