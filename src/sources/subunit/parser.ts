import { crc32 } from 'node:zlib';
import { CHECKSUM_BYTES, claimedBytes, LEAST_BYTES, readPacket, SIGNATURE, type SubunitPacket } from './packet.ts';

export interface ParserHandler {
  onPacket(packet: SubunitPacket): void;
  /** Bytes between packets, such as what a test printed; valid during the call. */
  onOther?(bytes: Buffer): void;
}

/** What a parser has met. */
export interface ParserCounts {
  packets: number;
  /** Of what is no packet. */
  otherBytes: number;
  /** Began as a packet and is none: a wrong checksum, fields that do not fit, cut off. */
  damaged: number;
}

/**
 * Bytes whose checksum was taken in vain that are allowed for each byte of the stream, and on top. Beyond that a damaged packet is skipped as a whole: else
 * a stream made for it, a packet of 4 MiB begun at every tenth byte, would take days.
 */
const VAIN_SHARE = 16;
const VAIN_BYTES = 64 * 1024 * 1024;

/**
 * Finds the packets of a subunit v2 stream, whatever pieces it comes in. After a damaged one it looks for the next from the byte behind its signature on, so
 * that a length that is wrong costs no packet but its own. Holds 4 MiB and a piece at most.
 */
export class SubunitParser {
  readonly counts: ParserCounts = { packets: 0, otherBytes: 0, damaged: 0 };
  readonly #handler: ParserHandler;
  #pieces: Buffer[] = [];
  #held = 0;
  /** Of what is held nothing more can be said before there is so much of it. */
  #needed = 0;
  #seenBytes = 0;
  #vainBytes = 0;

  constructor(handler: ParserHandler) {
    this.#handler = handler;
  }

  /** Takes the next bytes; keeps them until the packet that they belong to is whole, so they must not be changed afterwards. */
  push(bytes: Buffer): void {
    this.#pieces.push(bytes);
    this.#held += bytes.length;
    this.#seenBytes += bytes.length;
    if (this.#held >= this.#needed) this.#read(false);
  }

  /** The stream is over: what was waiting for its end is none. */
  end(): void {
    this.#read(true);
  }

  #read(isEnd: boolean): void {
    const bytes = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    let at = 0;
    let otherFrom = 0;
    this.#needed = 0;
    while (at < bytes.length) {
      if (bytes[at] !== SIGNATURE) {
        const next = bytes.indexOf(SIGNATURE, at);
        at = next === -1 ? bytes.length : next;
        continue;
      }
      const left = bytes.length - at;
      const length = left >= LEAST_BYTES ? claimedBytes(bytes, at) : LEAST_BYTES;
      if (length > left && !isEnd) {
        this.#needed = length;
        break;
      }
      const packet = length === 0 || length > left ? undefined : this.#check(bytes, at, length);
      if (packet) {
        this.#tellOther(bytes, otherFrom, at);
        this.counts.packets++;
        at += length;
        otherFrom = at;
        this.#handler.onPacket(packet);
      } else {
        if (length !== 0) this.counts.damaged++;
        at += this.#vainBytes > VAIN_BYTES + VAIN_SHARE * this.#seenBytes ? Math.max(1, Math.min(length, left)) : 1;
      }
    }
    this.#tellOther(bytes, otherFrom, at);
    const rest = bytes.subarray(at);
    this.#pieces = rest.length > 0 ? [rest] : [];
    this.#held = rest.length;
  }

  #check(bytes: Buffer, at: number, length: number): SubunitPacket | undefined {
    const end = at + length;
    const isSound = crc32(bytes.subarray(at, end - CHECKSUM_BYTES)) === bytes.readUInt32BE(end - CHECKSUM_BYTES);
    const packet = isSound ? readPacket(bytes, at, end) : undefined;
    if (!packet) this.#vainBytes += length;
    return packet;
  }

  #tellOther(bytes: Buffer, from: number, to: number): void {
    if (to === from) return;
    this.counts.otherBytes += to - from;
    this.#handler.onOther?.(bytes.subarray(from, to));
  }
}
