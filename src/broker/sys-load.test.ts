import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoadAverages } from './sys-load.ts';

const averages = (loads: LoadAverages): Record<string, number> => Object.fromEntries(loads);

test('a steady rate is what every average comes to, the shorter ones sooner', () => {
  const loads = new LoadAverages({ messages: 0 }, 0);
  for (let s = 10; s <= 300; s += 10) loads.sample({ messages: s * 2 }, s * 1000);
  const found = averages(loads);
  for (const [minutes, expected] of [
    ['1min', 120 * (1 - Math.exp(-5))],
    ['5min', 120 * (1 - Math.exp(-1))],
    ['15min', 120 * (1 - Math.exp(-1 / 3))],
  ] as const)
    assert.ok(Math.abs(found[`messages/${minutes}`]! - expected) < 1e-9, `${minutes}: ${found[`messages/${minutes}`]}`);
});

test('it does not matter how often the counters are looked at', () => {
  const often = new LoadAverages({ bytes: 0 }, 0);
  const seldom = new LoadAverages({ bytes: 0 }, 0);
  for (let s = 1; s <= 60; s++) often.sample({ bytes: s * 7 }, s * 1000);
  seldom.sample({ bytes: 420 }, 60_000);
  for (const [name, average] of often) assert.ok(Math.abs(average - averages(seldom)[name]!) < 1e-9, name);
});

test('what was counted before it began is no rate, and a rate that ends fades', () => {
  const loads = new LoadAverages({ sockets: 1000 }, 0);
  loads.sample({ sockets: 1000 }, 10_000);
  assert.equal(averages(loads)['sockets/1min'], 0);
  loads.sample({ sockets: 1010 }, 20_000);
  const peak = averages(loads)['sockets/1min']!;
  assert.ok(peak > 0);
  loads.sample({ sockets: 1010 }, 80_000);
  assert.ok(Math.abs(averages(loads)['sockets/1min']! - peak * Math.exp(-1)) < 1e-9);
});
