import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { filterFault, matchFilter } from '../wire/topic.ts';
import { covers, overlaps } from './filter-cover.ts';

const LEVELS = ['', 'a', 'b', '$x', 'other'];

/** Every topic of up to five levels: one level more than the filters below have, with a word that no filter names. */
const TOPICS = levelsTo(5);

function levelsTo(depth: number): string[] {
  if (depth === 1) return LEVELS;
  return [...LEVELS, ...levelsTo(depth - 1).flatMap((rest) => LEVELS.map((level) => `${level}/${rest}`))];
}

const filters = fc
  .tuple(fc.array(fc.constantFrom('', 'a', 'b', '$x', '+'), { minLength: 0, maxLength: 3 }), fc.constantFrom(undefined, '#', 'a', '+'))
  .map(([levels, last]) => (last === undefined ? levels : [...levels, last]).join('/'))
  .filter((filter) => filterFault(filter) === undefined);

test('covers and overlaps say what matching every topic says', () => {
  fc.assert(
    fc.property(filters, filters, (one, other) => {
      const matched = TOPICS.filter((topic) => matchFilter(other, topic));
      assert.equal(
        covers(one, other),
        matched.every((topic) => matchFilter(one, topic)),
        `covers ${one} ${other}`,
      );
      assert.equal(
        overlaps(one, other),
        matched.some((topic) => matchFilter(one, topic)),
        `overlaps ${one} ${other}`,
      );
    }),
    { numRuns: 3000 },
  );
});

for (const [allowed, wanted, expected] of [
  ['#', '#', true],
  ['+/#', '#', true],
  ['+/+/#', '#', false],
  ['a/#', 'a', true],
  ['a/#', 'a/#', true],
  ['a/+', 'a/#', false],
  ['a/+/#', 'a/#', false],
  ['#', '$SYS/#', false],
  ['+/a', '$SYS/a', false],
  ['$SYS/#', '$SYS/broker/+', true],
  ['a/+/c', 'a/b/c', true],
  ['a/b/c', 'a/+/c', false],
  ['a/#', 'ab/#', false],
] as const) {
  test(`${allowed} ${expected ? 'covers' : 'does not cover'} ${wanted}`, () => assert.equal(covers(allowed, wanted), expected));
}
