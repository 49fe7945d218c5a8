import assert from 'node:assert/strict';
import { test } from 'node:test';
import { UploadQueue } from './upload-queue.ts';

const BOUNDS = { minRetryMs: 1000, maxRetryMs: 300_000 };

function queueOf(names: string[], options: { parallel?: number; random?: () => number } = {}): UploadQueue {
  const queue = new UploadQueue({ parallel: 2, random: () => 1, ...BOUNDS, ...options });
  for (const [i, base] of names.entries()) queue.add({ base, bytes: 10, sinceMs: i });
  return queue;
}

test('the oldest goes first, and no more than the bound at once', () => {
  const queue = queueOf(['a', 'b', 'c']);
  const [a, b] = [queue.take(0)!, queue.take(0)!];
  assert.deepEqual([a.base, b.base, queue.take(0)], ['a', 'b', undefined]);
  assert.equal(queue.waitMs(0), undefined);
  queue.done(a);
  assert.equal(queue.take(0)!.base, 'c');
  assert.deepEqual([queue.size, queue.bytes, queue.oldestMs], [2, 20, 1]);
});

test('what fails waits longer each time, up to a cap, a random part of it, and lets the others pass', () => {
  let part = 1;
  const queue = queueOf(['bad', 'good'], { parallel: 1, random: () => part });
  queue.failed(queue.take(0)!, 0);
  assert.equal(queue.take(0)!.base, 'good');
  queue.done({ base: 'good', bytes: 10, sinceMs: 0, attempts: 1 });
  queue.succeed();
  let nowMs = 0;
  const waits: number[] = [];
  for (let i = 0; i < 12; i++) {
    const waitMs = queue.waitMs(nowMs)!;
    waits.push(waitMs);
    assert.equal(queue.take(nowMs + waitMs - 1), undefined);
    nowMs += waitMs;
    queue.failed(queue.take(nowMs)!, nowMs);
    queue.succeed();
  }
  assert.deepEqual(waits.slice(0, 4), [2000, 4000, 8000, 16_000]);
  assert.deepEqual(waits.slice(-2), [300_000, 300_000]);
  part = 0.25;
  const retried = queue.take(nowMs + 300_000)!;
  queue.failed(retried, nowMs);
  assert.equal(queue.waitMs(nowMs), 75_000);
});

test('while everything fails one try at a time looks for the store, at a pace; the first success lets all go again', () => {
  const names = Array.from({ length: 20 }, (_, i) => `${i}`);
  const queue = queueOf(names, { parallel: 4 });
  for (let i = 0; i < 8; i++) queue.failed(queue.take(0)!, 0);
  assert.equal(queue.take(0), undefined, 'a pause is made');
  assert.equal(queue.waitMs(0), 1000);
  const probe = queue.take(1000)!;
  assert.equal(probe.base, '8');
  assert.equal(queue.take(1000), undefined, 'one at a time');
  queue.failed(probe, 1000);
  assert.equal(queue.waitMs(1000), 2000, 'the pauses grow');
  const found = queue.take(3000)!;
  queue.succeed();
  queue.done(found);
  const taken: string[] = [];
  for (let next = queue.take(3000); next; next = queue.take(3000)) {
    taken.push(next.base);
    queue.done(next);
  }
  assert.equal(taken.length, 19, 'also those that would still wait');
  assert.equal(queue.size, 0);
});

test('a fault of the object says nothing about the store', () => {
  const names = Array.from({ length: 20 }, (_, i) => `${i}`);
  const queue = queueOf(names, { parallel: 2 });
  for (let i = 0; i < 10; i++) queue.failed(queue.take(0)!, 0, 60_000);
  assert.ok(queue.take(0));
  assert.ok(queue.take(0), 'no pause, and as many as ever');
  const alone = queueOf(['a']);
  alone.failed(alone.take(0)!, 0, 60_000);
  assert.equal(alone.waitMs(0), 60_000);
});

test('what is added while it is under way comes again, what waits is not there twice', () => {
  const queue = queueOf(['a', 'b']);
  queue.add({ base: 'b', bytes: 10, sinceMs: 0 });
  assert.equal(queue.size, 2);
  const a = queue.take(0)!;
  queue.add({ base: 'a', bytes: 10, sinceMs: 0 });
  queue.done(a);
  assert.deepEqual([queue.has('a'), queue.size, queue.bytes], [true, 2, 20]);
  assert.equal(queue.take(0)!.base, 'b');
  const again = queue.take(0)!;
  assert.equal(again.base, 'a');
  queue.done(again);
  assert.equal(queue.has('a'), false);
});

test('a drain tries each once more, without pauses', () => {
  const names = Array.from({ length: 12 }, (_, i) => `${i}`);
  const queue = queueOf(names, { parallel: 4 });
  for (let i = 0; i < 8; i++) queue.failed(queue.take(0)!, 0);
  queue.drain();
  for (let i = 0; i < 12; i++) {
    assert.equal(queue.drained, false);
    queue.failed(queue.take(0)!, 0);
  }
  assert.equal(queue.take(0), undefined);
  assert.equal(queue.waitMs(0), undefined);
  assert.equal(queue.drained, true);
  assert.equal(queue.size, 12);
});
