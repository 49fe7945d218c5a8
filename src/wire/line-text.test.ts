import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { StoredEvent } from './event.ts';
import { decodeLine, encodeLine } from './line.ts';
import { formatLine } from './line-text.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((t) => t.toWellFormed());
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

test('an event read from a line becomes the same line again, byte for byte', () => {
  const events = fc.record({
    topic: fc.constantFrom('a/b', '<&>/\u2028', 'größe/✓'),
    payload: fc.uint8Array({ maxLength: 40 }),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    id: maybe(text),
    dup: maybe(fc.constant(true)),
    contentType: maybe(text),
    source: maybe(text),
    inbound: maybe(fc.constant('ab12:7')),
    props: maybe(fc.record({ time: text, user: fc.array(fc.tuple(text, text), { maxLength: 2 }) })),
  });
  fc.assert(
    fc.property(events, fc.integer({ min: 1 }), (event, seq) => {
      const line = encodeLine(event, seq, 1_763_700_000_123).subarray(0, -1);
      assert.equal(formatLine(decodeLine(line, 0, line.length, { crc: 'required' })), line.toString());
    }),
  );
});

test('a line without a sequence, as the seed archiver wrote it, stays without one', () => {
  const seed: StoredEvent = { topic: 'a', payload: Buffer.from('x'), qos: 0, retain: false, seq: 0, ts: '2026-11-21T10:00:00.000000001Z' };
  assert.match(formatLine(seed), /^\{"v":1,"ts":"2026-11-21T10:00:00\.000000001Z","topic":"a","data":"eA==","crc":"[0-9a-f]{8}"\}$/);
});
