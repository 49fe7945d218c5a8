import type { ClientMetrics } from '../client/metrics.ts';
import type { Sample } from '../http/metrics.ts';
import type { OpenSource } from '../sources/run/open-source.ts';
import type { SourceStatus } from '../sources/run/source-status.ts';

/** What /metrics says of sources, by name. What is not known yet is left out. */
export function sourceSamples(sources: readonly Pick<OpenSource, 'name' | 'status' | 'client'>[]): Sample[] {
  const states = sources.map((source) => [source.name, source.status()] as const);
  const sample = (type: Sample['type'], name: string, help: string, read: (status: SourceStatus) => number | undefined): Sample[] => {
    const known = states.flatMap(([source, status]) => {
      const value = read(status);
      return value === undefined ? [] : [[source, value]];
    });
    return known.length === 0
      ? []
      : [{ name: `hydrant_source_${name}`, help, type, value: { label: 'source', values: Object.fromEntries(known) } }];
  };
  const seconds = (ms: number | undefined): number | undefined => (ms === undefined ? undefined : ms / 1000);
  const ofOutboxes = (name: string, help: string, read: (metrics: ClientMetrics) => number): Sample => ({
    name: `hydrant_source_${name}`,
    help,
    type: 'gauge',
    value: { label: 'source', values: Object.fromEntries(sources.map((source) => [source.name, read(source.client.metrics())])) },
  });
  return [
    ...sample('gauge', 'up', '1 while the upstream is connected and read.', ({ up }) => (up ? 1 : 0)),
    ...sample('counter', 'published_total', 'Events published, gaps included.', ({ published }) => published),
    ...sample('counter', 'mismatched_total', 'Of these, events that did not match their schema.', ({ mismatched }) => mismatched),
    {
      name: 'hydrant_source_refused_total',
      help: 'Input that was not taken as it came, by reason.',
      type: 'counter',
      value: states.flatMap(([source, { refused }]) =>
        Object.entries(refused).map(([reason, value]) => ({ labels: { source, reason }, value })),
      ),
    },
    ...sample('counter', 'gaps_total', 'Stretches that the upstream could not give again.', ({ gaps }) => gaps),
    ...sample('counter', 'errors_total', 'Times that it broke off.', ({ errors }) => errors),
    ...sample('gauge', 'silent_seconds', 'Since the last sign of life of the upstream.', ({ silentMs }) => seconds(silentMs)),
    ...sample('gauge', 'last_event_age_seconds', 'Since the last event.', ({ lastEventAgeMs }) => seconds(lastEventAgeMs)),
    ...sample('gauge', 'lag_seconds', 'How old the last event was when it was read.', ({ lagMs }) => seconds(lagMs)),
    ofOutboxes('outbox_events', 'Events that wait for the bus.', ({ depth }) => depth),
    ofOutboxes('quarantined_events', 'Events that the bus refused for good: `hydrant outbox ls`.', ({ quarantined }) => quarantined),
  ];
}
