import type { PutBlock, RecordBlock } from './messages.ts';
import type { OutboxEvent, OutboxRecord } from './outbox.ts';
import { decodeRecord, encodeRecord, moreOf, recordBound } from './record.ts';

/** A block is closed when it has this many bytes or events: enough that one sync costs little for each. */
const MAX_BYTES = 1 << 20;
const MAX_EVENTS = 4096;
const FIRST_BYTES = 64 * 1024;
const HEADER_BYTES = 8;

/** Gathers events for the worker in one piece of memory. */
export class BlockWriter {
  #bytes: Buffer;
  #used = 0;
  readonly #channels = new Map<string, number>();
  readonly #extras: PutBlock['extras'] = [];
  count = 0;

  /** @param spare the memory of a block that is done with */
  constructor(spare?: ArrayBuffer) {
    this.#bytes = spare ? Buffer.from(spare) : Buffer.allocUnsafeSlow(FIRST_BYTES);
  }

  get isFull(): boolean {
    return this.#used >= MAX_BYTES || this.count >= MAX_EVENTS;
  }

  /** @returns bytes of its record */
  add(event: OutboxEvent, replaces: boolean): number {
    const { channel, expiresMs, key } = event;
    const more = moreOf(event);
    this.#grow(HEADER_BYTES + recordBound(event, more));
    const start = this.#used + HEADER_BYTES;
    const end = encodeRecord(event, more, this.#bytes, start);
    this.#bytes.writeUInt32LE(end - start, this.#used);
    this.#bytes.writeUInt32LE(this.#channelAt(channel), this.#used + 4);
    if (expiresMs !== undefined || key !== undefined) this.#extras.push({ index: this.count, expiresMs, key, replaces });
    this.#used = end;
    this.count++;
    return end - start;
  }

  /** The writer is used up. */
  take(): PutBlock | undefined {
    if (this.count === 0) return undefined;
    return {
      buffer: this.#bytes.buffer as ArrayBuffer,
      count: this.count,
      channels: [...this.#channels.keys()],
      extras: this.#extras,
    };
  }

  #channelAt(channel: string): number {
    let at = this.#channels.get(channel);
    if (at === undefined) {
      at = this.#channels.size;
      this.#channels.set(channel, at);
    }
    return at;
  }

  #grow(bytes: number): void {
    if (this.#used + bytes <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(2 * this.#bytes.length, this.#used + bytes));
    this.#bytes.copy(grown, 0, 0, this.#used);
    this.#bytes = grown;
  }
}

/** The records of a block. Their payloads are views of one piece of memory. */
export function unpackRecords(block: RecordBlock, channelOf: (index: number) => string): OutboxRecord[] {
  const bytes = Buffer.from(block.buffer);
  let at = 0;
  const records = block.seqs.map((seq, index): OutboxRecord => {
    const end = at + block.lengths[index]!;
    const record = decodeRecord(bytes.subarray(at, end), channelOf(index), seq, block.storedMs[index]!, block.attempts[index]!);
    at = end;
    return record;
  });
  for (const { index, expiresMs, key } of block.extras) {
    if (expiresMs !== undefined) records[index]!.expiresMs = expiresMs;
    if (key !== undefined) records[index]!.key = key;
  }
  return records;
}

/** Adjoining numbers as pairs of first and last. */
export function rangesOf(seqs: readonly number[]): Float64Array {
  const sorted = Float64Array.from(seqs).sort();
  let used = 0;
  const ranges = new Float64Array(2 * sorted.length);
  for (const seq of sorted) {
    if (used > 0 && seq <= ranges[used - 1]! + 1) ranges[used - 1] = seq;
    else {
      ranges[used] = seq;
      ranges[used + 1] = seq;
      used += 2;
    }
  }
  return ranges.slice(0, used);
}
