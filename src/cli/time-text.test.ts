import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMoment } from '../core/time-range.ts';
import { timeFormatter } from './time-text.ts';

const ms = Date.UTC(2026, 6, 1, 22, 30, 0, 7);

test('times are UTC unless a zone is asked for', () => {
  assert.equal(timeFormatter('UTC')(ms), '2026-07-01T22:30:00.007Z');
  assert.equal(timeFormatter('Europe/Berlin')(ms), '2026-07-02T00:30:00.007+02:00');
  assert.equal(timeFormatter('Africa/Abidjan')(ms), '2026-07-01T22:30:00.007Z');
  assert.equal(timeFormatter('Asia/Kathmandu')(ms), '2026-07-02T04:15:00.007+05:45');
});

test('what is printed can be given back to --since', () => {
  for (const zone of ['UTC', 'America/St_Johns', 'Pacific/Auckland'])
    assert.equal(parseMoment(timeFormatter(zone)(ms), { nowMs: 0 }), ms, zone);
});

test('an unknown zone is a usage error that names it', () => {
  assert.throws(() => timeFormatter('Mars/Olympus'), { code: 'HYD_USAGE', message: /"Mars\/Olympus"/ });
});
