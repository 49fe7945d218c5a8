import type { Dialect } from './decode.ts';
import { PacketFault } from './fault.ts';
import { TYPE } from './packet.ts';

const TO_SERVER = [
  TYPE.connect,
  TYPE.publish,
  TYPE.puback,
  TYPE.pubrec,
  TYPE.pubrel,
  TYPE.pubcomp,
  TYPE.subscribe,
  TYPE.unsubscribe,
  TYPE.pingreq,
  TYPE.disconnect,
  TYPE.auth,
];
const TO_CLIENT = [
  TYPE.connack,
  TYPE.publish,
  TYPE.puback,
  TYPE.pubrec,
  TYPE.pubrel,
  TYPE.pubcomp,
  TYPE.suback,
  TYPE.unsuback,
  TYPE.pingresp,
  TYPE.disconnect,
  TYPE.auth,
];
const DUP = 0x08;
const FLAGS_OF_TWO: number[] = [TYPE.pubrel, TYPE.subscribe, TYPE.unsubscribe];

/** First bytes that need no further look once connected, per end; the rest is looked at in full. */
const PLAIN = { server: plainBytes(TO_SERVER), client: plainBytes(TO_CLIENT) };

/**
 * Judges a packet by its first byte, before anything else of it is there. MQTT 3.1.1 §2.2.
 * @param connected a server has had its CONNECT
 * @throws PacketFault
 */
export function checkHeader(firstByte: number, { end, version }: Dialect, connected: boolean): void {
  if (connected && PLAIN[end][firstByte] === 1) return;
  const type = firstByte >> 4;
  if (!connected && type !== TYPE.connect) throw new PacketFault('connect-expected', `the first packet is of type ${type}, not CONNECT`);
  if (connected && type === TYPE.connect && end === 'server') throw new PacketFault('second-connect', 'a second CONNECT');
  if (!(end === 'server' ? TO_SERVER : TO_CLIENT).some((each) => each === type) || (version < 5 && isOfMqtt5(type, end))) {
    throw new PacketFault('unexpected-packet', `a packet of type ${type} at the ${end}`);
  }
  checkFlags(type, version === 3 ? withoutDup(firstByte) & 0x0f : firstByte & 0x0f);
}

/**
 * A first byte as MQTT 3.1.1 wants it: 3.1 §2.1 sets DUP on what is sent again, SUBSCRIBE, UNSUBSCRIBE and PUBREL too, and mqtt-hs on
 * whatever waits for an answer.
 */
export function withoutDup(firstByte: number): number {
  return firstByte >> 4 === TYPE.publish ? firstByte : firstByte & ~DUP;
}

function checkFlags(type: number, flags: number): void {
  const fits = type === TYPE.publish ? (flags & 0x06) !== 0x06 : flags === requiredFlags(type);
  if (!fits) throw new PacketFault('bad-flags', `flags ${flags} in a packet of type ${type}`);
  if (type === TYPE.publish && (flags & 0x0e) === 0x08) throw new PacketFault('dup-qos-0', 'DUP in a QoS 0 PUBLISH');
}

function isOfMqtt5(type: number, end: 'server' | 'client'): boolean {
  return type === TYPE.auth || (type === TYPE.disconnect && end === 'client');
}

function requiredFlags(type: number): number {
  return FLAGS_OF_TWO.includes(type) ? 2 : 0;
}

function plainBytes(types: readonly number[]): Uint8Array {
  const plain = new Uint8Array(256);
  for (const type of types) {
    if (type === TYPE.connect || type === TYPE.auth || type === TYPE.disconnect) continue;
    for (const flags of type === TYPE.publish ? [0, 1, 2, 3, 4, 5, 10, 11, 12, 13] : [requiredFlags(type)]) plain[(type << 4) | flags] = 1;
  }
  return plain;
}
