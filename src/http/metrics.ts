import type { Registry } from 'prom-client';

/** One metric: a number, a number per value of one label, or one for each set of labels. Labels never hold a topic or a client id: their values are few and ours. */
export interface Sample {
  /** `hydrant_journal_bytes`; counters end in `_total`. */
  name: string;
  help: string;
  type: 'counter' | 'gauge';
  value: number | { label: string; values: Record<string, number> } | LabelledNumber[];
}

interface LabelledNumber {
  /** Each has the same names. */
  labels: Record<string, string>;
  value: number;
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
      const numbers = numbersOf(value);
      const config = { name, help, labelNames: Object.keys(numbers[0]?.labels ?? {}), registers: [registry] };
      const metric = type === 'counter' ? new prometheus.Counter(config) : new prometheus.Gauge(config);
      for (const { labels, value } of numbers) metric.inc(labels, value);
    }
    return { contentType: registry.contentType, text: `${await registry.metrics()}\n${await process.metrics()}` };
  };
}

function numbersOf(value: Sample['value']): LabelledNumber[] {
  if (typeof value === 'number') return [{ labels: {}, value }];
  if (Array.isArray(value)) return value;
  return Object.entries(value.values).map(([key, count]) => ({ labels: { [value.label]: key }, value: count }));
}
