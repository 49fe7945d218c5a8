import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { matchFilter, topicFault } from '../../wire/topic.ts';
import { createRewriter, parseRewrite } from './rewrite.ts';

const rewrite = (rules: string[], topic: string) => createRewriter(rules.reduce(parseRewriteOf, undefined) ?? [])(topic);
const parseRewriteOf = (before: ReturnType<typeof parseRewrite> | undefined, text: string) => parseRewrite(text, before);

test('wildcards are numbered and stand where their number stands', () => {
  assert.equal(rewrite(['plant/+/temp=lab/$1/t'], 'plant/7/temp'), 'lab/7/t');
  assert.equal(rewrite(['+/+/#=$2/$1/$3'], 'a/b/c/d'), 'b/a/c/d');
  assert.equal(rewrite(['plant/#=copy/$1'], 'plant/7/temp'), 'copy/7/temp');
  assert.equal(rewrite(['#=all/$1'], 'a/b'), 'all/a/b');
  assert.equal(rewrite(['a.b/c=x'], 'a.b/c'), 'x');
  assert.equal(rewrite(['a.b/c=x'], 'aXb/c'), 'aXb/c', 'a dot is a dot');
});

test('where # matches the topic above it, the place goes with its slash; an empty level stays', () => {
  assert.equal(rewrite(['plant/#=copy/$1'], 'plant'), 'copy');
  assert.equal(rewrite(['plant/#=copy/$1/end'], 'plant'), 'copy/end');
  assert.equal(rewrite(['plant/#=copy/$1'], 'plant/'), 'copy/');
  assert.equal(rewrite(['plant/+=copy/$1'], 'plant/'), 'copy/');
});

test('the first rule that matches is used, and what none matches keeps its topic', () => {
  const rules = ['plant/7/#=seven/$1', 'plant/#=other/$1'];
  assert.deepEqual(
    ['plant/7/x', 'plant/8/x', 'site/x', '$SYS/x'].map((topic) => rewrite(rules, topic)),
    ['seven/x', 'other/8/x', 'site/x', '$SYS/x'],
  );
  assert.equal(rewrite(['#=all/$1'], '$SYS/x'), '$SYS/x');
});

test('a rule applies to exactly what its filter matches', () => {
  const level = fc.constantFrom('a', 'b', '', '$x', 'a.b', 'é');
  const topic = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filter = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.constantFrom('a', '+', '#'))
    .map(([levels, last]) => [...levels, last].join('/'));
  fc.assert(
    fc.property(
      filter,
      topic.filter((text) => topicFault(text) === undefined),
      (from, text) => {
        assert.equal(rewrite([`${from}=hit`], text) === 'hit', matchFilter(from, text));
      },
    ),
  );
});

test('a rule that cannot be meant is refused', () => {
  for (const [text, why] of [
    ['plant', /it has no =/],
    ['=x', /it has no =/],
    ['a/#/b=x', /# stands for all that follows/],
    ['a=', /at least one character/],
    ['a=b/+', /no wildcard/],
    ['a/+=b/$2', /\$2 stands for a wildcard, and there are 1/],
  ] as const)
    assert.throws(() => parseRewrite(text), { message: why }, text);
});
