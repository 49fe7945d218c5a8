import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Repeats } from './repeats.ts';

test('the first of a kind is told at once, further ones together', () => {
  const repeats = new Repeats(1000);
  const takes = [0, 1, 999, 1000, 1500, 2000, 9000].map((ms) => repeats.take('a', ms));
  assert.deepEqual(takes, [0, undefined, undefined, 2, undefined, 1, 0]);
  assert.equal(repeats.take('b', 1500), 0);
});
