import { PacketFault } from './fault.ts';

/** What a Framer hands on; each may throw a PacketFault. */
export interface FrameSink {
  /** First byte of a packet, as soon as it is there. */
  checkHeader(firstByte: number): void;
  /** One whole packet; its variable header begins at `at`. */
  onFrame(frame: Buffer, at: number): void;
}

const EMPTY: Buffer = Buffer.alloc(0);

/**
 * Finds the packets in a byte stream. A packet inside one chunk is handed on as a view of it; only one that spans chunks is copied.
 * Holds at most `maxPacketBytes` plus, while paused, what the transport still delivers.
 */
export class Framer {
  /** Longest packet let through, fixed header included, bytes. */
  maxPacketBytes: number;
  /** Length of the packet under way, 0 when none is or its length is not known yet. */
  underWayBytes = 0;
  #sink: FrameSink;
  #paused = false;
  #busy = false;
  #stopped = false;
  #waiting: Buffer[] = [];
  #partial = EMPTY;
  #have = 0;

  constructor(maxPacketBytes: number, sink: FrameSink) {
    this.maxPacketBytes = maxPacketBytes;
    this.#sink = sink;
  }

  /** No further packet is handed on and what is held is let go. */
  stop(): void {
    this.#stopped = true;
    this.#waiting = [];
    this.#partial = EMPTY;
  }

  /** Holds back what follows, from the next packet on. */
  pause(): void {
    this.#paused = true;
  }

  /** Hands on what waits. */
  resume(): void {
    this.#paused = false;
    if (!this.#busy) this.#run();
  }

  /** @throws PacketFault */
  push(chunk: Buffer): void {
    if (this.#stopped) return;
    this.#waiting.push(chunk);
    if (!this.#paused && !this.#busy) this.#run();
  }

  #run(): void {
    this.#busy = true;
    try {
      for (let chunk = this.#waiting.shift(); chunk !== undefined; chunk = this.#waiting.shift()) {
        const taken = this.#read(chunk);
        if (this.#stopped) return;
        if (taken < chunk.length) {
          this.#waiting.unshift(chunk.subarray(taken));
          return;
        }
      }
    } finally {
      this.#busy = false;
    }
  }

  /** Hands on the packets in `chunk`, keeps the begun one; returns how far it came before a pause or stop. */
  #read(chunk: Buffer): number {
    let pos = this.#have > 0 ? this.#complete(chunk) : 0;
    while (pos < chunk.length && !this.#paused && !this.#stopped) {
      const first = chunk[pos]!;
      this.#sink.checkHeader(first);
      const head = headerBytes(chunk, pos);
      if (head === 0) return this.#keep(chunk.subarray(pos), 0, chunk.length);
      const total = head + remainingLength(chunk, pos);
      if (total > this.maxPacketBytes)
        throw new PacketFault('packet-too-large', `a packet of ${total} bytes; at most ${this.maxPacketBytes} are taken`);
      const end = pos + total;
      if (end > chunk.length) return this.#keep(chunk.subarray(pos), total, chunk.length);
      this.#sink.onFrame(chunk.subarray(pos, end), head);
      pos = end;
    }
    return pos;
  }

  #keep(bytes: Buffer, total: number, taken: number): number {
    this.#partial = Buffer.allocUnsafeSlow(total === 0 ? 8 : Math.min(total, Math.max(bytes.length * 2, 64)));
    bytes.copy(this.#partial);
    this.#have = bytes.length;
    this.underWayBytes = total;
    return taken;
  }

  /** Adds to the packet under way; returns how much of `chunk` it took. */
  #complete(chunk: Buffer): number {
    let pos = 0;
    let head = headerBytes(this.#partial, 0, this.#have);
    while (head === 0) {
      if (pos === chunk.length) return pos;
      this.#partial[this.#have++] = chunk[pos++]!;
      head = headerBytes(this.#partial, 0, this.#have);
    }
    const total = head + remainingLength(this.#partial, 0);
    if (total > this.maxPacketBytes)
      throw new PacketFault('packet-too-large', `a packet of ${total} bytes; at most ${this.maxPacketBytes} are taken`);
    const take = Math.min(total - this.#have, chunk.length - pos);
    this.#reserve(this.#have + take, total);
    chunk.copy(this.#partial, this.#have, pos, pos + take);
    this.#have += take;
    this.underWayBytes = total;
    if (this.#have < total) return pos + take;
    this.underWayBytes = 0;
    const frame = this.#partial.subarray(0, total);
    this.#partial = EMPTY;
    this.#have = 0;
    this.#sink.onFrame(frame, head);
    return pos + take;
  }

  /** Grows by doubling, so that a length announced and not sent costs nothing. */
  #reserve(bytes: number, total: number): void {
    if (bytes <= this.#partial.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.min(total, Math.max(bytes, this.#partial.length * 2)));
    this.#partial.copy(grown, 0, 0, this.#have);
    this.#partial = grown;
  }
}

/** Length of the fixed header at `pos`, 0 when it is not all there. @throws PacketFault `bad-length` */
function headerBytes(chunk: Buffer, pos: number, end = chunk.length): number {
  for (let i = 1; i <= 4; i++) {
    if (pos + i >= end) return 0;
    if (chunk[pos + i]! < 0x80) return i + 1;
  }
  throw new PacketFault('bad-length', 'a remaining length of more than 4 bytes');
}

function remainingLength(chunk: Buffer, pos: number): number {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    const byte = chunk[pos + 1 + i]!;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) break;
  }
  return value;
}
