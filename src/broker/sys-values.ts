import { type Statistics, total } from './statistics.ts';

/** What `$SYS` is made of. */
export interface SysReading {
  statistics: Statistics;
  version: string;
  uptimeMs: number;
  /** Events and bytes in the journal, and its highest sequence. */
  journal: { events: number; bytes: number; head: number };
  /** Bytes of the engine's heap and of buffers beside it. */
  heap: { bytes: number; maxBytes: number };
}

/** Counters under `$SYS/broker/load/`, by their name there. */
export function loadCounters(stats: Statistics): Record<string, number> {
  return {
    'messages/received': stats.packetsIn,
    'messages/sent': stats.packetsOut,
    'publish/dropped': total(stats.dropped),
    'publish/received': stats.messagesIn,
    'publish/sent': stats.messagesOut,
    'bytes/received': stats.bytesIn,
    'bytes/sent': stats.bytesOut,
    sockets: stats.connectionsTotal,
    connections: stats.connectsTotal,
  };
}

/**
 * Topics below `$SYS/` with their values. Those below `broker/` have the names and meanings that mosquitto(8) lists; exporters make metric
 * names of the topics, so every other one is made of letters, digits and underscores too.
 */
export function* sysValues(
  reading: SysReading,
  loads: Iterable<[name: string, average: number]>,
): Generator<[topic: string, value: string]> {
  yield ['broker/version', `hydrant version ${reading.version}`];
  yield ['broker/uptime', `${Math.floor(reading.uptimeMs / 1000)} seconds`];
  for (const [topic, value] of Object.entries(brokerValues(reading))) yield [`broker/${topic}`, String(value)];
  for (const [name, average] of loads) yield [`broker/load/${name}`, average.toFixed(2)];
  for (const [topic, value] of Object.entries(ownValues(reading))) yield [`hydrant/${topic}`, String(value)];
}

function brokerValues({ statistics: stats, journal, heap }: SysReading): Record<string, number> {
  const { connected, disconnected } = stats;
  return {
    'clients/total': connected + disconnected,
    'clients/connected': connected,
    'clients/active': connected,
    'clients/disconnected': disconnected,
    'clients/inactive': disconnected,
    'clients/maximum': stats.connectedMax,
    'clients/expired': stats.sessionsExpired,
    'messages/received': stats.packetsIn,
    'messages/sent': stats.packetsOut,
    'messages/stored': journal.events,
    'store/messages/count': journal.events,
    'store/messages/bytes': journal.bytes,
    'bytes/received': stats.bytesIn,
    'bytes/sent': stats.bytesOut,
    'publish/messages/received': stats.messagesIn,
    'publish/messages/sent': stats.messagesOut,
    'publish/messages/dropped': total(stats.dropped),
    'publish/bytes/received': stats.payloadBytesIn,
    'publish/bytes/sent': stats.payloadBytesOut,
    'retained messages/count': stats.retained,
    'subscriptions/count': stats.subscriptions,
    'shared_subscriptions/count': stats.sharedSubscriptions,
    'heap/current': heap.bytes,
    'heap/maximum': heap.maxBytes,
  };
}

function ownValues({ statistics: stats, journal }: SysReading): Record<string, number> {
  return {
    ...byReason('refused', stats.refused),
    ...byReason('dropped', stats.dropped),
    ...byReason('faults', stats.faults),
    'connections/open': stats.connections,
    'journal/head': journal.head,
    'events/own': stats.ownEvents,
    'events/unjournalled': stats.unjournalled,
    'events/gaps': stats.gapEvents,
  };
}

function byReason(name: string, table: Record<string, number>): Record<string, number> {
  const values = { [`${name}/total`]: total(table) };
  for (const [reason, times] of Object.entries(table)) values[`${name}/reasons/${reason.replace(/\W/g, '_')}`] = times;
  return values;
}
