import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { describeEvent } from './describe-event.ts';
import { GAP_SCHEMA } from './gap-schema.ts';

test('an event of a known topic is told as its schema says', () => {
  assert.deepEqual(describeEvent('gerrit/$gap', Buffer.from(JSON.stringify(GAP_SCHEMA.examples[0]))), {
    summary:
      'Events of gerrit are missing from 2026-11-21T10:00:00.000Z until 2026-11-21T10:00:07.250Z (disconnected: the server has no events log)',
    people: [],
    severity: 'error',
  });
  assert.equal(describeEvent('logs/syslog', Buffer.from('door opened')).summary, 'door opened');
});

test('any other is told by its topic and how its payload begins', () => {
  const summary = (payload: Uint8Array): string => describeEvent('plant/1', payload).summary;
  assert.equal(summary(Buffer.from('{"t":\n 21}')), 'plant/1: {"t": 21}');
  assert.equal(summary(Buffer.alloc(0)), 'plant/1: empty');
  assert.equal(summary(Buffer.from([0xff, 0xfe, 1])), 'plant/1: 3 bytes');
  assert.match(summary(Buffer.from('ä'.repeat(5_000_000))), /^plant\/1: ä+…$/);
});

test('whatever comes on whatever topic, it is told in one line', () => {
  const topics = fc.oneof(fc.string(), fc.constantFrom('gerrit/p/comment-added', 'a/$gap', 'launchpad/x/bug/7', 'github/a/b/push'));
  fc.assert(
    fc.property(topics, fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (topic, payload) => {
      const { summary } = describeEvent(topic, payload);
      assert.ok(summary.length <= 200 && !/[\n\r\u2028]/.test(summary));
    }),
  );
});
