import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics, type Sample } from './metrics.ts';

test('samples become Prometheus text with the values of the moment, beside the process’s own metrics', async () => {
  let events = 3;
  const metrics = createMetrics((): Sample[] => [
    { name: 'hydrant_events_total', help: 'Events.', type: 'counter', value: events },
    { name: 'hydrant_dropped_total', help: 'Drops.', type: 'counter', value: { label: 'reason', values: { 'queue-full': 2, expired: 0 } } },
    { name: 'hydrant_connections', help: 'Connections.', type: 'gauge', value: 0 },
  ]);
  const first = await metrics();
  assert.match(first.contentType, /^text\/plain; version=0\.0\.4/);
  assert.match(first.text, /# HELP hydrant_events_total Events\.\n# TYPE hydrant_events_total counter\nhydrant_events_total 3\n/);
  assert.match(first.text, /hydrant_dropped_total\{reason="queue-full"\} 2\nhydrant_dropped_total\{reason="expired"\} 0\n/);
  assert.match(first.text, /# TYPE hydrant_connections gauge\nhydrant_connections 0\n/);
  assert.match(first.text, /process_resident_memory_bytes \d+/);
  events = 5;
  assert.match((await metrics()).text, /\nhydrant_events_total 5\n/);
});
