import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { crashPoint } from '../../core/crash-point.ts';
import type { ManifestBlock, TopicDigest } from '../../wire/manifest.ts';
import { packBlock } from '../codec.ts';
import type { Codec } from '../keys.ts';
import { TopicCollector } from '../topic-digest.ts';

/** What was written, and what must be found when it is read back. */
export interface WrittenObject {
  path: string;
  codec: Codec;
  blocks: ManifestBlock[];
  count: number;
  minTs: string;
  maxTs: string;
  rawBytes: number;
  bytes: number;
  rawSha256: string;
  sha256: string;
  topics: TopicDigest;
}

/**
 * Writes lines as an object file of independently packed blocks. Blocking: it lives in the sealing worker.
 * The file is made with its first block; a block holds whole lines, so one long line makes a long block.
 */
export class ObjectWriter {
  readonly #path: string;
  readonly #codec: Codec;
  readonly #level: number;
  readonly #blockBytes: number;
  readonly #topics = new TopicCollector();
  readonly #rawHash = createHash('sha256');
  readonly #hash = createHash('sha256');
  readonly #blocks: ManifestBlock[] = [];
  #fd = -1;
  #pending: Buffer;
  #pendingBytes = 0;
  #block = emptyBlock();
  #rawBytes = 0;
  #bytes = 0;
  #count = 0;

  constructor(path: string, options: { codec: Codec; level: number; blockBytes: number }) {
    this.#path = path;
    this.#codec = options.codec;
    this.#level = options.level;
    this.#blockBytes = options.blockBytes;
    this.#pending = Buffer.allocUnsafeSlow(options.blockBytes * 2);
  }

  /** Where the next line will begin in the uncompressed content. */
  get rawBytes(): number {
    return this.#rawBytes + this.#pendingBytes;
  }

  /** Adds the line in `bytes[start, end)`, newline excluded. */
  add(bytes: Buffer, start: number, end: number, line: { seq: number; topic: string; ts: string }): void {
    const length = end - start + 1;
    if (this.#pendingBytes > 0 && this.#pendingBytes + length > this.#blockBytes) this.#flush();
    if (length > this.#pending.length) this.#pending = Buffer.allocUnsafeSlow(length);
    bytes.copy(this.#pending, this.#pendingBytes, start, end);
    this.#pending[this.#pendingBytes + length - 1] = 10;
    this.#pendingBytes += length;
    this.#topics.add(line.topic);
    const block = this.#block;
    if (block.count++ === 0) {
      block.firstSeq = line.seq;
      block.minTs = block.maxTs = line.ts;
    } else if (line.ts < block.minTs) block.minTs = line.ts;
    else if (line.ts > block.maxTs) block.maxTs = line.ts;
  }

  #flush(): void {
    if (this.#fd === -1) this.#fd = openSync(this.#path, 'wx', 0o600);
    const raw = this.#pending.subarray(0, this.#pendingBytes);
    const packed = packBlock(raw, this.#codec, this.#level);
    crashPoint('seal.block');
    for (let done = 0; done < packed.length; ) done += writeSync(this.#fd, packed, done, packed.length - done, this.#bytes + done);
    this.#rawHash.update(raw);
    this.#hash.update(packed);
    this.#blocks.push({ ...this.#block, offset: this.#bytes, bytes: packed.length, rawBytes: raw.length });
    this.#count += this.#block.count;
    this.#rawBytes += raw.length;
    this.#bytes += packed.length;
    this.#pendingBytes = 0;
    this.#block = emptyBlock();
  }

  /** Packs what is left, syncs and closes. Undefined when no line was added; then there is no file. */
  finish(): WrittenObject | undefined {
    if (this.#pendingBytes > 0) this.#flush();
    if (this.#fd === -1) return undefined;
    fsyncSync(this.#fd);
    this.close();
    crashPoint('seal.written');
    return {
      path: this.#path,
      codec: this.#codec,
      blocks: this.#blocks,
      count: this.#count,
      minTs: this.#blocks.map((block) => block.minTs).sort()[0]!,
      maxTs: this.#blocks
        .map((block) => block.maxTs)
        .sort()
        .at(-1)!,
      rawBytes: this.#rawBytes,
      bytes: this.#bytes,
      rawSha256: this.#rawHash.digest('hex'),
      sha256: this.#hash.digest('hex'),
      topics: this.#topics.digest(),
    };
  }

  /** For a writer that is given up; `finish` does it itself. */
  close(): void {
    if (this.#fd !== -1) closeSync(this.#fd);
    this.#fd = -1;
  }
}

function emptyBlock(): ManifestBlock {
  return { part: 0, offset: 0, bytes: 0, rawBytes: 0, firstSeq: 0, count: 0, minTs: '', maxTs: '' };
}
