import type {
  IAuthPacket,
  IConnackPacket,
  IConnectPacket,
  IDisconnectPacket,
  IPingreqPacket,
  IPingrespPacket,
  IPubackPacket,
  IPubcompPacket,
  IPublishPacket,
  IPubrecPacket,
  IPubrelPacket,
  ISubackPacket,
  ISubscribePacket,
  IUnsubackPacket,
  IUnsubscribePacket,
} from 'mqtt-packet';

/** 3 is MQTT 3.1, 4 is MQTT 3.1.1, 5 is MQTT 5. */
export type Version = 3 | 4 | 5;

/** User properties in the order sent, repeated names included, MQTT 5 §3.3.2.3.7. */
export type UserProperties = [name: string, value: string][];

/**
 * A packet of mqtt-packet. `userProperties` stands beside `properties`, as pairs: received packets have it when the peer sent any
 * (`properties.userProperties` is never set), sent packets may.
 */
type WithUserProperties<T> = T & { userProperties?: UserProperties };

export type Will = WithUserProperties<NonNullable<IConnectPacket['will']>>;
export type ConnectPacket = WithUserProperties<Omit<IConnectPacket, 'will'> & { will?: Will; bridgeMode?: boolean }>;
export type ConnackPacket = WithUserProperties<IConnackPacket>;
/** `wire`: the bytes of a PUBLISH that a server received and that can go to other receivers of the same protocol family as they are, but for the packet id. */
export type PublishPacket = WithUserProperties<IPublishPacket> & { wire?: { bytes: Buffer; idOffset: number } };
export type SubscribePacket = WithUserProperties<ISubscribePacket>;
export type SubackPacket = WithUserProperties<Omit<ISubackPacket, 'granted'> & { granted: number[] }>;
export type UnsubscribePacket = WithUserProperties<IUnsubscribePacket>;
export type UnsubackPacket = WithUserProperties<Omit<IUnsubackPacket, 'granted'> & { granted?: number[] }>;
export type AckPacket = WithUserProperties<IPubackPacket | IPubrecPacket | IPubrelPacket | IPubcompPacket>;
export type DisconnectPacket = WithUserProperties<IDisconnectPacket>;
export type AuthPacket = WithUserProperties<IAuthPacket>;

export type Packet =
  | ConnectPacket
  | ConnackPacket
  | PublishPacket
  | SubscribePacket
  | SubackPacket
  | UnsubscribePacket
  | UnsubackPacket
  | AckPacket
  | DisconnectPacket
  | AuthPacket
  | IPingreqPacket
  | IPingrespPacket;

/** Packet types as in the high four bits of the first byte, MQTT 3.1.1 §2.2.1. */
export const TYPE = {
  connect: 1,
  connack: 2,
  publish: 3,
  puback: 4,
  pubrec: 5,
  pubrel: 6,
  pubcomp: 7,
  subscribe: 8,
  suback: 9,
  unsubscribe: 10,
  unsuback: 11,
  pingreq: 12,
  pingresp: 13,
  disconnect: 14,
  auth: 15,
} as const;
