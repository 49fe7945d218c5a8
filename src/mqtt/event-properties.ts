import type { Event, EventProps } from '../wire/event.ts';
import type { PublishPacket, UserProperties } from './packet.ts';

/** User properties that carry what a PUBLISH has no field for. */
export const CARRIED = { id: 'hydrant-id', source: 'hydrant-source', time: 'hydrant-time' } as const;

/** The user properties of an event, behind those that carry the rest of it. */
export function carriedProperties({ id, source, props }: Pick<Event, 'id' | 'source' | 'props'>): UserProperties | undefined {
  const time = props?.time;
  if (id === undefined && source === undefined && time === undefined) return props?.user;
  const carried: UserProperties = id === undefined ? [] : [[CARRIED.id, id]];
  if (source !== undefined) carried.push([CARRIED.source, source]);
  if (time !== undefined) carried.push([CARRIED.time, time]);
  return props?.user ? [...carried, ...props.user] : carried;
}

/** What a PUBLISH of MQTT 5 says of an event beside topic, payload and user properties. */
export function publishProperties(
  event: Event,
  expirySeconds?: number,
  subscriptionIds?: number[],
): NonNullable<PublishPacket['properties']> {
  const { props, contentType } = event;
  const properties: NonNullable<PublishPacket['properties']> = {};
  if (props?.format !== undefined) properties.payloadFormatIndicator = props.format === 1;
  const expiry = expirySeconds ?? props?.expiry;
  if (expiry !== undefined) properties.messageExpiryInterval = expiry;
  if (props?.reply !== undefined) properties.responseTopic = props.reply;
  if (props?.correlation !== undefined) properties.correlationData = Buffer.from(props.correlation, 'base64');
  if (contentType !== undefined) properties.contentType = contentType;
  if (subscriptionIds && subscriptionIds.length > 0) properties.subscriptionIdentifier = subscriptionIds as unknown as number;
  return properties;
}

/** What a PUBLISH packet (or a will) says beside topic and payload, as an event carries it. */
export function eventProps(
  properties: PublishPacket['properties'] | undefined,
  userProperties: UserProperties | undefined,
): { contentType?: string; props?: EventProps } {
  if (!properties && !userProperties) return {};
  const props: EventProps = {};
  if (properties?.payloadFormatIndicator !== undefined) props.format = properties.payloadFormatIndicator ? 1 : 0;
  if (properties?.messageExpiryInterval !== undefined) props.expiry = properties.messageExpiryInterval;
  if (properties?.responseTopic !== undefined) props.reply = properties.responseTopic;
  if (properties?.correlationData !== undefined) props.correlation = Buffer.from(properties.correlationData).toString('base64');
  if (userProperties && userProperties.length > 0) props.user = userProperties;
  const found = Object.keys(props).length > 0 ? { props } : {};
  return properties?.contentType === undefined ? found : { ...found, contentType: properties.contentType };
}
