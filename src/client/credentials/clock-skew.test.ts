import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectRefused } from '../../mqtt/connect-refused.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { ClockSkew } from './clock-skew.ts';
import { Owners } from './credential-source.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const NOW = '2026-11-21T10:00:00Z';

function create() {
  const owners = new Owners();
  const noticed: number[] = [];
  const said: string[] = [];
  owners.add({ log: (_level, message) => said.push(message), onReplaced() {}, onClockSkew: (skewMs) => noticed.push(skewMs) });
  const clock = new FakeClock(NOW);
  const time = { elapsedMs: 0 };
  return { skew: new ClockSkew(owners, clock, () => time.elapsedMs), clock, time, noticed, said };
}

/** Logs in, one login for each refusal, at a server whose clock is off by this and which allows ten minutes. @returns the logins it took */
function logIn(skew: ClockSkew, offMs: number, lifeMs: number): number {
  for (let refusals = 0; refusals < 500; refusals++) {
    const assumedMs = skew.assume({ refusals }, lifeMs);
    if (offMs >= assumedMs - 10 * MINUTE_MS && offMs <= assumedMs + lifeMs + 10 * MINUTE_MS) {
      skew.accept(assumedMs);
      return refusals + 1;
    }
  }
  throw new Error(`no login was taken by a server that is off by ${offMs} ms`);
}

test('a clock that is right is not doubted', () => {
  const { skew, noticed } = create();
  assert.equal(logIn(skew, 0, HOUR_MS), 1);
  assert.equal(logIn(skew, 9 * MINUTE_MS, HOUR_MS), 1);
  assert.deepEqual(noticed, []);
});

test('every skew of up to a day is found, whatever the life of a token, and taken at the first login from then on', () => {
  for (const lifeMs of [2 * MINUTE_MS, HOUR_MS, 24 * HOUR_MS]) {
    for (let offMs = -24 * HOUR_MS; offMs <= 24 * HOUR_MS; offMs += 7 * MINUTE_MS) {
      const { skew } = create();
      const logins = logIn(skew, offMs, lifeMs);
      assert.ok(logins <= 6 + (4 * 24 * HOUR_MS) / Math.max(lifeMs, 20 * MINUTE_MS), `${logins} logins for ${offMs}`);
      assert.equal(logIn(skew, offMs, lifeMs), 1);
    }
  }
});

test('whatever was tried meanwhile, a server that takes this machine’s time at last is asked with it every other login', () => {
  const { skew } = create();
  for (let refusals = 0; refusals < 300; refusals += 2) assert.equal(skew.assume({ refusals }, HOUR_MS), 0);
  skew.accept(2 * HOUR_MS);
  for (let refusals = 0; refusals < 300; refusals += 2) assert.equal(skew.assume({ refusals }, HOUR_MS), 2 * HOUR_MS);
  assert.equal(skew.assume({ refusals: 1 }, HOUR_MS), 0);
});

test('a skew is told once, and that it is gone', () => {
  const { skew, noticed, said } = create();
  const logins = logIn(skew, 2 * HOUR_MS, HOUR_MS);
  assert.ok(logins > 2);
  logIn(skew, 2 * HOUR_MS, HOUR_MS);
  assert.equal(noticed.length, 1);
  assert.match(said[0]!, /^this machine's clock is about 1h behind the server's: logins are dated so that it takes them$/);
  assert.equal(logIn(skew, -5 * MINUTE_MS, HOUR_MS), 2, 'the clock was set: what it says is tried before anything else');
  assert.deepEqual(noticed.slice(1), [0]);
  assert.deepEqual(said.slice(1), ["this machine's clock and the server's agree again"]);
  logIn(skew, -3 * HOUR_MS, HOUR_MS);
  assert.match(said[2]!, /clock is about .* ahead of the server's/);
});

test('a clock that is set right later is believed at once, one that goes on is not doubted again', () => {
  const { skew, clock, time, noticed } = create();
  skew.accept(40 * HOUR_MS);
  clock.advance(HOUR_MS);
  time.elapsedMs += HOUR_MS;
  assert.equal(skew.assume({ refusals: 0 }, HOUR_MS), 40 * HOUR_MS);
  clock.advance(40 * HOUR_MS + 900);
  assert.equal(skew.assume({ refusals: 0 }, HOUR_MS), 0, 'set by NTP');
  skew.accept(0);
  assert.deepEqual(noticed, [40 * HOUR_MS, 0]);
  clock.advance(-HOUR_MS);
  assert.equal(skew.assume({ refusals: 0 }, HOUR_MS), 0, 'without a skew this machine’s clock is the one that counts');
});

test('the time that a server tells when it refuses is taken at its word', () => {
  const { skew, clock, said } = create();
  const refused = (reasonString: string, ...values: string[]): ConnectRefused =>
    new ConnectRefused('mqtt://h', {
      cmd: 'connack',
      sessionPresent: false,
      reasonCode: 0x87,
      properties: { reasonString },
      userProperties: values.map((value) => ['x', value]),
    });
  const assume = (refusal: ConnectRefused): number => skew.assume({ refusals: 1, refusal }, HOUR_MS);
  assert.equal(assume(refused('expired; it is 2031-01-02T03:04:05Z here')), Date.parse('2031-01-02T03:04:05Z') - clock.now());
  assert.equal(assume(refused('expired', 'eu', '2026-11-21T09:15:00+02:00')), -(2 * HOUR_MS + 45 * MINUTE_MS));
  assert.equal(assume(refused('expired', '2026-11-21T10:00:02.1Z')), 2000);
  assert.equal(assume(refused('unknown key', '2026-11-21T10:00:01Z')), 0, 'the clocks agree: it is not that');
  assert.equal(assume(refused('device 2026-11-21 is not known')), -10 * MINUTE_MS, 'no time in it');
  skew.accept(-90_000);
  assert.match(said[0]!, /about 1m30s ahead of/);
});
