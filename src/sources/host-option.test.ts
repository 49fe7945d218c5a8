import assert from 'node:assert/strict';
import { test } from 'node:test';
import { hostOption } from './host-option.ts';
import { SOURCES } from './registry.ts';

test('a URL, a user or a port in place of a host is said to be that by the sources that connect to one', () => {
  for (const host of ['https://review.example.org', 'review.example.org:29418', 'me@review.example.org', '::1 ', '']) {
    const refused = SOURCES.filter(({ options }) =>
      options
        .safeParse({ host, user: 'u', password: 'p' })
        .error?.issues.some(({ path, message }) => path[0] === 'host' && /is no host: .* options of their own$/.test(message)),
    );
    assert.deepEqual(
      refused.map(({ name }) => name),
      ['gerrit', 'launchpad'],
      host,
    );
  }
  for (const host of ['review.example.org', 'localhost', '192.0.2.7', '::1', '2001:db8::29', 'fe80::1%eth0', 'bücher.example'])
    assert.equal(hostOption().safeParse(host).success, true, host);
});
