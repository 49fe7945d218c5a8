import type { ISubscription } from 'mqtt-packet';
import { within } from '../../src/testing/deadline.ts';
import { PATIENCE_MS } from '../../src/testing/packet-inbox.ts';
import type { RawClient } from '../../src/testing/raw-client.ts';

/** Length-prefixed bytes, as strings and binary data stand in a packet. */
export function field(value: string | number[]): number[] {
  const bytes = Buffer.from(value as string);
  return [bytes.length >> 8, bytes.length & 255, ...bytes];
}

/** A variable byte integer. */
export function varint(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...varint(value >> 7)];
}

/** A whole packet: its first byte, the remaining length, and what follows. */
export function packet(first: number, ...parts: number[][]): number[] {
  const body = parts.flat();
  return [first, ...varint(body.length), ...body];
}

/** Properties with their length before them. */
export function properties(...parts: number[][]): number[] {
  const body = parts.flat();
  return [...varint(body.length), ...body];
}

/** A CONNECT of MQTT 5: flags, keep-alive 0, and the fields of its payload. */
export function connect5(flags: number, fields: number[][], props: number[] = [0]): number[] {
  return packet(0x10, field('MQTT'), [5, flags, 0, 0], props, ...fields);
}

/** Every packet that the server sends from now on, as its bytes. */
export function recordFrames(client: RawClient): Buffer[] {
  const frames: Buffer[] = [];
  const pass = client.stream.onData;
  let rest: Buffer = Buffer.alloc(0);
  client.stream.onData = (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = frameEnd(rest); end <= rest.length; end = frameEnd(rest)) {
      frames.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    pass(chunk);
  };
  return frames;
}

/** Where the first packet ends; beyond the end when it is not all there. */
function frameEnd(bytes: Buffer): number {
  let length = 0;
  for (let i = 1; i < bytes.length; i++) {
    length += (bytes[i]! & 127) * 128 ** (i - 1);
    if (bytes[i]! < 128) return i + 1 + length;
  }
  return Number.POSITIVE_INFINITY;
}

/** SUBSCRIBE to one filter with these options; resolves with its code. */
export async function subscribe(client: RawClient, topic: string, options: Partial<ISubscription> = {}, id?: number): Promise<number> {
  const messageId = client.nextId();
  const subscriptions = [{ topic, qos: 2, nl: false, rap: false, rh: 0, ...options } as ISubscription];
  client.send({ cmd: 'subscribe', messageId, subscriptions, ...(id === undefined ? {} : { properties: { subscriptionIdentifier: id } }) });
  const { granted } = await client.take('suback', { messageId });
  return granted[0] as number;
}

/** Resolves when the server has closed, whatever it sent before. */
export function closed(client: RawClient): Promise<void> {
  return within(client.ended, PATIENCE_MS, () => `the close of ${client.clientId}; received: ${JSON.stringify(client.history)}`);
}
