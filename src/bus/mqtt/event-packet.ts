import type { JournalRecord } from '../../journal/record.ts';
import { eventProps, publishProperties } from '../../mqtt/event-properties.ts';
import type { PublishPacket, UserProperties } from '../../mqtt/packet.ts';
import type { Event, EventProps, StoredEvent } from '../../wire/event.ts';

/** User properties that carry what a PUBLISH has no field for; they are not shown as the event's own. */
const ID = 'hydrant-id';
const SOURCE = 'hydrant-source';
const TIME = 'hydrant-time';

/** An event as a PUBLISH, without packet identifier; on MQTT 3.1.1 properties stay behind. */
export function toPublish(event: Event): PublishPacket {
  const { topic, payload, qos, retain, id, source, props, contentType } = event;
  const properties = props || contentType !== undefined ? publishProperties(event) : undefined;
  const userProperties: UserProperties = id === undefined ? [] : [[ID, id]];
  if (source !== undefined) userProperties.push([SOURCE, source]);
  if (props?.time !== undefined) userProperties.push([TIME, props.time]);
  if (props?.user) userProperties.push(...props.user);
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
    if (name === ID && event.id === undefined) event.id = value;
    else if (name === SOURCE && event.source === undefined) event.source = value;
    else if (name === TIME && props.time === undefined) props.time = value;
    else rest.push(pair);
  }
  if (rest.length > 0) props.user = rest;
  else delete props.user;
  if (Object.keys(props).length === 0) delete event.props;
}
