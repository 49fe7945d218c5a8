import type { HealthOptions } from '../http/health-server.ts';
import { createMetrics } from '../http/metrics.ts';
import type { OpenSource } from '../sources/run/open-source.ts';
import type { SourceKind } from '../sources/source.ts';
import { sourceSamples } from './source-metrics.ts';

/**
 * What a source that runs alone says of itself at `health.port`. One whose upstream has ended does its work as long as the bus takes the rest, and one
 * that is sent to (`whenFull: 'reject'`) does it without the bus: a proxy must not turn away what it would store.
 */
export function sourceHealth(source: OpenSource, { whenFull }: Pick<SourceKind, 'whenFull'>): HealthOptions {
  const isSentTo = whenFull === 'reject';
  return {
    readiness: async () => [...upstreamFaults(source), ...(isSentTo ? [] : busFaults(source))],
    notes: () => [...ended(source), ...(isSentTo ? busFaults(source) : [])],
    metrics: createMetrics(() => sourceSamples([source])),
  };
}

function upstreamFaults(source: OpenSource): string[] {
  const { up, ended, lastError } = source.status();
  return up || ended ? [] : [`the upstream is not connected${lastError === undefined ? '' : `: ${lastError}`}`];
}

function busFaults({ client }: OpenSource): string[] {
  const { connected, depth } = client.metrics();
  return connected || depth === 0 ? [] : [`the bus is not connected; events that wait: ${depth}`];
}

function ended(source: OpenSource): string[] {
  return source.status().ended
    ? [`the upstream has ended; events that the bus has not acknowledged yet: ${source.client.metrics().depth}`]
    : [];
}
