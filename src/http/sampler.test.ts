import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSampler, type SampleCount } from './sampler.ts';

test('lets a burst up to the limit through, counts all, and reports each second until it is quiet', (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  let nowMs = 0;
  t.mock.method(performance, 'now', () => nowMs);
  const counts: SampleCount[] = [];
  using sampler = createSampler(10, (count) => counts.push(count));
  const taken = (events: number) => Array.from({ length: events }, () => sampler.take()).filter(Boolean).length;
  assert.equal(taken(1000), 10);
  nowMs = 500;
  assert.equal(taken(1000), 5);
  t.mock.timers.tick(1000);
  assert.deepEqual(counts, [{ seen: 2000, shown: 15 }]);
  t.mock.timers.tick(3000);
  assert.deepEqual(counts.slice(1), [{ seen: 0, shown: 0 }]);
});
