import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../testing/fake-clock.ts';
import { Attempts } from './attempts.ts';

const OPTIONS = { free: 2, delay: 100, maxDelay: 1500, forget: 60_000, waiting: 2 };
const HOST = '192.0.2.1';

/** Delays are noted and end when the test says so. */
function setUp() {
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  const delays: number[] = [];
  let wake: (() => void)[] = [];
  const attempts = new Attempts(OPTIONS, {
    clock,
    sleep: (ms) => {
      delays.push(ms);
      return new Promise<void>((resolve) => wake.push(resolve));
    },
  });
  const wakeAll = () => {
    for (const resolve of wake) resolve();
    wake = [];
  };
  /** What the next login of an address waits. */
  const delayOf = async (address: string): Promise<number> => {
    const before = delays.length;
    const admitted = attempts.admit(address);
    wakeAll();
    assert.equal(await admitted, true);
    return delays[before] ?? 0;
  };
  const fail = (times: number, address: string, name = 'ann') => {
    for (let i = 0; i < times; i++) attempts.failed(address, name);
  };
  return { attempts, clock, wakeAll, delayOf, fail };
}

test('after the free ones each failed login doubles the delay of the next, up to the longest', async () => {
  const { delayOf, fail } = setUp();
  const seen: number[] = [];
  for (let i = 0; i < 8; i++) {
    seen.push(await delayOf(HOST));
    fail(1, HOST);
  }
  assert.deepEqual(seen, [0, 0, 100, 200, 400, 800, 1500, 1500]);
  assert.equal(await delayOf('192.0.2.2'), 0, 'another address is not slowed');
});

test('on loopback, where a proxy may stand for many, the longest delay is a second', async () => {
  const { delayOf, fail } = setUp();
  for (const address of ['127.0.0.1', '::1']) {
    fail(20, address);
    assert.equal(await delayOf(address), 1000);
  }
});

test('an IPv6 network of 64 bits counts as one address', async () => {
  const { delayOf, fail } = setUp();
  fail(3, '2001:db8:0:1::1');
  assert.equal(await delayOf('2001:db8:0:1:ffff::2'), 200);
  assert.equal(await delayOf('2001:0db8::1:0:0:0:9'), 200);
  assert.equal(await delayOf('2001:db8:0:2::1'), 0);
});

test('of one address only so many logins wait; the others are refused at once', async () => {
  const { attempts, fail, wakeAll } = setUp();
  fail(3, HOST);
  const waiting = [attempts.admit(HOST), attempts.admit(HOST)];
  assert.equal(await attempts.admit(HOST), false);
  assert.equal(await attempts.admit('192.0.2.2'), true);
  wakeAll();
  assert.deepEqual(await Promise.all(waiting), [true, true]);
  const after = attempts.admit(HOST);
  wakeAll();
  assert.equal(await after, true);
});

test('a good login forgives what was wrong under its own name only', async () => {
  const { attempts, delayOf, fail } = setUp();
  fail(2, HOST, 'ann');
  fail(2, HOST, 'bob');
  attempts.succeeded(HOST, 'ann');
  assert.equal(await delayOf(HOST), 100);
  attempts.succeeded(HOST, 'bob');
  assert.equal(await delayOf(HOST), 0);
});

test('an address that tries many names is counted by their sum, in bounded memory', async () => {
  const { attempts, delayOf } = setUp();
  for (let i = 0; i < 1000; i++) attempts.failed(HOST, `name ${i}`);
  attempts.succeeded(HOST, 'name 999');
  assert.equal(await delayOf(HOST), 1500);
});

test('failed logins are forgotten after a while', async () => {
  const { clock, delayOf, fail } = setUp();
  fail(9, HOST);
  clock.advance(59_999);
  assert.equal(await delayOf(HOST), 1500);
  clock.advance(1);
  assert.equal(await delayOf(HOST), 0);
});

test('past 10 000 addresses the one that failed longest ago is forgotten', async () => {
  const { attempts, delayOf, fail } = setUp();
  fail(3, HOST);
  fail(3, '192.0.2.2');
  fail(1, HOST);
  for (let i = 0; i < 9999; i++) attempts.failed(`10.0.${i >> 8}.${i & 255}`, 'ann');
  assert.equal(await delayOf('192.0.2.2'), 0);
  assert.equal(await delayOf(HOST), 400);
});
