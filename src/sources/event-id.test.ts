import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUlid } from '../core/id.ts';
import { eventId } from './event-id.ts';

test('the same event has the same id, in the form and with the time of a ULID', () => {
  const id = eventId(1_700_000_000_000, 'gerrit', '{"a":1}');
  assert.equal(id, eventId(1_700_000_000_000, 'gerrit', Buffer.from('{"a":1}')));
  assert.match(id, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  assert.equal(id.slice(0, 10), createUlid(1_700_000_000_000).slice(0, 10));
});

test('an id stays what it is from version to version, since what was published comes again under it', () => {
  assert.equal(eventId(1_700_000_000_000, 'gerrit', 'é', Buffer.from('x')), '01HF7YAT003ZNMK0BDFKP2GY05');
});

test('another time, another part or another border between parts is another id', () => {
  const ids = [eventId(1, 'ab', 'c'), eventId(1, 'a', 'bc'), eventId(2, 'ab', 'c'), eventId(1, 'ab', 'd'), eventId(1, 'abc')];
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(eventId(Number.NaN, 'x'), eventId(0, 'x'));
});
