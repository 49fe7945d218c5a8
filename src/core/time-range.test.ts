import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseMoment, parseTimeRange } from './time-range.ts';

const nowMs = Date.parse('2026-11-21T10:30:15.250Z');
const read = (text: string, timeZone?: string) => new Date(parseMoment(text, { nowMs, timeZone })).toISOString();

test('a duration is so long ago', () => {
  assert.equal(read('15m'), '2026-11-21T10:15:15.250Z');
  assert.equal(read('2h'), '2026-11-21T08:30:15.250Z');
  assert.equal(read('7d'), '2026-11-14T10:30:15.250Z');
  assert.equal(read('1h30m'), '2026-11-21T09:00:15.250Z');
  assert.equal(read(' now '), '2026-11-21T10:30:15.250Z');
  assert.equal(read('0'), '2026-11-21T10:30:15.250Z');
});

test('RFC 3339 is read with and without seconds, fraction and zone', () => {
  assert.equal(read('2026-11-21'), '2026-11-21T00:00:00.000Z');
  assert.equal(read('2026-11-21T10:00Z'), '2026-11-21T10:00:00.000Z');
  assert.equal(read('2026-11-21t10:00:59z'), '2026-11-21T10:00:59.000Z');
  assert.equal(read('2022-06-30T23:59:59'), '2022-06-30T23:59:59.000Z');
  assert.equal(read('2026-11-21 10:00:59.5'), '2026-11-21T10:00:59.500Z');
  assert.equal(read('2026-11-21T10:00:59.123456789+02:00'), '2026-11-21T08:00:59.123Z');
  assert.equal(read('2026-11-21T10:00-0530'), '2026-11-21T15:30:00.000Z');
  assert.equal(read('2016-12-31T23:59:60Z'), '2017-01-01T00:00:00.000Z', 'a leap second');
});

test('a text without a zone is in the zone asked for, across its clock changes', () => {
  assert.equal(read('2026-07-01T12:00', 'Europe/Berlin'), '2026-07-01T10:00:00.000Z');
  assert.equal(read('2026-12-01', 'Europe/Berlin'), '2026-11-30T23:00:00.000Z');
  assert.equal(read('2026-07-01T12:00Z', 'Europe/Berlin'), '2026-07-01T12:00:00.000Z', 'its own zone wins');
  assert.equal(read('2026-03-29T02:30', 'Europe/Berlin'), '2026-03-29T01:30:00.000Z', 'left out by the change: moved forward');
  assert.equal(read('2026-10-25T02:30', 'Europe/Berlin'), '2026-10-25T00:30:00.000Z', 'repeated by the change: the earlier');
  assert.equal(read('today', 'Pacific/Auckland'), '2026-11-20T11:00:00.000Z');
  assert.equal(read('yesterday'), '2026-11-20T00:00:00.000Z');
});

test('what is no time is refused with the text and the reason', () => {
  const refused = (text: string, why: RegExp) =>
    assert.throws(
      () => read(text),
      (error: Error & { code?: string }) =>
        error.code === 'HYD_USAGE' && error.message.includes(JSON.stringify(text)) && why.test(error.message),
    );
  refused('', /not a time/);
  refused('tomorrow', /not a time/);
  refused('15', /not a time/);
  refused('20261121', /not a time/);
  refused('2026-11-21T10', /not a time/);
  refused('2026-13-01', /no month 13/);
  refused('2026-02-29', /no day 29/);
  refused('2026-11-21T24:00', /time of day/);
  assert.throws(() => read('now-ish', 'Mars/Olympus'), { code: 'HYD_USAGE' });
  assert.throws(() => read('today', 'Mars/Olympus'), { code: 'HYD_USAGE', message: /Mars/ });
});

test('a range holds the ends that were given and must not be empty', () => {
  assert.deepEqual(parseTimeRange({}, { nowMs }), {});
  assert.deepEqual(parseTimeRange({ since: '1s' }, { nowMs }), { sinceMs: nowMs - 1000 });
  assert.deepEqual(parseTimeRange({ since: '2m', until: '1m' }, { nowMs }), { sinceMs: nowMs - 120_000, untilMs: nowMs - 60_000 });
  assert.throws(() => parseTimeRange({ since: '1m', until: '1m' }, { nowMs }), { code: 'HYD_USAGE', message: /nothing lies between/ });
});

test('the ends of a range are exact to the nanosecond', () => {
  const at = (fraction: string) => `2026-11-21T10:00:00${fraction}Z`;
  const ms = Date.parse(at('.123'));
  assert.deepEqual(parseTimeRange({ since: at('.123000001'), until: at('.1230005') }, { nowMs }), {
    sinceMs: ms,
    sinceNs: 1,
    untilMs: ms + 1,
    untilNs: 500,
  });
  assert.deepEqual(parseTimeRange({ since: at('.123'), until: at('.124') }, { nowMs }), { sinceMs: ms, untilMs: ms + 1 });
  assert.throws(() => parseTimeRange({ since: at('.123000002'), until: at('.123000002') }, { nowMs }), { code: 'HYD_USAGE' });
});

test('every moment reads back as itself, in any zone', () => {
  const zone = fc.constantFrom('UTC', 'Europe/Berlin', 'America/St_Johns', 'Pacific/Apia', 'Asia/Kolkata');
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), zone, (ms, timeZone) => {
      assert.equal(parseMoment(new Date(ms).toISOString(), { nowMs, timeZone }), ms);
    }),
  );
});
