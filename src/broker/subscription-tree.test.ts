import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchFilter } from '../wire/topic.ts';
import type { Subscription } from './subscription.ts';
import { SubscriptionTree } from './subscription-tree.ts';

function subscription(filter: string): Subscription {
  return { name: filter, filter, qos: 1, noLocal: false, retainAsPublished: false, begin: 0 };
}

const level = fc.constantFrom('a', 'b', '', '$x');
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/') || 'a');
const filters = fc
  .tuple(fc.array(fc.constantFrom('a', 'b', '', '+', '$x'), { maxLength: 4 }), fc.boolean())
  .map(([levels, hash]) => [...levels, ...(hash ? ['#'] : [])].join('/') || '#');

test('the tree matches exactly what each filter matches, also while subscriptions come and go', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), filters, fc.boolean()), { maxLength: 30 }),
      fc.array(topics, { minLength: 1, maxLength: 10 }),
      (steps, names) => {
        const tree = new SubscriptionTree<string>();
        const model = new Map<string, Set<string>>();
        for (const [owner, filter, add] of steps) {
          const own = model.get(`o${owner}`) ?? new Set();
          model.set(`o${owner}`, own);
          if (add) {
            tree.add(`o${owner}`, subscription(filter));
            own.add(filter);
          } else {
            tree.remove(`o${owner}`, subscription(filter));
            own.delete(filter);
          }
          for (const name of names) {
            const found = new Map(tree.match(name).map((match) => [match.owner, match.subscriptions.map((each) => each.filter).sort()]));
            for (const [who, wishes] of model) {
              const expected = [...wishes].filter((wish) => matchFilter(wish, name)).sort();
              assert.deepEqual(found.get(who) ?? [], expected, `${who} on ${name}`);
            }
          }
        }
        assert.equal(
          tree.size,
          [...model.values()].reduce((sum, own) => sum + own.size, 0),
        );
      },
    ),
  );
});

test('adding the same name again replaces it', () => {
  const tree = new SubscriptionTree<string>();
  tree.add('me', { ...subscription('a/+'), qos: 0 });
  tree.add('me', { ...subscription('a/+'), qos: 2 });
  assert.deepEqual(
    tree.match('a/b').map((match) => match.subscriptions.map((each) => each.qos)),
    [[2]],
  );
  assert.equal(tree.size, 1);
});

test('what a topic matches stays known while clients come and go that subscribe to other topics', () => {
  const tree = new SubscriptionTree<string>();
  tree.add('one', subscription('a/b'));
  const [ab, b] = [tree.match('a/b'), tree.match('b')];
  tree.add('two', subscription('reply/7'));
  tree.remove('two', subscription('reply/7'));
  tree.add('two', subscription('b'));
  assert.equal(tree.match('a/b'), ab);
  assert.notEqual(tree.match('b'), b);
  assert.deepEqual(
    tree.match('b').map((match) => match.owner),
    ['two'],
  );
  tree.add('three', subscription('+/b'));
  assert.deepEqual(
    tree
      .match('a/b')
      .map((match) => match.owner)
      .sort(),
    ['one', 'three'],
  );
});
