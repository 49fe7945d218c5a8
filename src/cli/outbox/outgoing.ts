import type { OutboxEvent } from '../../client/outbox/outbox.ts';
import { HydrantError } from '../../core/errors.ts';
import { createUlid } from '../../core/id.ts';
import { eventProps } from '../../mqtt/event-properties.ts';
import type { QoS } from '../../wire/event.ts';
import { parseProperties } from '../properties.ts';

/** What the options of `pub --outbox` say of each of its events. */
export interface OutgoingOptions {
  channel: string;
  qos?: QoS;
  retain?: boolean;
  /** Milliseconds. */
  ttl?: number;
  /** Of the event: there is one only. */
  eventId?: string;
  property?: string[];
  stdinLine?: boolean;
  repeat?: number;
}

/** What an outbox keeps, and what a header of HTTP or a property of MQTT carries. */
const ID = /^[\x21-\x7e]{1,85}$/;

/**
 * The events of an outbox that payloads become.
 * @throws HYD_USAGE
 */
export function outgoingEvents(topic: string, payloads: AsyncIterable<Buffer>, options: OutgoingOptions): AsyncIterable<OutboxEvent> {
  const { channel, qos = 1, retain = false, eventId, property } = options;
  assertOptions(options);
  const { properties, userProperties } = parseProperties(property).publish;
  const { contentType, props } = eventProps(properties, userProperties);
  const { expiry, ...rest } = props ?? {};
  const ttlMs = options.ttl ?? (expiry === undefined ? undefined : expiry * 1000);
  return (async function* () {
    for await (const payload of payloads) {
      const event: OutboxEvent = { id: eventId ?? createUlid(), channel, topic, payload, qos, retain };
      if (contentType !== undefined) event.contentType = contentType;
      if (Object.keys(rest).length > 0) event.props = rest;
      if (ttlMs !== undefined) event.expiresMs = Date.now() + ttlMs;
      yield event;
    }
  })();
}

function assertOptions({ channel, eventId, stdinLine, repeat = 1 }: OutgoingOptions): void {
  if (channel === 'state' || channel === '')
    throw new HydrantError('HYD_USAGE', `--channel ${JSON.stringify(channel)} is not for events`, {
      fix: 'Leave --channel out, or give another name.',
    });
  if (eventId === undefined) return;
  if (stdinLine || repeat > 1)
    throw new HydrantError('HYD_USAGE', '--event-id is the id of one event', { fix: 'Leave it out: each event gets one of its own.' });
  if (!ID.test(eventId))
    throw new HydrantError('HYD_USAGE', `--event-id ${JSON.stringify(eventId)} is not 1 to 85 printable ASCII characters`);
}
