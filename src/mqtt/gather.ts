const SMALL_BYTES = 4096;
const LARGE_BYTES = 65_536;
/** From this size on bytes are handed to the transport as they are: below it a copy costs less than one more buffer. */
const PASS_BYTES = 4096;

/** Free chunks that wait to be used again; beyond these bounds they are left to the garbage collector. */
const POOLS = [
  { bytes: SMALL_BYTES, free: [] as Buffer[], max: 256 },
  { bytes: LARGE_BYTES, free: [] as Buffer[], max: 32 },
] as const;

const NONE: Buffer = Buffer.alloc(0);

/** One write: the bytes in order, and what to call once the transport has taken them. */
export interface Gathered {
  pieces: Uint8Array[];
  /** Gives the chunks back to the pool; not to be called after a failed write. */
  release(): void;
}

/**
 * Collects the packets of one tick. The first few go into a small pooled chunk, more into large ones; between writes it holds none.
 */
export class Gather {
  bytes = 0;
  #pieces: Uint8Array[] = [];
  #borrowed: Buffer[] = [];
  #chunk = NONE;
  #start = 0;
  #used = 0;

  /** Room for `bytes` bytes in a row; write them to `chunk` at the returned offset. */
  reserve(bytes: number): number {
    if (this.#used + bytes > this.#chunk.length) this.#next(bytes);
    const at = this.#used;
    this.#used += bytes;
    this.bytes += bytes;
    return at;
  }

  get chunk(): Buffer {
    return this.#chunk;
  }

  append(piece: string | Uint8Array): void {
    if (typeof piece === 'string') {
      const bytes = Buffer.byteLength(piece);
      const at = this.reserve(bytes);
      this.#chunk.write(piece, at);
    } else if (piece.length < PASS_BYTES) {
      const at = this.reserve(piece.length);
      this.#chunk.set(piece, at);
    } else {
      this.#seal();
      this.#pieces.push(piece);
      this.bytes += piece.length;
    }
  }

  /** Four bytes, the last two being the packet identifier. */
  appendAck(template: Buffer, messageId: number): void {
    const at = this.reserve(4);
    const chunk = this.#chunk;
    chunk[at] = template[0]!;
    chunk[at + 1] = template[1]!;
    chunk[at + 2] = messageId >>> 8;
    chunk[at + 3] = messageId;
  }

  /** Bytes that many connections share, with this one's packet identifier at `idOffset` (-1: none). */
  appendShared(bytes: Buffer, idOffset: number, messageId: number): void {
    const length = bytes.length;
    if (length >= PASS_BYTES) {
      const head = idOffset < 0 ? 0 : idOffset + 2;
      if (head > 0) this.#copy(bytes.subarray(0, head), idOffset, messageId);
      this.append(bytes.subarray(head));
    } else this.#copy(bytes, idOffset, messageId);
  }

  #copy(bytes: Buffer, idOffset: number, messageId: number): void {
    const at = this.reserve(bytes.length);
    const chunk = this.#chunk;
    chunk.set(bytes, at);
    if (idOffset < 0) return;
    chunk[at + idOffset] = messageId >>> 8;
    chunk[at + idOffset + 1] = messageId;
  }

  /** What was gathered; this one is empty afterwards. */
  take(): Gathered {
    this.#seal();
    const pieces = this.#pieces;
    const borrowed = this.#borrowed;
    this.#pieces = [];
    this.#borrowed = [];
    this.#chunk = NONE;
    this.#start = this.#used = this.bytes = 0;
    return { pieces, release: () => borrowed.forEach(giveBack) };
  }

  #seal(): void {
    if (this.#used > this.#start) this.#pieces.push(this.#chunk.subarray(this.#start, this.#used));
    this.#start = this.#used;
  }

  #next(bytes: number): void {
    this.#seal();
    this.#chunk = borrow(Math.max(bytes, this.#borrowed.length === 0 ? SMALL_BYTES : LARGE_BYTES));
    this.#borrowed.push(this.#chunk);
    this.#start = this.#used = 0;
  }
}

function borrow(bytes: number): Buffer {
  const pool = POOLS.find((each) => each.bytes >= bytes);
  return pool?.free.pop() ?? Buffer.allocUnsafeSlow(pool?.bytes ?? bytes);
}

function giveBack(chunk: Buffer): void {
  const pool = POOLS.find((each) => each.bytes === chunk.length);
  if (pool && pool.free.length < pool.max) pool.free.push(chunk);
}

/** Bytes that free chunks occupy now, for tests and statistics. */
export function pooledBytes(): number {
  return POOLS.reduce((sum, pool) => sum + pool.bytes * pool.free.length, 0);
}
