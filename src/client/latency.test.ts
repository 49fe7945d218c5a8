import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Latency } from './latency.ts';

test('quantiles are within 9 % above, and the highest is exact', () => {
  const latency = new Latency();
  for (let ms = 1; ms <= 1000; ms++) latency.add(ms, 0);
  const { count, p50Ms, p99Ms, maxMs } = latency.now(0);
  assert.deepEqual([count, maxMs], [1000, 1000]);
  assert.ok(p50Ms >= 500 && p50Ms <= 545, `${p50Ms}`);
  assert.ok(p99Ms >= 990 && p99Ms <= 1080, `${p99Ms}`);
});

test('what is older than a minute is forgotten, what is younger than half of one is not', () => {
  const latency = new Latency();
  latency.add(100, 0);
  latency.add(1, 31_000);
  assert.deepEqual([latency.now(31_000).count, latency.now(31_000).maxMs], [2, 100]);
  assert.deepEqual([latency.now(62_000).count, latency.now(62_000).maxMs], [1, 1]);
  assert.deepEqual(latency.now(200_000), { count: 0, p50Ms: 0, p99Ms: 0, maxMs: 0 });
});

test('nothing at all, no time at all and hours are within the scale', () => {
  const latency = new Latency();
  for (const ms of [0, 1e-6, 3_600_000, 1e12]) latency.add(ms, 0);
  const { count, maxMs } = latency.now(0);
  assert.deepEqual([count, maxMs], [4, 1e12]);
});
