import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicFault } from '../wire/topic.ts';
import { assertTemplate, escapeLevel, escapeLevels, fillTemplate, joinTopic } from './topic.ts';

test('a level keeps what it may and has the rest percent-encoded', () => {
  assert.equal(escapeLevel('nova-compute_1.2~rc1'), 'nova-compute_1.2~rc1');
  assert.equal(escapeLevel('a/b+c#d%e\0f'), 'a%2Fb%2Bc%23d%25e%00f');
  assert.deepEqual(['..', '.', '$SYS', 'a$'].map(escapeLevel), ['%2E%2E', '%2E', '%24SYS', 'a$']);
});

test('a path keeps its levels, without empty ones and without climbing', () => {
  assert.equal(escapeLevels('openstack/nova'), 'openstack/nova');
  assert.equal(escapeLevels('/../etc//passwd/'), '%2E%2E/etc/passwd');
});

test('whatever an upstream calls its things, the topic is one', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ maxLength: 5000 }), (name, long) => {
      const topic = joinTopic(
        'base',
        escapeLevels(name),
        escapeLevel(long.repeat(3)),
        fillTemplate('t/{a}/{b}', () => name),
      );
      assert.equal(topicFault(topic), undefined);
      assert.ok(!topic.includes('//') && !topic.endsWith('/'));
      assert.ok(topic.startsWith('base'));
    }),
  );
});

test('a template fills its levels, and leaves out what has no value', () => {
  const values: Record<string, string> = { event: 'push', repo: 'a/b' };
  assert.equal(
    fillTemplate('github/{repo}/{event}-{missing}/{missing}', (name) => values[name]),
    'github/a%2Fb/push-',
  );
  assert.equal(
    fillTemplate('github/{repo...}/{event}/{missing...}', (name) => ({ event: 'push', repo: '/a/../b/' })[name]),
    'github/a/%2E%2E/b/push',
  );
  assert.doesNotThrow(() => assertTemplate('a/{b}/c', 'topic'));
  for (const wrong of ['', 'a/#', '+/b', 'a/{b', 'a\0']) assert.throws(() => assertTemplate(wrong, 'topic'), { code: 'HYD_CONFIG' });
});
