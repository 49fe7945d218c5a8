import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUlid } from './id.ts';

test('an id is 26 characters of Crockford’s base 32, begins with its time and is above the one before', () => {
  let last = '';
  for (let i = 0; i < 100_000; i++) {
    const id = createUlid();
    assert.ok(id > last, `${id} after ${last}`);
    last = id;
  }
  assert.match(last, /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/);
  const digits = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
  const timeMs = [...last.slice(0, 10)].reduce((value, digit) => value * 32 + digits.indexOf(digit), 0);
  assert.ok(Math.abs(timeMs - Date.now()) < 60_000);
});

test('ids keep counting up when the clock goes back, and over two million in one millisecond', () => {
  const nowMs = Date.now() + 1000;
  let last = createUlid(nowMs);
  assert.ok(createUlid(nowMs - 500) > last);
  for (let i = 0; i < 2 ** 21 + 1; i++) {
    const id = createUlid(nowMs);
    if (id <= last || id.length !== 26) assert.fail(`${id} after ${last}`);
    last = id;
  }
});
