import { generate, type Packet as PlainPacket, writeToStream } from 'mqtt-packet';
import { errorText, HydrantError } from '../core/errors.ts';
import type { ConnectPacket, Packet, UserProperties, Version } from './packet.ts';
import { PublishHead } from './publish-head.ts';

/** mqtt-packet would otherwise keep 65 536 two-byte buffers, 8 MB. */
writeToStream.cacheNumbers = false;

const OPTIONS = { 3: { protocolVersion: 3 }, 4: { protocolVersion: 4 }, 5: { protocolVersion: 5 } } as const;

const head = new PublishHead();
const KEPT_LENGTHS = 16_384;
const LENGTHS_PER_TURN = 256;
/** So many packets that are no CONNACK: a client's, whose lengths are few. */
const FEW = 20;
let keptLengths = 0;
let written = 0;

export type AckCommand = 'puback' | 'pubrec' | 'pubrel' | 'pubcomp';

/** Four bytes each: success, no properties, packet identifier 0 in the last two. The same in every version. */
export const ACK_TEMPLATES: Record<AckCommand, Buffer> = {
  puback: generate({ cmd: 'puback', messageId: 0 }),
  pubrec: generate({ cmd: 'pubrec', messageId: 0 }),
  pubrel: generate({ cmd: 'pubrel', messageId: 0 }),
  pubcomp: generate({ cmd: 'pubcomp', messageId: 0 }),
};

/** What mqtt-packet writes to: keeps the pieces, payloads as they are. */
class Pieces {
  list: (string | Uint8Array)[] = [];
  failure: Error | undefined;

  write(piece: string | Uint8Array): boolean {
    this.list.push(piece);
    return true;
  }

  destroy(error: Error): void {
    this.failure = error;
  }
}

/**
 * The bytes of a packet in pieces, payloads uncopied.
 * @throws HYD_USAGE when a value does not fit its field
 */
export function encodePieces(packet: Packet, version: Version): (string | Uint8Array)[] {
  if (keptLengths === 0 && (packet.cmd === 'connack' || (packet.cmd !== 'pingreq' && ++written > FEW))) keepLengths();
  const pieces = new Pieces();
  try {
    const done = writeToStream(toPlain(packet), pieces as unknown as NodeJS.WritableStream, OPTIONS[version]);
    if (!done || pieces.failure) throw pieces.failure ?? new Error('a property has no value');
  } catch (cause) {
    throw new HydrantError('HYD_USAGE', `cannot encode ${packet.cmd}: ${errorText(cause)}`, { cause });
  }
  return pieces.list;
}

/** The bytes of a packet. @throws HYD_USAGE when a value does not fit its field */
export function encodePacket(packet: Packet, version: Version): Buffer {
  if (packet.cmd === 'publish' && head.measure(packet, version)) {
    const { bytes } = head;
    const encoded = Buffer.allocUnsafe(bytes + packet.payload.length);
    head.write(packet, encoded, 0);
    encoded.set(packet.payload as Buffer, bytes);
    return encoded;
  }
  return Buffer.concat(encodePieces(packet, version).map((piece) => (typeof piece === 'string' ? Buffer.from(piece) : piece)));
}

/**
 * mqtt-packet keeps the bytes of each length that it ever wrote, and with them the 64 KiB of the buffer pool in which they happen to lie: a
 * gigabyte for all of them in the end. Written one after the other, once, they share a few; that takes 2 MB, which a client need not have.
 */
function keepLengths(): void {
  const subscriptionIdentifier = Array.from({ length: LENGTHS_PER_TURN }, () => ++keptLengths) as unknown as number;
  const packet = {
    cmd: 'publish',
    topic: 'a',
    payload: '',
    qos: 0,
    retain: false,
    dup: false,
    properties: { subscriptionIdentifier },
  } as const;
  writeToStream(packet, new Pieces() as unknown as NodeJS.WritableStream, OPTIONS[5]);
  if (keptLengths < KEPT_LENGTHS) setImmediate(keepLengths).unref();
}

/** mqtt-packet merges user properties by name, but writes an array of one-pair objects in order. */
function toPlain(packet: Packet): PlainPacket {
  let plain = packet as { properties?: object; will?: ConnectPacket['will']; payload?: unknown };
  if ('userProperties' in packet && packet.userProperties?.length)
    plain = { ...plain, properties: withPairs(plain.properties, packet.userProperties) };
  if (plain.will?.userProperties?.length) {
    const will = plain.will;
    plain = { ...plain, will: { ...will, properties: withPairs(will.properties, will.userProperties as UserProperties) } };
  }
  if (plain.payload instanceof Uint8Array && !Buffer.isBuffer(plain.payload)) {
    plain = { ...plain, payload: Buffer.from(plain.payload.buffer, plain.payload.byteOffset, plain.payload.byteLength) };
  }
  return plain as PlainPacket;
}

function withPairs(properties: object | undefined, pairs: UserProperties): object {
  return { ...properties, userProperties: pairs.map((pair) => Object.fromEntries([pair])) };
}
