import assert from 'node:assert/strict';
import { test } from 'node:test';
import { backoffMs } from './backoff.ts';

const bounds = { minMs: 250, maxMs: 30_000 };

test('the longest pause doubles with each failure up to its bound, however many there are', () => {
  const longest = [0, 1, 2, 6, 7, 1e9].map((failures) => backoffMs(bounds, failures, () => 1));
  assert.deepEqual(longest, [250, 500, 1000, 16_000, 30_000, 30_000]);
  assert.equal(
    backoffMs({ minMs: 1, maxMs: Number.POSITIVE_INFINITY }, 1e9, () => 1),
    2 ** 30,
    'finite also without a bound',
  );
});

test('any part of the pause may be waited, none too', () => {
  assert.deepEqual(
    [0, 0.25, 0.5].map((random) => backoffMs(bounds, 2, () => random)),
    [0, 250, 500],
  );
});
