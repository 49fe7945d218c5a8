import { eventProps } from '../mqtt/event-properties.ts';
import type { Message } from '../mqtt/incoming.ts';
import type { StoredEvent } from '../wire/event.ts';

/** A received message as an event; its time is that of its arrival here. */
export function receivedEvent(message: Message, nowMs: number): StoredEvent {
  const { topic, payload, qos, retain, properties, userProperties } = message;
  const event: StoredEvent = { topic, payload, qos, retain, seq: 0, ts: new Date(nowMs).toISOString() };
  if (message.dup) event.dup = true;
  return Object.assign(event, eventProps(properties, userProperties));
}
