import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { filterFault, matchFilter } from '../wire/topic.ts';
import { TopicTree } from './topic-tree.ts';

const topics = fc.array(fc.constantFrom('a', 'b', '', '$x'), { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/') || 'a');
const filters = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '$x'), { maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/') || '#')
  .filter((filter) => filterFault(filter) === undefined);

test('finds exactly the topics that a filter matches, while topics come and go', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(topics, fc.boolean()), { maxLength: 40 }),
      fc.array(filters, { minLength: 1, maxLength: 8 }),
      (steps, wanted) => {
        const tree = new TopicTree<{ topic: string }>();
        const model = new Set<string>();
        for (const [topic, add] of steps) {
          if (add) tree.set(topic, { topic });
          else assert.equal(tree.delete(topic), model.has(topic));
          if (add) model.add(topic);
          else model.delete(topic);
        }
        assert.equal(tree.size, model.size);
        assert.deepEqual([...tree.values()].map(({ topic }) => topic).sort(), [...model].sort());
        for (const topic of model) assert.deepEqual(tree.get(topic), { topic });
        for (const filter of wanted) {
          const expected = [...model].filter((topic) => matchFilter(filter, topic)).sort();
          assert.deepEqual([...tree.match(filter)].map(({ topic }) => topic).sort(), expected, filter);
        }
      },
    ),
  );
});
