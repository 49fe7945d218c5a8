import type { Intake } from '../archive/intake/intake.ts';
import type { MqttBus } from '../bus/mqtt/options.ts';
import type { StateStore } from '../core/state-store.ts';
import type { HealthOptions } from '../http/health-server.ts';
import { createMetrics, type Sample } from '../http/metrics.ts';
import type { Journal } from '../journal/journal.ts';
import type { Config } from './config-schema.ts';
import type { Archive } from './open-archive.ts';
import { readinessFaults, readinessNotes } from './readiness.ts';
import { counter, gauge, storedSamples } from './server-metrics.ts';

/** The parts that are asked how they are. */
export interface ArchiverParts {
  dataDir: string;
  config(): Config;
  journal: Journal;
  store: StateStore;
  archive: Archive;
  bus: MqttBus;
  intake: Intake;
}

/** What an archiver says of itself at `health.port`. */
export function archiverHealth(parts: ArchiverParts): HealthOptions {
  return {
    readiness: () => archiverFaults(parts),
    notes: () => readinessNotes(parts.archive.uploader?.statistics),
    metrics: createMetrics(() => archiverSamples(parts)),
  };
}

/** Why an archiver does not do its work now, a sentence each. */
async function archiverFaults({ dataDir, config, journal, store, bus }: ArchiverParts): Promise<string[]> {
  const { minFreeBytes } = config().health;
  const faults = await readinessFaults({ dataDir, minFreeBytes, journal, store });
  return isConnected(bus) ? faults : ['the broker is not connected', ...faults];
}

/** Whether the broker gives signs of life. */
export function isConnected(bus: MqttBus): boolean {
  return bus.links.some(({ url }) => url !== undefined);
}

function archiverSamples({ journal, archive, bus, intake }: ArchiverParts): Sample[] {
  const { events, bytes, dup, excluded, gaps, waiting, unreleased } = intake.statistics;
  const connects = bus.links.reduce((sum, link) => sum + link.connects, 0);
  return [
    gauge('hydrant_intake_connected', '1 while the broker is connected.', isConnected(bus) ? 1 : 0),
    counter('hydrant_intake_connects_total', 'Connections made to the broker.', connects),
    counter('hydrant_intake_events_total', 'Events on disk and acknowledged to the broker.', events),
    counter('hydrant_intake_bytes_total', 'Bytes of their payloads.', bytes),
    counter('hydrant_intake_repeats_total', 'Events recorded that are marked as repeats.', dup),
    counter('hydrant_intake_excluded_total', 'Events left out by archive.exclude.', excluded),
    counter('hydrant_intake_gaps_total', 'Times that the broker had lost the session.', gaps),
    gauge('hydrant_intake_waiting', 'Events taken from the broker and not on disk yet.', waiting),
    gauge('hydrant_intake_unreleased', 'QoS 2 events on disk that the broker has not released.', unreleased),
    ...storedSamples(journal, archive),
  ];
}
