import { Gather, type Gathered } from './gather.ts';

const FINAL_BINARY = 0x82;
const LARGEST_SHORT = 125;
const LENGTH_16 = 126;
const LENGTH_64 = 127;

/**
 * Makes each packet a binary message of its own, framed as a server sends it: unmasked (RFC 6455 §5.2). A message may hold several
 * packets or a part of one [MQTT-6.0.0-2], yet there are clients, paho's in C among them, that see only the first packet of each.
 * @param pieces whole packets, cut anywhere
 */
export function frameMessages(pieces: readonly Uint8Array[]): Gathered {
  const framed = new Gather();
  // Of the packet under way: the bytes of its fixed header so far, the length that they say, and what is still to come.
  const header: number[] = [];
  let length = 0;
  let left = 0;
  for (const piece of pieces) {
    let at = 0;
    while (at < piece.length) {
      if (left > 0) {
        const end = Math.min(piece.length, at + left);
        framed.append(piece.subarray(at, end));
        left -= end - at;
        at = end;
        continue;
      }
      const byte = piece[at++]!;
      if (header.length > 0) length += (byte & 0x7f) * 128 ** (header.length - 1);
      header.push(byte);
      if (header.length === 1 || byte >= 0x80) continue;
      appendHeaders(framed, header, length);
      left = length;
      header.length = length = 0;
    }
  }
  return framed.take();
}

function appendHeaders(framed: Gather, header: readonly number[], length: number): void {
  const bytes = header.length + length;
  const short = bytes <= LARGEST_SHORT;
  const wide = bytes > 0xffff;
  let at = framed.reserve((short ? 2 : wide ? 10 : 4) + header.length);
  const chunk = framed.chunk;
  chunk[at] = FINAL_BINARY;
  chunk[at + 1] = short ? bytes : wide ? LENGTH_64 : LENGTH_16;
  if (!short && !wide) chunk.writeUInt16BE(bytes, at + 2);
  if (wide) chunk.writeBigUInt64BE(BigInt(bytes), at + 2);
  at += short ? 2 : wide ? 10 : 4;
  for (const byte of header) chunk[at++] = byte;
}
