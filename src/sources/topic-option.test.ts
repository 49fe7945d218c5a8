import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SOURCES } from './registry.ts';

test('no kind of source takes a base that could never begin a topic: each of its events would be left out', () => {
  const given = { host: 'h', user: 'u', password: 'p', preset: 'generic', secret: 's', topic: 't', command: ['ls'], base: 'a/#' };
  const refused = SOURCES.filter(({ options }) =>
    options
      .safeParse(given)
      .error?.issues.some(
        ({ path, message }) => path[0] === 'base' && message === '"a/#" is no topic: a topic to publish to has no wildcard (+ or #)',
      ),
  );
  assert.deepEqual(
    refused.map(({ name }) => name),
    ['gerrit', 'launchpad', 'subunit', 'logs', 'webhook'],
  );
});
