import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Event } from './event.ts';
import { decodeLine, encodeLine, LineEncoder, quote } from './line.ts';

const arrivalMs = Date.parse('2026-11-21T10:17:42.123Z');
const event = (more: Partial<Event> = {}): Event => ({ topic: 'a/b', payload: Buffer.from('hi'), qos: 0, retain: false, ...more });
const written = (given: Event, seq: number) => encodeLine(given, seq, arrivalMs).toString();
const read = (text: string, crc?: 'required') => {
  const bytes = Buffer.from(text);
  return decodeLine(bytes, 0, bytes.length, { crc });
};

// These are the format. A change here is a new version of it.
const GOLDEN: [string, Event, number, string][] = [
  ['the least', event(), 7, '{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"a/b","data":"aGk=","seq":7,"crc":"d16f76b6"}\n'],
  ['without a sequence', event(), 0, '{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"a/b","data":"aGk=","crc":"2855d774"}\n'],
  [
    'an empty payload',
    event({ payload: Buffer.alloc(0) }),
    8,
    '{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"a/b","data":"","seq":8,"crc":"3ecba5d9"}\n',
  ],
  [
    'every field',
    event({
      topic: 'sites/Zürich/<α&β>',
      payload: Buffer.from([0, 255, 10, 34]),
      qos: 2,
      retain: true,
      id: '01JD6Z3Y0V8Q4T9W2E5R7U1X6C',
      dup: true,
      contentType: 'application/json',
      source: 'node-7',
      props: { time: '2026-11-21T10:17:41Z', format: 1, expiry: 60, reply: 'r/1', correlation: 'AQI=', user: [['k', 'v<']] },
      inbound: 'c0ffee:17',
    }),
    123_456_789,
    '{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"sites/Zürich/\\u003cα\\u0026β\\u003e","data":"AP8KIg==","seq":123456789,"id":"01JD6Z3Y0V8Q4T9W2E5R7U1X6C","qos":2,"retain":true,"dup":true,"ct":"application/json","src":"node-7","props":{"time":"2026-11-21T10:17:41Z","format":1,"expiry":60,"reply":"r/1","correlation":"AQI=","user":[["k","v<"]]},"in":"c0ffee:17","crc":"99f2ca34"}\n',
  ],
];

for (const [name, given, seq, line] of GOLDEN) {
  test(`golden line: ${name}`, () => {
    assert.equal(written(given, seq), line);
    assert.deepEqual(read(line.slice(0, -1), 'required'), { ...given, seq, ts: '2026-11-21T10:17:42.123000001Z' });
  });
}

test('golden lines of a Go encoder: escapes, null payload, nine, some and no fraction digits', () => {
  assert.deepEqual(read('{"v":1,"ts":"2022-06-30T23:59:59.999999999Z","topic":"a/\\u003cb\\u003e\\u0026c\\u2028","data":"eyJ4IjoxfQ=="}'), {
    topic: 'a/<b>&c\u2028',
    payload: Buffer.from('{"x":1}'),
    qos: 0,
    retain: false,
    seq: 0,
    ts: '2022-06-30T23:59:59.999999999Z',
  });
  assert.equal(read('{"v":1,"ts":"2022-06-30T23:59:59.5Z","topic":"a","data":null}').payload.length, 0);
  assert.equal(read('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":""}').ts, '2022-06-30T23:59:59Z');
});

test('what the seed program reads of a line, it reads as it wrote it', () => {
  const line = JSON.parse(written(event({ topic: 'a/<b>' }), 9)) as Record<string, unknown>;
  assert.deepEqual(Object.keys(line).slice(0, 4), ['v', 'ts', 'topic', 'data']);
  assert.match(written(event({ topic: 'a/<b>' }), 9), /^\{"v":1,"ts":"[^"]{30}","topic":"a\/\\u003cb\\u003e","data":"aGk=",/);
});

test('fields that nobody knows are skipped', () => {
  assert.equal(read('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":"","later":{"x":[1]},"seq":4}').seq, 4);
});

test('what is no line is refused with the reason', () => {
  const refused = (text: string, why: RegExp, crc?: 'required') =>
    assert.throws(() => read(text, crc), { code: 'HYD_JOURNAL_DAMAGED', message: why });
  refused('', /not JSON/);
  refused('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","da', /not JSON/);
  refused('null', /no topic/);
  refused('[1]', /no topic/);
  refused('{"v":1,"ts":"2022-06-30T23:59:59Z","data":""}', /no topic/);
  refused('{"v":2,"ts":"2022-06-30T23:59:59Z","topic":"a","data":""}', /version is 2/);
  refused('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":7}', /base64/);
  refused('{"v":1,"ts":"2022-06-30T23:59:59Z","topic":"a","data":""}', /crc/, 'required');
  refused('{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"a/c","data":"aGk=","seq":7,"crc":"7dce1154"}', /crc/);
  refused('{"v":1,"ts":"2026-11-21T10:17:42.123000001Z","topic":"a/b","data":"aGk=","seq":7,"crc":"D16f76b6"}', /crc is not d16f76b6/);
});

test('lines of one millisecond have rising times, all of one length and none ending in a zero', () => {
  const encoder = new LineEncoder();
  const stamps = Array.from({ length: 1000 }, () => {
    const out = Buffer.alloc(encoder.bound(event()));
    return JSON.parse(out.toString('utf8', 0, encoder.encode(out, 0, event(), 1, arrivalMs))).ts as string;
  });
  assert.deepEqual(stamps, [...new Set(stamps)].sort());
  for (const stamp of stamps) assert.match(stamp, /^2026-11-21T10:17:42\.123\d{5}[1-9]Z$/);
});

test('text is quoted as Go does', () => {
  assert.equal(quote('<>&\u2028\u2029"\\\n\u0001é😀'), '"\\u003c\\u003e\\u0026\\u2028\\u2029\\"\\\\\\n\\u0001é😀"');
});

const text = (maxLength = 20) => fc.string({ unit: 'binary', maxLength }).filter((value) => value.isWellFormed());
const anyEvent: fc.Arbitrary<Event> = fc.record(
  {
    topic: text().filter((value) => value !== ''),
    payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    id: text(),
    contentType: text(),
    source: text(),
    dup: fc.constant(true),
    props: fc.record(
      { time: text(), format: fc.constantFrom(0, 1), expiry: fc.nat(), user: fc.array(fc.tuple(text(), text()), { maxLength: 3 }) },
      { requiredKeys: [] },
    ),
    inbound: fc.string({ unit: fc.constantFrom('a', '0', ':'), maxLength: 20 }),
  },
  { requiredKeys: ['topic', 'payload', 'qos', 'retain'] },
);

test('every event reads back as it was, within the bound that was stated', () => {
  const encoder = new LineEncoder();
  fc.assert(
    fc.property(anyEvent, fc.nat({ max: Number.MAX_SAFE_INTEGER }), (given, seq) => {
      const bound = encoder.bound(given);
      const out = Buffer.alloc(bound + 100, 1);
      const end = encoder.encode(out, 0, given, seq, arrivalMs);
      assert.ok(end <= bound, `${end} bytes, ${bound} stated`);
      assert.equal(out.indexOf(10), end - 1, 'one newline, at the end');
      const { ts, ...back } = decodeLine(out, 0, end - 1, { crc: 'required' });
      assert.deepEqual(back, { ...JSON.parse(JSON.stringify(given)), payload: given.payload, seq });
      assert.ok(ts.startsWith('2026-11-21T10:17:42.123'));
    }),
  );
});

test('no change of a single byte goes unseen', () => {
  const seq = 4711;
  fc.assert(
    fc.property(anyEvent, fc.nat(), fc.integer({ min: 1, max: 255 }), (given, place, change) => {
      const line = encodeLine(given, seq, arrivalMs);
      const at = place % (line.length - 1);
      line[at] = line[at]! ^ change;
      assert.throws(() => decodeLine(line, 0, line.length - 1, { crc: 'required' }), { code: 'HYD_JOURNAL_DAMAGED' });
    }),
  );
});
