import type { QoS } from '../wire/event.ts';
import { encodePacket } from './encode.ts';
import type { PublishPacket, UserProperties, Version } from './packet.ts';

export interface PublishFields {
  version: Version;
  topic: string;
  payload: Uint8Array;
  qos: QoS;
  retain?: boolean;
  dup?: boolean;
  /** MQTT 5 only; left out on 3.x. */
  properties?: PublishPacket['properties'];
  /** MQTT 5 only, in this order; left out on 3.x. */
  userProperties?: UserProperties;
}

/**
 * A PUBLISH encoded once for all who get it.
 * @returns `idOffset`: where the two bytes of the packet identifier stand, -1 at QoS 0
 * @throws HYD_USAGE when a value does not fit its field
 */
export function encodePublish(fields: PublishFields): { bytes: Buffer; idOffset: number } {
  const { version, topic, payload, qos, retain = false, dup = false, properties, userProperties } = fields;
  const packet: PublishPacket = { cmd: 'publish', topic, payload: payload as Buffer, qos, retain, dup, messageId: 0 };
  if (version === 5) Object.assign(packet, { properties, userProperties });
  const bytes = encodePacket(packet, version);
  if (qos === 0) return { bytes, idOffset: -1 };
  let at = 1;
  while (bytes[at++]! >= 0x80);
  return { bytes, idOffset: at + 2 + bytes.readUInt16BE(at) };
}
