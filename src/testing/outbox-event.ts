import type { OutboxEvent, OutboxRecord } from '../client/outbox/outbox.ts';
import { createUlid } from '../core/id.ts';

/** An event for an outbox whose payload is a text, and `what` beside. */
export function outboxEvent(text: string, what: Partial<OutboxEvent> = {}): OutboxEvent {
  return { id: createUlid(), channel: 'events', topic: 't', payload: Buffer.from(text), qos: 1, retain: false, ...what };
}

export function payloadTexts(records: readonly OutboxRecord[]): string[] {
  return records.map(({ payload }) => Buffer.from(payload).toString());
}
