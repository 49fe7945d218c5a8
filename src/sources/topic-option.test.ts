import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCES } from './registry.ts';
import { topicOption } from './topic-option.ts';

test('no kind of source takes a base that could never begin a topic: each of its events would be left out', () => {
  const given = { host: 'h', user: 'u', password: 'p', preset: 'generic', secret: 's', topic: 't', command: ['ls'] };
  for (const [base, why] of [
    ['a/#', 'a topic to publish to has no wildcard (+ or #)'],
    ['$SYS', 'a broker takes no publish there'],
    ['$share/g/a', 'a broker takes no publish there'],
  ]) {
    const refused = SOURCES.filter(({ options }) =>
      options
        .safeParse({ ...given, base })
        .error?.issues.some(({ path, message }) => path[0] === 'base' && message === `${JSON.stringify(base)} is no topic: ${why}`),
    );
    assert.deepEqual(
      refused.map(({ name }) => name),
      ['gerrit', 'launchpad', 'subunit', 'logs', 'webhook'],
      base,
    );
  }
  assert.equal(topicOption().safeParse('$aws/rules/bugs').success, true);
});
