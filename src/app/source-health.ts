import type { HealthOptions } from '../http/health-server.ts';
import { createMetrics } from '../http/metrics.ts';
import type { OpenSource } from '../sources/run/open-source.ts';
import { sourceSamples } from './source-metrics.ts';

/** What a source that runs alone says of itself at `health.port`. One whose upstream has ended does its work as long as the bus takes the rest. */
export function sourceHealth(source: OpenSource): HealthOptions {
  return {
    readiness: async () => faults(source),
    notes: () => notes(source),
    metrics: createMetrics(() => sourceSamples([source])),
  };
}

/** Why it does not do its work now, a sentence each. */
function faults(source: OpenSource): string[] {
  const { up, ended, lastError } = source.status();
  const { connected, depth } = source.client.metrics();
  return [
    ...(up || ended ? [] : [`the upstream is not connected${lastError === undefined ? '' : `: ${lastError}`}`]),
    ...(connected || depth === 0 ? [] : [`the bus is not connected; events that wait: ${depth}`]),
  ];
}

function notes(source: OpenSource): string[] {
  return source.status().ended
    ? [`the upstream has ended; events that the bus has not acknowledged yet: ${source.client.metrics().depth}`]
    : [];
}
