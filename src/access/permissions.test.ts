import assert from 'node:assert/strict';
import { test } from 'node:test';
import { patternFault } from './pattern.ts';
import { createPermissions } from './permissions.ts';
import { createRules, type Rule } from './rules.ts';

type Given = { publish?: string[]; subscribe?: string[]; deny?: { publish?: string[]; subscribe?: string[] } };

function rule({ publish = [], subscribe = [], deny = {} }: Given): Rule {
  return { publish, subscribe, deny: { publish: deny.publish ?? [], subscribe: deny.subscribe ?? [] } };
}

const permissions = (given: Given, user = 'ann', clientId = 'c1') => createPermissions(rule(given), user, clientId);

test('what is not listed is denied, and deny wins', () => {
  const may = permissions({ publish: ['a/#', 'b/+/x'], deny: { publish: ['a/secret/#'] } });
  assert.deepEqual(
    ['a', 'a/1', 'b/1/x', 'a/secret', 'a/secret/1', 'b/1/y', 'c', '$SYS/x'].filter((topic) => may.mayPublish(topic)),
    ['a', 'a/1', 'b/1/x'],
  );
  assert.equal(permissions({}).mayPublish('a'), false);
  assert.equal(permissions({}).subscription('a'), undefined);
});

test('# gives no topic that begins with $: those are listed by name', () => {
  const may = permissions({ publish: ['#'], subscribe: ['#', '$SYS/#'] });
  assert.equal(may.mayPublish('$other/x'), false);
  assert.deepEqual(may.subscription('$SYS/broker/#'), []);
  assert.equal(may.subscription('$hydrant/#'), undefined);
});

test('a subscription is granted when one allowed filter covers all of it', () => {
  const may = permissions({ subscribe: ['a/#', 'b/+'] });
  assert.deepEqual(
    ['a/#', 'a/+/c', 'b/+', 'b/1', '#', '+/a', 'b/#'].map((filter) => may.subscription(filter) !== undefined),
    [true, true, true, true, false, false, false],
  );
});

test('denied topics inside a granted subscription are left out; a subscription to nothing else is refused', () => {
  const may = permissions({ subscribe: ['#'], deny: { subscribe: ['a/secret/#', 'x/y'] } });
  assert.deepEqual(may.subscription('a/#'), ['a/secret/#']);
  assert.deepEqual(may.subscription('#'), ['a/secret/#', 'x/y']);
  assert.deepEqual(may.subscription('b/#'), []);
  assert.equal(may.subscription('a/secret/1'), undefined);
  assert.equal(may.subscription('x/y'), undefined);
});

test('reading the past, or as one of a group, takes the permission to read the filter', () => {
  const may = permissions({ subscribe: ['a/#'], deny: { subscribe: ['a/s'] } });
  assert.deepEqual(may.subscription('$history/15m/a/b'), []);
  assert.deepEqual(may.subscription('$history/15m/a/#'), ['a/s']);
  assert.deepEqual(may.subscription('$share/g/a/b'), []);
  for (const filter of ['$history/15m/b', '$share/g/b', '$share/g/$history/1h/b', '$history/15m/$SYS/#', '$share/a']) {
    assert.equal(may.subscription(filter), undefined, filter);
  }
});

test('%u and %c stand for user and client id as one whole level', () => {
  const may = permissions({ publish: ['%u/%c/#'], subscribe: ['to/%c'], deny: { publish: ['%u/%c/no'] } });
  assert.equal(may.mayPublish('ann/c1/x'), true);
  assert.equal(may.mayPublish('ann/c1/no'), false);
  assert.equal(may.mayPublish('bob/c1/x'), false);
  assert.deepEqual(may.subscription('to/c1'), []);
  assert.equal(may.subscription('to/+'), undefined);
});

test('a name that would widen a pattern matches nothing', () => {
  for (const name of ['#', '+', 'a/b', 'a/#', '', '+/x', '$SYS', 'a\0']) {
    const may = permissions({ publish: ['%u/#', '%u'], subscribe: ['%c/#', '%c'] }, name, name);
    for (const topic of ['a', 'a/b', 'a/b/c', '$SYS/x', name, `${name}/x`]) assert.equal(may.mayPublish(topic), false, `${name} ${topic}`);
    for (const filter of ['#', '+', 'a/#', '$SYS/#', name]) assert.equal(may.subscription(filter), undefined, `${name} ${filter}`);
  }
  assert.equal(permissions({ publish: ['x/%u'] }, '$SYS').mayPublish('x/$SYS'), true);
});

test('a name that fits in no pattern does not get round a denial', () => {
  for (const name of ['a/b', '#', '']) {
    const may = permissions({ publish: ['x/#'], deny: { publish: ['x/%c/no'] } }, 'ann', name);
    assert.deepEqual([may.mayPublish('x/1/no'), may.mayPublish('x/1/yes')], [false, true], name);
  }
});

test('a pattern is a filter whose %u and %c are whole levels', () => {
  for (const good of ['#', '%u/#', 'a/%c/+', '100%/x', '$SYS/#']) assert.equal(patternFault(good), undefined, good);
  for (const bad of ['', 'a#', 'dev-%u/x', '%u%c', 'a/%cx']) assert.notEqual(patternFault(bad), undefined, bad);
});

test('which rule counts for whom', () => {
  const may = (rules: ReturnType<typeof createRules>, user: string, topic: string) =>
    createPermissions(rules.ruleOf(user), user, 'c').mayPublish(topic);
  const nothing = createRules({ preset: 'open', acl: {} }, false);
  assert.equal(createPermissions(nothing.anonymous!, 'anonymous', 'c').mayPublish('$x/y'), true);
  const accounts = createRules({ preset: 'open', acl: {} }, true);
  assert.equal(accounts.anonymous, undefined);
  assert.equal(may(accounts, 'ann', 'x'), true);
  const own = createRules({ preset: 'open', acl: { ann: rule({ publish: ['a'] }), '*': rule({ publish: ['rest'] }) } }, false);
  assert.equal(own.anonymous, undefined);
  assert.deepEqual(
    [may(own, 'ann', 'a'), may(own, 'ann', 'rest'), may(own, 'bob', 'rest'), may(own, 'bob', 'a')],
    [true, false, true, false],
  );
  const only = createRules({ preset: 'open', acl: { anonymous: rule({ subscribe: ['#'] }) } }, true);
  assert.equal(may(only, 'ann', 'x'), false);
  assert.equal(may(only, 'constructor', 'x'), false);
});

test('the firehose: everybody reads everything, accounts write below their own name, and own entries replace those of the preset', () => {
  const firehose = createRules({ preset: 'firehose', acl: { lab: rule({ publish: ['lab1/#'] }) } }, true);
  const anonymous = createPermissions(firehose.anonymous!, 'anonymous', 'c');
  assert.deepEqual([anonymous.subscription('#'), anonymous.subscription('$SYS/#'), anonymous.mayPublish('a')], [[], [], false]);
  assert.equal(anonymous.subscription('$hydrant/#'), undefined);
  const ann = createPermissions(firehose.ruleOf('ann'), 'ann', 'c');
  assert.deepEqual([ann.mayPublish('ann/x'), ann.mayPublish('bob/x'), ann.subscription('#')], [true, false, []]);
  const lab = createPermissions(firehose.ruleOf('lab'), 'lab', 'c');
  assert.deepEqual([lab.mayPublish('lab1/x'), lab.mayPublish('lab/x'), lab.subscription('#')], [true, false, undefined]);
});
