import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimit } from './rate-limit.ts';

/** When each of these sizes may go, asked as soon as the limit says. */
function schedule(limit: RateLimit, sizes: readonly number[]): number[] {
  let nowMs = 0;
  return sizes.map((bytes) => {
    for (let waitMs = limit.take(bytes, nowMs); waitMs > 0; waitMs = limit.take(bytes, nowMs)) nowMs += waitMs;
    return nowMs;
  });
}

test('bytes are limited like events, over any second', () => {
  const sizes = Array.from({ length: 400 }, (_, i) => 100 + ((i * 7919) % 900));
  const times = schedule(new RateLimit({ bytesPerSecond: 50_000 }, 0), sizes);
  for (const [i, startMs] of times.entries()) {
    let bytes = 0;
    for (let j = i; j < times.length && times[j]! < startMs + 1000; j++) bytes += sizes[j]!;
    assert.ok(bytes <= 51_000, `${bytes} bytes in the second that begins with event ${i}`);
  }
  const total = sizes.reduce((sum, bytes) => sum + bytes, 0);
  assert.ok(times.at(-1)! < (total / 50_000) * 1100, 'and the rate is used');
});

test('an event larger than what may go at once goes all the same, and what it owes is waited for', () => {
  const times = schedule(new RateLimit({ bytesPerSecond: 1000 }, 0), [5000, 1, 1]);
  assert.equal(times[0], 0);
  assert.ok(times[1]! >= 5000 && times[1]! < 5400, `${times[1]}`);
});

test('without a rate nothing waits, and a clock that is set back holds nothing up for longer', () => {
  assert.deepEqual(schedule(new RateLimit({}, 0), [1e9, 1e9]), [0, 0]);
  const limit = new RateLimit({ eventsPerSecond: 10 }, 1_000_000);
  assert.equal(limit.take(1, 1_000_000), 0);
  const waitMs = limit.take(1, 0);
  assert.ok(waitMs > 0 && waitMs < 200, `${waitMs}`);
  assert.equal(limit.take(1, waitMs), 0);
});
