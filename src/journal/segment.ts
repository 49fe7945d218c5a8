import { type FileHandle, open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { systemCode } from '../core/errors.ts';
import { encodeSegmentHeader, type SegmentHeader, segmentName } from '../wire/segment.ts';
import { buildIndex, indexPath, loadIndex, saveIndex } from './index-file.ts';
import type { RecoveredSegment } from './recovery.ts';
import { RESERVED_BLOCK } from './rotate.ts';
import { SegmentIndex } from './segment-index.ts';

/** What the rest of the program may know of a segment. */
export interface SegmentInfo {
  readonly path: string;
  readonly journal: string;
  readonly epoch: string;
  /** Sequence of its first event. */
  readonly first: number;
  /** Sequence of its last event on disk; `first - 1` while it has none. */
  readonly last: number;
  /** Bytes on disk that may be read, header included. */
  readonly bytes: number;
  /** No event will be added to it. */
  readonly closed: boolean;
  /** Arrival time of its first and last event, milliseconds. */
  readonly minMs: number;
  readonly maxMs: number;
}

/** A segment in the hands of the journal. */
export class Segment implements SegmentInfo {
  readonly path: string;
  readonly journal: string;
  readonly epoch: string;
  readonly first: number;
  last: number;
  bytes: number;
  closed = false;
  minMs = 0;
  maxMs = 0;
  /** What has been given to it, on disk or not: events and bytes. */
  events = 0;
  written = 0;
  /** Group commits under way. */
  pending = 0;
  readonly header: Buffer;
  index: SegmentIndex | undefined;
  #handle: Promise<FileHandle> | undefined;

  private constructor(path: string, header: Pick<SegmentHeader, 'journal' | 'epoch' | 'first'>, headerLine: Buffer) {
    this.path = path;
    this.journal = header.journal;
    this.epoch = header.epoch;
    this.first = header.first;
    this.last = header.first - 1;
    this.header = headerLine;
    this.bytes = this.written = headerLine.length;
  }

  /** A segment to be written; its file is made with its first group commit. */
  static create(dir: string, names: Omit<SegmentHeader, 'reserved'>, nowMs: number, maxTopics?: number): Segment {
    const header = { ...names, reserved: names.first + RESERVED_BLOCK - 1 };
    const segment = new Segment(join(dir, segmentName(header)), header, encodeSegmentHeader(header, nowMs));
    segment.index = new SegmentIndex({ maxTopics });
    return segment;
  }

  static recovered(file: RecoveredSegment): Segment {
    const segment = new Segment(file.path, file, Buffer.alloc(0));
    Object.assign(segment, { last: file.last, bytes: file.bytes, written: file.bytes, minMs: file.minMs, maxMs: file.maxMs, closed: true });
    segment.events = file.last - file.first + 1;
    return segment;
  }

  /** The index: in memory, else from its file, else built from the lines. */
  async loadIndex(onDamaged: (segment: SegmentInfo, offset: number, error: unknown) => void): Promise<SegmentIndex> {
    if (this.index) return this.index;
    let index = await loadIndex(indexPath(this.path));
    if (!index || index.records < this.last - this.first + 1) {
      index = await buildIndex(this.path, this.first, {
        bytes: this.bytes,
        last: this.last,
        onDamaged: (at, error) => onDamaged(this, at, error),
      });
      if (this.closed) await saveIndex(indexPath(this.path), index).catch(() => {});
    }
    this.index ??= index;
    return this.index;
  }

  async saveIndex(): Promise<void> {
    if (this.index) await saveIndex(indexPath(this.path), this.index);
  }

  /** Reads `[from, to)` of the file. */
  async read(from: number, to: number): Promise<Buffer> {
    this.#handle ??= open(this.path, 'r');
    const file = await this.#handle;
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(to - from), 0, to - from, from);
    return buffer.subarray(0, bytesRead);
  }

  async close(): Promise<void> {
    const handle = this.#handle;
    this.#handle = undefined;
    await (await handle?.catch(() => undefined))?.close();
  }

  async remove(): Promise<void> {
    await this.close();
    for (const path of [this.path, indexPath(this.path)]) {
      await unlink(path).catch((error) => {
        if (systemCode(error) !== 'ENOENT') throw error;
      });
    }
  }
}
