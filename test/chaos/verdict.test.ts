import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Arrival } from './brokers.ts';
import { judge } from './verdict.ts';

const arrivals = (...texts: string[]): Arrival[] => texts.map((text) => ({ text, id: `id of ${text}` }));

test('repeats under the same id, and what came without having been said to be stored, are in order', () => {
  const came = arrivals('a 0 0', 'b 0 0', 'a 0 1', 'a 0 0', 'a 0 1', 'a 1 0');
  assert.deepEqual(judge(new Set(['a 0 0', 'b 0 0', 'a 1 0']), came), []);
});

for (const [what, stored, came, said] of [
  ['a stored event that has not come', ['a 0 0', 'a 0 1'], arrivals('a 0 1'), ['a 0 0 was stored and has not come']],
  ['an order that was not kept', [], arrivals('a 0 1', 'a 0 0'), ['a 0 0 came after a 0 1']],
  ['an order that was not kept over a restart', [], arrivals('a 1 0', 'b 0 9', 'a 0 9'), ['a 0 9 came after a 1 0']],
  ['a repeat under another id', [], [...arrivals('a 0 0'), { text: 'a 0 0', id: 'other' }], ['a 0 0 came as id of a 0 0 and as other']],
  ['an id used twice', [], [...arrivals('a 0 0'), { text: 'a 0 1', id: 'id of a 0 0' }], ['a 0 1 has the id id of a 0 0, as a 0 0 has']],
] as const) {
  test(`${what} is told`, () => assert.deepEqual(judge(new Set(stored), came), said));
}
