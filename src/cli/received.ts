import type { Message } from '../mqtt/incoming.ts';
import type { EventProps, StoredEvent } from '../wire/event.ts';

/** A received message as an event; its time is that of its arrival here. */
export function receivedEvent(message: Message, nowMs: number): StoredEvent {
  const { topic, payload, qos, retain, properties: given } = message;
  const event: StoredEvent = { topic, payload, qos, retain, seq: 0, ts: new Date(nowMs).toISOString() };
  if (message.dup) event.dup = true;
  if (given?.contentType !== undefined) event.contentType = given.contentType;
  const props: EventProps = {};
  if (given?.payloadFormatIndicator !== undefined) props.format = given.payloadFormatIndicator ? 1 : 0;
  if (given?.messageExpiryInterval !== undefined) props.expiry = given.messageExpiryInterval;
  if (given?.responseTopic !== undefined) props.reply = given.responseTopic;
  if (given?.correlationData !== undefined) props.correlation = given.correlationData.toString('base64');
  if (message.userProperties !== undefined) props.user = message.userProperties;
  if (Object.keys(props).length > 0) event.props = props;
  return event;
}
