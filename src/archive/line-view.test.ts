import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { seedLine } from '../testing/seed-archive.ts';
import type { Event } from '../wire/event.ts';
import { decodeLine, encodeLine } from '../wire/line.ts';
import { LineView, splitGlued } from './line-view.ts';
import { LineFields } from './read/line-fields.ts';
import { TopicMemo } from './read/topic-memo.ts';

const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 12 }).filter((value) => value.isWellFormed());
const anyEvent: fc.Arbitrary<Event> = fc.record(
  {
    topic: fc.oneof(text, fc.constantFrom('a/b', 'a"b\\', '<&>/\u2028', 'ü/é')),
    payload: fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    id: text,
    source: text,
  },
  { requiredKeys: ['topic', 'payload', 'qos', 'retain'] },
);

test('time, topic and sequence read from raw bytes are those of the parsed line', () => {
  const view = new LineView();
  fc.assert(
    fc.property(anyEvent, fc.nat({ max: Number.MAX_SAFE_INTEGER }), fc.integer({ min: 0, max: 4_102_444_800_000 }), (event, seq, atMs) => {
      const line = Buffer.concat([Buffer.from('before\n'), encodeLine(event, seq, atMs), Buffer.from('after')]);
      const end = line.length - 6;
      assert.equal(view.read(line, 7, end), true);
      const parsed = decodeLine(line, 7, end);
      assert.deepEqual([view.topic(), view.ts(), view.seq(), view.tsMs()], [event.topic, parsed.ts, seq, Math.floor(atMs)]);
      assert.deepEqual(view.payload(), parsed.payload);
      const fields = new LineFields(view);
      fields.set(line, 7, end);
      const { topic, payload, ts, qos, retain, id, source } = fields;
      assert.deepEqual(
        { topic, payload, ts, qos, retain, id, source, seq: fields.seq },
        { ...parsed, id: parsed.id, source: parsed.source },
      );
    }),
  );
});

test('lines of the seed program are read: any fraction, null payload, no sequence', () => {
  const view = new LineView();
  for (const [ts, payload] of [
    ['2022-06-30T23:59:59Z', null],
    ['2022-06-30T23:59:59.5Z', 'x'],
    ['2022-06-30T23:59:59.123456789Z', ''],
  ] as const) {
    const line = Buffer.from(seedLine(ts, 'a/<b>', payload));
    assert.equal(view.read(line, 0, line.length - 1), true);
    assert.deepEqual([view.topic(), view.ts(), view.seq(), view.tsMs()], ['a/<b>', ts, 0, Date.parse(ts)]);
  }
});

test('nanoseconds are told exactly, however many digits are written', () => {
  const view = new LineView();
  for (const [fraction, ns] of [
    ['', 0],
    ['.5', 0],
    ['.123', 0],
    ['.1234', 400_000],
    ['.123000001', 1],
    ['.123456789', 456_789],
  ] as const) {
    const line = Buffer.from(seedLine(`2022-06-30T23:59:59${fraction}Z`, 'a', 'x'));
    assert.ok(view.read(line, 0, line.length - 1));
    assert.equal(view.tsNs(), ns, fraction);
  }
});

test('topics of the same hash are told apart', () => {
  const view = new LineView();
  const asked: string[] = [];
  const memo = new TopicMemo((topic) => asked.push(topic) > 0 && topic === 'Aa');
  const isWanted = (topic: string) => {
    const line = Buffer.from(seedLine('2022-06-30T23:59:59Z', topic, 'x'));
    assert.ok(view.read(line, 0, line.length - 1));
    return { wanted: memo.isWanted(view), hash: view.topicHash };
  };
  assert.equal(isWanted('Aa').hash, isWanted('BB').hash);
  assert.deepEqual([isWanted('Aa').wanted, isWanted('BB').wanted], [true, false]);
  const before = asked.length;
  assert.equal(isWanted('BB').wanted, false);
  assert.equal(asked.length, before, 'what is known is not asked again');
});

test('a sequence behind fields that nobody knows is found, and one inside the payload is not', () => {
  const view = new LineView();
  const seqOf = (line: string) => {
    const bytes = Buffer.from(line);
    assert.ok(view.read(bytes, 0, bytes.length));
    return view.seq();
  };
  assert.equal(seqOf('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":"","x":1,"seq":7}'), 7);
  assert.equal(seqOf('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","x":{"seq":5},"data":null}'), 0);
  assert.equal(seqOf('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":null,"seq":12,"qos":1}'), 12);
});

test('what is not in the usual form is left to the parser', () => {
  const view = new LineView();
  for (const line of [
    '',
    '{',
    '{"v":1,"ts":"2022',
    '{"ts":"2022-06-30T23:59:59Z","v":1}',
    '{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"open',
    'x'.repeat(200),
  ]) {
    assert.equal(view.read(Buffer.from(line), 0, line.length), false, line);
  }
});

test('glued lines are cut where a new one begins', () => {
  const line = seedLine('2022-06-30T23:59:59Z', 'a', 'x').slice(0, -1);
  const pieces = (glued: string) => splitGlued(Buffer.from(glued), 0, glued.length).map(([from, to]) => glued.slice(from, to));
  assert.deepEqual(pieces(line), [line]);
  assert.deepEqual(pieces(`${line.slice(0, 20)}${line}`), [line.slice(0, 20), line]);
  assert.deepEqual(pieces(`${line}${line}${line.slice(0, 9)}`), [line, line, line.slice(0, 9)]);
  const quoting = seedLine('2022-06-30T23:59:59Z', 'say {"v":1,"x"', '{"v":1,').slice(0, -1);
  assert.deepEqual(pieces(quoting), [quoting], 'inside a text its quotes are escaped');
});
