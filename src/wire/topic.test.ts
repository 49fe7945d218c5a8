import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { assertFilter, assertTopic, filterFault, hasWildcard, matchFilter, topicFault } from './topic.ts';

test('filters match as MQTT 3.1.1 §4.7 says', () => {
  const cases: [filter: string, yes: string[], no: string[]][] = [
    [
      'sport/tennis/player1/#',
      ['sport/tennis/player1', 'sport/tennis/player1/ranking', 'sport/tennis/player1/score/wimbledon'],
      ['sport/tennis/player10', 'sport/tennis'],
    ],
    ['sport/#', ['sport', 'sport/', 'sport/a/b'], ['sports', 'port']],
    ['#', ['a', '/', '/a', 'a/b/c'], ['$SYS', '$SYS/x', '$']],
    ['sport/tennis/+', ['sport/tennis/player1', 'sport/tennis/'], ['sport/tennis', 'sport/tennis/player1/ranking']],
    ['sport/+', ['sport/', 'sport/a'], ['sport', 'sport/a/b']],
    ['+', ['finance', 'a b'], ['/finance', '$SYS', 'a/b']],
    ['+/+', ['/finance', 'a/b', '/'], ['finance', '$SYS/monitor', 'a/b/c']],
    ['/+', ['/finance', '/'], ['finance', '/a/b']],
    ['+/monitor/Clients', ['a/monitor/Clients'], ['$SYS/monitor/Clients']],
    ['$SYS/#', ['$SYS', '$SYS/monitor'], ['$SY', 'SYS/x']],
    ['$SYS/monitor/+', ['$SYS/monitor/Clients'], ['$SYS/monitor']],
    ['a/+/c/#', ['a/b/c', 'a//c', 'a/b/c/d'], ['a/b/d', 'a/b', 'a/b/cc']],
    ['a', ['a'], ['A', 'a/', '/a', 'ab', '']],
    ['a/b', ['a/b'], ['a', 'a/b/', 'a/bc', 'a/']],
    ['a//b', ['a//b'], ['a/b', 'a/x/b']],
    ['é/+', ['é/ü'], ['e/ü']],
  ];
  for (const [filter, yes, no] of cases) {
    for (const topic of yes) assert.equal(matchFilter(filter, topic), true, `${filter} matches ${topic}`);
    for (const topic of no) assert.equal(matchFilter(filter, topic), false, `${filter} does not match ${topic}`);
  }
});

test('what is no topic is refused with the reason', () => {
  for (const topic of ['a', '/', 'a b/ü', '$SYS/x', 'x'.repeat(65_535)]) assert.equal(topicFault(topic), undefined);
  for (const [topic, why] of [
    ['', /at least one/],
    ['a/+', /wildcard/],
    ['#', /wildcard/],
    ['a\0b', /NUL/],
    ['a\ud800', /surrogate/],
    ['x'.repeat(65_536), /65535 bytes/],
    ['é'.repeat(32_768), /65535 bytes/],
  ] as const) {
    assert.match(topicFault(topic)!, why);
    assert.throws(() => assertTopic(topic), { code: 'HYD_TOPIC' });
  }
});

test('what is no filter is refused with the reason', () => {
  for (const filter of ['#', '+', 'a/#', '+/b/#', '/+', 'a/+/+', '$SYS/#']) assert.equal(filterFault(filter), undefined);
  for (const [filter, why] of [
    ['', /at least one/],
    ['a/#/b', /last level/],
    ['a#', /last level/],
    ['##', /last level/],
    ['a+', /whole level/],
    ['a/+b/c', /whole level/],
    ['a\0', /NUL/],
  ] as const) {
    assert.match(filterFault(filter)!, why);
    assert.throws(() => assertFilter(filter), { code: 'HYD_FILTER', message: /filter "/ });
  }
});

test('a wildcard is seen where it counts', () => {
  assert.deepEqual(['a', 'a/b', '+', 'a/+/b', '#', 'a/#'].map(hasWildcard), [false, false, true, true, true, true]);
});

const level = fc.string({ unit: fc.constantFrom('a', 'b', '$', 'é'), maxLength: 2 });
const anyTopic = fc
  .array(level, { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))
  .filter((topic) => topic !== '');
const anyFilter = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 5 }), fc.boolean())
  .map(([levels, open]) => (open ? [...levels, '#'] : levels).join('/'))
  .filter((filter) => filter !== '');

test('matches as comparing level by level does', () => {
  let matched = 0;
  fc.assert(
    fc.property(anyFilter, anyTopic, (filter, topic) => {
      assert.equal(filterFault(filter), undefined);
      const expected = byLevels(filter.split('/'), topic.split('/'));
      if (expected) matched++;
      assert.equal(matchFilter(filter, topic), expected, `${filter} on ${topic}`);
    }),
    { numRuns: 5000 },
  );
  assert.ok(matched > 100, `only ${matched} of the pairs matched`);
});

test('every topic matches itself, # and what one of its levels replaced by + gives', () => {
  fc.assert(
    fc.property(anyTopic, fc.nat(), (topic, at) => {
      assert.ok(matchFilter(topic, topic));
      const levels = topic.split('/');
      levels[at % levels.length] = '+';
      const open = topic.startsWith('$');
      assert.equal(matchFilter('#', topic), !open);
      assert.equal(matchFilter(levels.join('/'), topic), !(open && levels[0] === '+'));
      assert.ok(matchFilter(`${topic}/#`, topic));
    }),
  );
});

function byLevels(filter: string[], topic: string[]): boolean {
  if (topic[0]!.startsWith('$') && (filter[0] === '+' || filter[0] === '#')) return false;
  for (const [i, level] of filter.entries()) {
    if (level === '#') return topic.length >= i;
    if (i >= topic.length || (level !== '+' && level !== topic[i])) return false;
  }
  return filter.length === topic.length;
}
