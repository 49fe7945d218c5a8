import type { Registry } from 'prom-client';

/** One metric: a number, or a number per value of one label. Labels never hold a topic or a client id: their values are few and ours. */
export interface Sample {
  /** `hydrant_journal_bytes`; counters end in `_total`. */
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  value: number | { label: string; values: Record<string, number> };
}

/** Formats samples as Prometheus text, together with the process's own metrics. The library is loaded with the first scrape. */
export function createMetrics(read: () => Sample[]): () => Promise<{ contentType: string; text: string }> {
  let process: Registry | undefined;
  return async () => {
    const prometheus = await import('prom-client');
    if (!process) {
      process = new prometheus.Registry();
      prometheus.collectDefaultMetrics({ register: process });
    }
    const registry = new prometheus.Registry();
    for (const { name, help, type, value } of read()) {
      const config = { name, help, labelNames: typeof value === 'number' ? [] : [value.label], registers: [registry] };
      const metric = type === 'counter' ? new prometheus.Counter(config) : new prometheus.Gauge(config);
      if (typeof value === 'number') metric.inc(value);
      else for (const [key, count] of Object.entries(value.values)) metric.inc({ [value.label]: key }, count);
    }
    return { contentType: registry.contentType, text: `${await registry.metrics()}\n${await process.metrics()}` };
  };
}
