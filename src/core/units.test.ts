import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatDuration, formatSize, parseDuration, parseSize } from './units.ts';

test('reads durations with one or more units', () => {
  assert.equal(parseDuration('15m'), 900_000);
  assert.equal(parseDuration('1h30m'), 5_400_000);
  assert.equal(parseDuration('250ms'), 250);
  assert.equal(parseDuration('1.5s'), 1500);
  assert.equal(parseDuration('7d'), 604_800_000);
  assert.equal(parseDuration('2w'), 1_209_600_000);
  assert.equal(parseDuration('0'), 0);
});

test('a number without a unit, a unit without a number, a sign and a space are no durations', () => {
  for (const text of ['15', 'm', '-1s', '1 h', '1h 30m', '1y', '', '1M']) assert.equal(parseDuration(text), undefined, text);
});

test('reads sizes in binary and decimal units, and bare bytes', () => {
  assert.equal(parseSize('128MiB'), 134_217_728);
  assert.equal(parseSize('10GB'), 10_000_000_000);
  assert.equal(parseSize('64 KiB'), 65_536);
  assert.equal(parseSize('1.5kB'), 1500);
  assert.equal(parseSize('4096'), 4096);
  assert.equal(parseSize('7B'), 7);
  for (const text of ['MiB', '10 M', '-1', '1mb', '']) assert.equal(parseSize(text), undefined, text);
});

test('what is formatted reads back as the same number', () => {
  fc.assert(fc.property(fc.nat(1e12), (ms) => assert.equal(parseDuration(formatDuration(ms)), ms)));
  for (const bytes of [0, 1, 1023, 1024, 3 * 1024 ** 2, 5 * 1024 ** 4]) assert.equal(parseSize(formatSize(bytes)), bytes);
  assert.equal(formatSize(1_500_000), '1.4MiB');
});
