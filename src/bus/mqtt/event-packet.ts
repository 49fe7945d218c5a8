import type { JournalRecord } from '../../journal/record.ts';
import { CARRIED, carriedProperties, eventProps, publishProperties } from '../../mqtt/event-properties.ts';
import type { PublishPacket, UserProperties } from '../../mqtt/packet.ts';
import type { Event, EventProps, StoredEvent } from '../../wire/event.ts';

/** An event as a PUBLISH, without packet identifier; on MQTT 3.1.1 properties stay behind. */
export function toPublish(event: Event): PublishPacket {
  const { topic, payload, qos, retain, props, contentType } = event;
  const properties = props || contentType !== undefined ? publishProperties(event) : undefined;
  const userProperties = carriedProperties(event) ?? [];
  return { cmd: 'publish', topic, payload: payload as Buffer, qos, retain, dup: false, messageId: undefined, properties, userProperties };
}

/** A PUBLISH as an event that no journal has yet, in the shape of a record: one takes it as it is. */
export function toEvent(packet: PublishPacket, ts: string, arrivalMs: number): JournalRecord {
  const { topic, qos, retain, dup, properties, userProperties } = packet;
  const event: JournalRecord = { topic, payload: packet.payload as Buffer, qos, retain, seq: 0, ts, arrivalMs };
  if (dup) event.dup = true;
  if (!properties && !userProperties) return event;
  Object.assign(event, eventProps(properties, userProperties));
  if (event.props?.user?.some(([name]) => name.startsWith('hydrant-'))) takeOwn(event, event.props, event.props.user);
  return event;
}

function takeOwn(event: StoredEvent, props: EventProps, user: UserProperties): void {
  const rest: UserProperties = [];
  for (const pair of user) {
    const [name, value] = pair;
    if (name === CARRIED.id && event.id === undefined) event.id = value;
    else if (name === CARRIED.source && event.source === undefined) event.source = value;
    else if (name === CARRIED.time && props.time === undefined) props.time = value;
    else rest.push(pair);
  }
  if (rest.length > 0) props.user = rest;
  else delete props.user;
  if (Object.keys(props).length === 0) delete event.props;
}
