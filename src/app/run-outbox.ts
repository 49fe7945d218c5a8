import { once } from 'node:events';
import type { Client } from '../client/client.ts';
import { openClient } from '../client/open-client.ts';
import type { ClientOptions } from '../client/options.ts';
import { keepHeapSmall } from '../core/start-up.ts';
import { createMetrics, type Sample } from '../http/metrics.ts';
import { createOutboxServer } from '../http/outbox-server.ts';
import { outboxBanner } from './banner.ts';
import { type OutboxDoor, openOutboxDoor } from './outbox-door.ts';
import { runService, type ServiceOptions } from './service.ts';

export interface RunOutboxOptions extends ServiceOptions {
  client: ClientOptions & { url: string };
  door: OutboxDoor;
  maxBodyBytes: number;
}

/** For requests under way at the end. */
const GOODBYE_MS = 1000;

/**
 * Keeps an outbox for local programs, see `runService`. At the end it sends what it can until the deadline, if it is connected; the rest stays.
 * @throws what `loadConfig`, `openClient` and `openOutboxDoor` throw
 */
export function runOutbox(options: RunOutboxOptions): Promise<number> {
  const { door, maxBodyBytes, version } = options;
  const { outbox, url } = options.client;
  return runService(options, {
    async start(_loaded, log) {
      keepHeapSmall();
      const client = await openClient({ ...options.client, log });
      const server = createOutboxServer({
        async store({ source: _, ...event }) {
          const { id, stored } = client.publish(event);
          await stored;
          return id;
        },
        status: () => ({ client: client.clientId, version, outbox, url, ...client.metrics() }),
        metrics: createMetrics(() => samples(client)),
        loopbackOnly: 'port' in door,
        maxBodyBytes,
        log,
      });
      const { address, release } = await openOutboxDoor(server, door).catch(async (error: unknown) => {
        await client.close({ deadlineMs: 0 });
        throw error;
      });
      return {
        ready: Promise.resolve(),
        failed: new Promise(() => {}),
        status: `${address} for ${url}`,
        sayReady: () => ({
          banner: outboxBanner({ version, outbox, url, address }),
          facts: { outbox, listen: address, url, clientId: client.clientId },
        }),
        liveKeys: () => [],
        apply: () => ({}),
        announce: async () => {},
        async close({ deadlineMs }) {
          const closed = once(server, 'close');
          const cut = setTimeout(() => server.closeAllConnections(), Math.min(GOODBYE_MS, deadlineMs));
          server.close();
          await closed;
          clearTimeout(cut);
          release();
          const { remaining } = await client.close({ deadlineMs: client.connected ? deadlineMs : 0 });
          if (remaining > 0) log('info', 'events stay in the outbox', { outbox, remaining });
        },
      };
    },
  });
}

function samples(client: Client): Sample[] {
  const { depth, bytes, oldestAgeMs, quarantined, inFlight, stored, acked, refused, dropped, connects, connected } = client.metrics();
  const sample =
    (type: Sample['type']) =>
    (name: string, help: string, value: Sample['value']): Sample => ({ name: `hydrant_outbox_${name}`, help, type, value });
  const [gauge, counter] = [sample('gauge'), sample('counter')];
  return [
    gauge('events', 'Events that wait.', depth),
    gauge('bytes', 'Their bytes.', bytes),
    gauge('oldest_age_seconds', 'Age of the oldest of them.', oldestAgeMs / 1000),
    gauge('quarantined', 'Events that are set aside.', quarantined),
    gauge('in_flight', 'Events sent and not acknowledged.', inFlight),
    gauge('connected', '1 while this process is connected to the broker.', connected ? 1 : 0),
    counter('stored_total', 'Events stored by this process.', stored),
    counter('acked_total', 'Events that the broker has acknowledged to this process.', acked),
    counter('refused_total', 'Events that were not stored.', refused),
    counter('dropped_total', 'Events that left without an acknowledgement.', { label: 'reason', values: dropped }),
    counter('connects_total', 'Connections made.', connects),
  ];
}
