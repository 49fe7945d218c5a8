import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { topicFault } from '../../wire/topic.ts';
import { readHooks, topicFor } from './hook.ts';
import { OPTIONS } from './options.ts';

const hooks = (options: object) => readHooks(OPTIONS.parse(options));
const topic = (template: string, data: unknown, fields: Record<string, string | undefined> = {}): string => {
  const hook = hooks({ preset: 'generic', secret: 'x', base: 'in', topic: template }).get('/')!;
  return topicFor(hook, { fields, data, payload: Buffer.alloc(0), contentType: 'application/json' });
};

test('what could take nothing, or anything without saying so, is refused with its key', () => {
  const wrong: [object, string, RegExp][] = [
    [{}, 'preset', /nobody is named who sends: give one of github, gitlab/],
    [{ preset: 'github' }, 'secret', /there is none: .*`unsigned`/],
    [{ preset: 'github', secret: '\n' }, 'secret', /there is none/],
    [{ preset: 'github', secret: 'x', unsigned: true }, 'unsigned', /there is a secret too/],
    [{ preset: 'github', secret: 'x', topic: 'a/{b' }, 'topic', /^"a\/\{b" is no template/],
    [{ preset: 'github', secret: 'x', topic: 'a/+/{b}' }, 'topic', /is no template/],
    [{ preset: 'github', secret: 'x', topic: '{}' }, 'topic', /is no template/],
    [{ preset: 'github', secret: 'x', base: 'a/#' }, 'base', /^"a\/#" is no topic/],
    [{ preset: 'gerrit', secret: 'x', topic: '{event}' }, 'topic', /the preset gerrit has topics of its own/],
    [{ preset: 'github', secret: 'x', hmac: 'sha1' }, 'hmac', /the preset github has headers of its own/],
    [{ preset: 'standard-webhooks', secret: 'whsec_c2hvcnQ=' }, 'secret', /it has 5 bytes/],
    [{ preset: 'standard-webhooks', secret: 'not base64!' }, 'secret', /it is not whsec_ and base64/],
    [{ preset: 'gitlab', secret: 'token\nwhsec_c2hvcnQ=' }, 'secret', /it has 5 bytes/],
    [{ hooks: [{ preset: 'github' }] }, 'hooks.0.secret', /there is none/],
    [{ preset: 'github', secret: 'x', listen: '127.0.0.1:65536' }, 'listen', /^expected an address and a port/],
    [{ preset: 'github', secret: 'x', tlsCert: 'c.pem' }, 'tlsCert', /^it needs tlsKey too/],
    [{ preset: 'github', secret: 'x', tlsKey: 'k.pem' }, 'tlsKey', /^it needs tlsCert too/],
    [{ preset: 'github', secret: 'x', hooks: [{ preset: 'gitlab', secret: 'y' }] }, 'hooks.0.path', /another hook has the path \//],
  ];
  for (const [options, path, message] of wrong) {
    const issues = OPTIONS.safeParse(options).error?.issues ?? [];
    assert.deepEqual([issues.length, issues[0]?.path.join('.')], [1, path], JSON.stringify(options));
    assert.match(issues[0]!.message, message);
  }
});

test('one port has several hooks, each with its own sender', () => {
  const byPath = hooks({
    preset: 'github',
    secret: 'new\nold\n',
    hooks: [
      { path: '/lab', preset: 'gitlab', secret: 'token', base: 'lab' },
      { path: '/any', preset: 'generic', unsigned: true },
    ],
  });
  assert.deepEqual(
    [...byPath.values()].map(({ path, base, secrets }) => [path, base, secrets]),
    [
      ['/', 'github', ['new', 'old']],
      ['/lab', 'lab', ['token']],
      ['/any', 'webhook', []],
    ],
  );
});

test('a template is filled from the body by path, a level each, and what is missing leaves no level', () => {
  const data = { job: { name: 'a/b', tags: ['x', 'y'], n: 7, ok: true, none: null, deep: {} } };
  assert.equal(topic('{base}/{job.name}/{job.tags.1}/{job.n}/{job.ok}', data), 'in/a%2Fb/y/7/true');
  assert.equal(topic('{base}/{job.name...}/end', data), 'in/a/b/end');
  assert.equal(topic('{base}/{job.none}/{job.deep}/{job.missing.more}/{job.tags.9}/end', data), 'in/end');
  assert.equal(topic('{job.none}', data), 'in', 'with nothing at all it is the base');
});

test('nothing that objects have by themselves is taken for a field', () => {
  const data = JSON.parse('{"a":{},"list":[1]}');
  for (const name of ['constructor.name', '__proto__.toString', 'a.constructor', 'list.length', 'toString', 'a.__proto__'])
    assert.equal(topic(`{base}/{${name}}`, data), 'in', name);
  assert.equal(topic('{base}/{__proto__}', JSON.parse('{"__proto__":"p"}')), 'in/p', 'but what was sent under such a name is one');
});

test('whatever a sender writes, the topic stays under the base and has only the levels of the template', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 3000 }), (name, long) => {
      const filled = topic('{base}/{a}/x/{b}', { a: name, b: long.repeat(30) });
      assert.equal(topicFault(filled), undefined);
      assert.ok(filled.startsWith('in/') && !filled.includes('//'));
      assert.ok(filled.split('/').length <= 4);
    }),
  );
});

test('a path of more levels than a topic can have goes to the base', () => {
  assert.equal(topic('{base}/{a...}', { a: 'x/'.repeat(40_000) }), 'in');
});

test('hostile names climb nowhere and read nothing', () => {
  for (const [name, level] of [
    ['../../$SYS', '%2E%2E/%2E%2E/%24SYS'],
    ['#', '%23'],
    ['+/+', '%2B/%2B'],
    ['$SYS/broker', '%24SYS/broker'],
    ['nul\0', 'nul%00'],
  ] as const)
    assert.equal(topic('{base}/{a...}', { a: name }), `in/${level}`);
});
