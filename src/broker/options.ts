import { z } from 'zod';
import { byteSize, duration } from '../core/option-types.ts';

const limit = (value: number, what: string) => z.int().min(0).default(value).describe(`${what} 0 = no limit.`);

/** What the broker promises to absent clients. A section of the configuration. */
export const sessionOptions = z.strictObject({
  maxExpiry: duration()
    .prefault('7d')
    .describe('How long the session of an absent client is kept at most; 3.1.1 sessions are kept this long.'),
  maxBacklogBytes: byteSize()
    .prefault('10GiB')
    .describe('Journal kept for absent clients at most; older events are read from the archive, or counted as a gap.'),
  maxBacklogAge: duration().prefault('7d').describe('Age of the journal kept for absent clients at most.'),
  willGrace: duration()
    .prefault('30s')
    .describe('After a crash of the server, how long a client has to come back before its will is published.'),
});

/** What one client may ask of the broker. A section of the configuration. */
export const limitOptions = z.strictObject({
  packetBytes: byteSize({ min: 1024, max: 268_435_455 }).prefault('16MiB').describe('Longest MQTT packet taken from a client.'),
  inFlight: z.int().min(1).max(65_535).default(1000).describe('QoS 1 and 2 messages sent to a client and not yet acknowledged, at most.'),
  receiveMaximum: z
    .int()
    .min(1)
    .max(65_535)
    .default(1000)
    .describe('QoS 1 and 2 messages that an MQTT 5 client may send without waiting for acknowledgements; more closes the connection.'),
  topicAliases: z.int().min(0).max(65_535).default(100).describe('Topic aliases that an MQTT 5 client may use on a connection; 0 = none.'),
  keepAlive: duration()
    .prefault(0)
    .describe('Longest keep-alive; MQTT 5 clients that ask for more, or for none, are told this one. 0 = as they ask.'),
  queuedBytes: byteSize({ min: 16 * 1024 })
    .prefault('1MiB')
    .describe(
      'Bytes that wait in memory for one slow connection; beyond it QoS 0 is dropped, QoS 1 and 2 are read from the journal later.',
    ),
  queuedMessages: z
    .int()
    .min(1)
    .default(1000)
    .describe('QoS 1 and 2 messages that wait in memory for one slow connection before they are read from the journal later.'),
  stalled: duration().prefault('30s').describe('A connection that takes no byte for this long while some wait is cut; 0 = never.'),
  connections: limit(50_000, 'Connections in all; what comes beyond is closed unread.'),
  connectionsPerAddress: limit(10_000, 'Connections of one address; of an IPv6 address, of its /64.'),
  connectRate: limit(1000, "New connections per second of one address; after a rest, ten seconds' worth at once."),
  sessions: limit(100_000, 'Sessions, those of absent clients included.'),
  subscriptions: limit(10_000, 'Subscriptions of one client.'),
  topicLevels: limit(200, 'Levels of a topic or filter.'),
  publishRate: limit(0, "Messages per second of one client, with one second's worth at once; what comes faster is read later."),
  retained: limit(
    100_000,
    'Topics with a retained message; MQTT 5 clients are refused one more, for others it is an event like any that is not retained.',
  ),
  connectTimeout: duration({ minMs: 100 })
    .prefault('10s')
    .describe('Time for the CONNECT packet to arrive; a TLS handshake before it has as long (changed at the next start).'),
});

/** Statistics on `$SYS`. A section of the configuration. */
export const sysOptions = z.strictObject({
  interval: duration().prefault('10s').describe('Statistics below $SYS/ are brought up to date this often; 0 = there are none.'),
});

/** What is told about clients. A section of the configuration. */
export const clientOptions = z.strictObject({
  events: z
    .boolean()
    .default(true)
    .describe('Tell of connects, disconnects, subscriptions and refusals as events on $hydrant/clients/ID/…; they are journalled.'),
});

/** Which events are journalled. Part of the configuration's `journal` section. */
interface JournalRules {
  /** QoS 0 events too. */
  qos0: boolean;
  /** Filters of topics that go straight out. */
  exclude: readonly string[];
}

export interface BrokerOptions {
  sessions: z.output<typeof sessionOptions>;
  limits: z.output<typeof limitOptions>;
  journal: JournalRules;
  sys: z.output<typeof sysOptions>;
  clients: z.output<typeof clientOptions>;
}
