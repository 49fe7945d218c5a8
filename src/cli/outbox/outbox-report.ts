import type { ChannelState, Outbox, Quarantined } from '../../client/outbox/outbox.ts';
import { formatDuration, formatSize } from '../../core/units.ts';
import { readable } from '../event-output.ts';
import type { RowColumn } from '../rows.ts';
import { listQuarantined } from './quarantine.ts';

/** A channel as `hydrant outbox ls` prints it. */
export interface ChannelRow {
  channel: string;
  events: number;
  bytes: number;
  /** When the oldest was stored, RFC 3339, and how long ago that is. */
  oldest: string | undefined;
  oldestAgeMs: number | undefined;
  quarantined: number;
  /** The first of them. */
  inQuarantine: QuarantinedRow[];
}

interface QuarantinedRow {
  id: string;
  topic: string;
  bytes: number;
  stored: string;
  quarantined: string;
  attempts: number;
  reason: string;
}

/** The channels by name, each with the first of what it has in quarantine. */
export async function describeChannels(outbox: Outbox, options: { channel?: string[]; limit: number }): Promise<ChannelRow[]> {
  const nowMs = Date.now();
  const rows = new Map<string, ChannelRow>();
  for (const [name, state] of [...outbox.channels].sort(([a], [b]) => (a < b ? -1 : 1)))
    if (!options.channel || options.channel.includes(name)) rows.set(name, channelRow(name, state, nowMs));
  let left = [...rows.values()].some(({ quarantined }) => quarantined > 0) ? options.limit : 0;
  if (left === 0) return [...rows.values()];
  for await (const event of listQuarantined(outbox, options.channel)) {
    rows.get(event.channel)?.inQuarantine.push(quarantinedRow(event));
    if (--left === 0) break;
  }
  return [...rows.values()];
}

/** All of one event, the payload as JSON or text where it is one, else in base64. */
export function describeQuarantined({
  payload,
  storedMs,
  quarantinedMs,
  expiresMs,
  seq: _,
  ...rest
}: Quarantined): Record<string, unknown> {
  return readable({
    ...rest,
    stored: timeOf(storedMs),
    quarantined: timeOf(quarantinedMs),
    ...(expiresMs === undefined ? {} : { expires: timeOf(expiresMs) }),
    payload,
  });
}

export const CHANNEL_COLUMNS: RowColumn<ChannelRow>[] = [
  { title: 'CHANNEL', text: ({ channel }) => channel },
  { title: 'EVENTS', right: true, text: ({ events }) => String(events) },
  { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
  {
    title: 'OLDEST',
    right: true,
    text: ({ oldestAgeMs }) =>
      oldestAgeMs === undefined ? '-' : `${formatDuration(Math.max(1000, Math.floor(oldestAgeMs / 1000) * 1000))}`,
  },
  { title: 'QUARANTINED', right: true, text: ({ quarantined }) => String(quarantined) },
];

export function quarantineColumns(time: (ms: number) => string): RowColumn<QuarantinedRow>[] {
  return [
    { title: 'ID', text: ({ id }) => id },
    { title: 'SINCE', text: ({ quarantined }) => time(Date.parse(quarantined)) },
    { title: 'TOPIC', text: ({ topic }) => topic },
    { title: 'SIZE', right: true, text: ({ bytes }) => formatSize(bytes) },
    { title: 'REASON', text: ({ reason }) => reason },
  ];
}

function channelRow(channel: string, { events, bytes, oldestMs, quarantined }: ChannelState, nowMs: number): ChannelRow {
  return {
    channel,
    events,
    bytes,
    oldest: oldestMs === undefined ? undefined : timeOf(oldestMs),
    oldestAgeMs: oldestMs === undefined ? undefined : Math.max(0, nowMs - oldestMs),
    quarantined,
    inQuarantine: [],
  };
}

function quarantinedRow({ id, topic, payload, storedMs, quarantinedMs, attempts, reason }: Quarantined): QuarantinedRow {
  return { id, topic, bytes: payload.length, stored: timeOf(storedMs), quarantined: timeOf(quarantinedMs), attempts, reason };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
