import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** What lost or spoilt events in the document's client. A test that holds us to one of them ends its title with the number. */
const DEFECTS = [
  'a state past 65 000 bytes is dropped and nobody is told',
  'updates made while a publish waits are erased',
  'an empty payload ends the program',
  'an empty array makes JSON that is none',
  'a publish that fails is forgotten',
  'what is queued is forgotten at a stop',
  'what is queued is forgotten in a crash',
  'no limit of what is out',
  'a keep-alive of 2 becomes none, and a dead link goes unnoticed',
  'the end of an old connection closes the new one',
  'the token is never renewed while connected',
  'the configuration is not subscribed to again after a reconnect',
  'a full queue drops after 100 ms',
];

/** Of the tools of others, as reported there. */
const PAINS = [
  'a resend deletes before it is delivered',
  'one message per interval',
  'a backlog holds up the start',
  'a full queue is stuck for ever',
  'memory without bound while offline',
  'a publish that never settles',
  'a store that confirms and does not deliver',
  'a loop of expired credentials',
  'reconnect storms, half-dead clients',
  'a poison message reconnects for ever',
  'other rules for offline than for going offline',
];

const files = globSync('{src,test}/**/*.test.ts', { cwd: new URL('..', import.meta.url).pathname });
const texts = files.map((file) => readFileSync(new URL(`../${file}`, import.meta.url), 'utf8'));

/** Numbers in the titles of tests, `(client defect 7)` or `(pain 3)`. */
function named(what: string): Set<number> {
  const numbers = new Set<number>();
  const titles = new RegExp(`^\\s*\\w*test\\w*\\([\\s\\S]{0,300}?\\(${what}s? ([\\d, and]+)\\)`, 'gm');
  for (const text of texts)
    for (const [, found] of text.matchAll(titles)) for (const number of found!.match(/\d+/g)!) numbers.add(Number(number));
  return numbers;
}

test('each defect of the document’s client has a test that is named after it', () => {
  const tested = named('client defect');
  assert.deepEqual(
    DEFECTS.filter((_, i) => !tested.has(i + 1)),
    [],
  );
});

test('each pain of other clients has a test that is named after it', () => {
  const tested = named('pain');
  assert.deepEqual(
    PAINS.filter((_, i) => !tested.has(i + 1)),
    [],
  );
});
