import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collect } from '../testing/collect.ts';
import { lookAhead } from './look-ahead.ts';

test('begins on the next few, gives all in their order, and leaves failures to those who ask', async () => {
  async function* numbers(): AsyncGenerator<number> {
    for (let i = 0; i < 6; i++) yield i;
  }
  const begun: number[] = [];
  const items = lookAhead(
    numbers(),
    async (item) => {
      begun.push(item);
      throw new Error('this one fails');
    },
    2,
  );
  assert.equal((await items.next()).value, 0);
  assert.deepEqual(begun, [0, 1, 2]);
  assert.deepEqual(await collect(items), [1, 2, 3, 4, 5]);
  assert.deepEqual(begun, [0, 1, 2, 3, 4, 5]);
});
