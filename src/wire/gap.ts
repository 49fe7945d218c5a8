import type { Event } from './event.ts';

/** A stretch of time of which an archive may lack events, as its journal says it: the payload, JSON, of an event on `$hydrant/gap`. */
export interface GapRecord {
  /** `session-lost`: the broker had forgotten the archiver when it came back. */
  reason: string;
  /** URL of the broker, without account. */
  broker: string;
  /** RFC 3339: the last sign of the broker before … */
  from: string;
  /** … and the moment from which nothing is missing any more. */
  until: string;
}

export const GAP_TOPIC = '$hydrant/gap';

/** @param source whose intake it was: the client id */
export function gapEvent(gap: GapRecord, source: string): Event {
  const payload = Buffer.from(JSON.stringify(gap));
  return { topic: GAP_TOPIC, payload, qos: 0, retain: false, contentType: 'application/json', source };
}

/** What a gap event says; undefined when it is none. */
export function decodeGap({ topic, payload }: Pick<Event, 'topic' | 'payload'>): GapRecord | undefined {
  if (topic !== GAP_TOPIC) return undefined;
  try {
    const { reason, broker, from, until } = JSON.parse(Buffer.from(payload).toString()) as Partial<Record<keyof GapRecord, unknown>>;
    const isGap = [reason, broker, from, until].every((value) => typeof value === 'string');
    return isGap ? ({ reason, broker, from, until } as GapRecord) : undefined;
  } catch {
    return undefined;
  }
}
