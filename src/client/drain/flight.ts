import type { Event } from '../../wire/event.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';
import type { Ready } from './gathering.ts';
import type { Lane } from './lane.ts';

/** One publish that is out. */
export interface Flight {
  readonly lane: Lane;
  /** The event, or the first of those gathered in it. */
  readonly record: OutboxRecord;
  readonly ready: Ready | undefined;
  readonly bytes: number;
  readonly sentMs: number;
  /** The server hung up on it too often. */
  isPoison: boolean;
}

/** What an event says when it is sent: MQTT 5 servers are told how much of its time is left, in whole seconds, at least one (§3.3.2.3.3). */
export function eventOf({ record, ready, sentMs }: Flight): Event {
  if (ready) return ready.event;
  if (record.expiresMs === undefined) return record;
  return { ...record, props: { ...record.props, expiry: Math.max(1, Math.ceil((record.expiresMs - sentMs) / 1000)) } };
}

/** All that leave the outbox with its acknowledgement. */
export function recordsOf({ record, ready }: Flight): readonly OutboxRecord[] {
  return ready?.records ?? [record];
}
