import { dirname } from 'node:path';
import { type Clock, systemClock } from '../core/clock.ts';
import { HydrantError } from '../core/errors.ts';
import { makeFolder, syncFolder } from '../core/files.ts';
import { createHexId } from '../core/id.ts';
import { type Log, silentLog } from '../core/log.ts';
import { LineEncoder } from '../wire/line.ts';
import type { EpochStart } from '../wire/segment.ts';
import { type Batch, CommitQueue, type JournalState } from './commit-queue.ts';
import { type Hold, Holds } from './holds.ts';
import { IndexCache } from './index-cache.ts';
import { JournalReader } from './reader.ts';
import type { JournalRecord } from './record.ts';
import { type Recovered, recoverJournal } from './recovery.ts';
import { mustRotate, ROTATE_DEFAULTS, type RotatePolicy } from './rotate.ts';
import { Segment, type SegmentInfo } from './segment.ts';

export interface JournalOptions {
  /** Random per data folder, 16 hex digits. */
  journalId: string;
  rotate?: Partial<RotatePolicy>;
  /** Encoded bytes that may wait for the disk before `append` refuses. Default 64 MiB. */
  maxPendingBytes?: number;
  /** Topics that a segment's index tells apart. Default 250 000. */
  maxTopics?: number;
  clock?: Clock;
  log?: Log;
}

const CHECK_MS = 1000;

/**
 * Opens a journal folder, making it if need be: checks and cuts a torn tail, and goes on above every sequence ever given out.
 * @throws the system's error when the folder cannot be read or written
 */
export async function openJournal(dir: string, options: JournalOptions): Promise<Journal> {
  const log = options.log ?? silentLog;
  await makeFolder(dir);
  await syncFolder(dirname(dir));
  const recovered = await recoverJournal(dir, options.journalId, log);
  return new Journal(dir, options, recovered);
}

/** Append-only segments of archive lines with group commit. One writer, one tail, any number of readers. */
export class Journal {
  readonly id: string;
  /** Random per start, 8 hex digits; another after events were lost, so that the hole in the numbering is no gap. */
  epoch = createHexId(4);
  /** Told of every group commit, in sequence order, once it is on disk: the one tail. The array is its own. */
  onCommit: (records: JournalRecord[]) => void = () => {};
  /** Told of events that could not be written and never will be; their sequences are not used again. */
  onLost: (records: JournalRecord[], error: HydrantError) => void = () => {};
  readonly #dir: string;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #rotate: RotatePolicy;
  readonly #maxPendingBytes: number;
  readonly #maxTopics: number | undefined;
  readonly #encoder = new LineEncoder();
  readonly #holds = new Holds();
  readonly #queue: CommitQueue;
  readonly #indexes: IndexCache;
  readonly #closedListeners = new Set<(segment: SegmentInfo) => void>();
  readonly #timer: NodeJS.Timeout;
  #segments: Segment[];
  #current: Segment | undefined;
  #start: EpochStart;
  #next: number;
  #head: number;
  #closing: Promise<void> | undefined;
  #finishing = new Set<Promise<void>>();
  #damaged = 0;

  constructor(dir: string, options: JournalOptions, recovered: Recovered) {
    this.id = options.journalId;
    this.#dir = dir;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#rotate = { ...ROTATE_DEFAULTS, ...options.rotate };
    this.#maxPendingBytes = options.maxPendingBytes ?? 64 * 1024 * 1024;
    this.#maxTopics = options.maxTopics;
    this.#segments = recovered.segments.map(Segment.recovered);
    this.#next = recovered.next;
    this.#head = this.#segments.at(-1)?.last ?? 0;
    this.#start = { opened: new Date(this.#clock.now()).toISOString(), previous: recovered.previous };
    this.#indexes = new IndexCache((segment, offset, error) => this.reportDamage(segment.path, offset, error));
    this.#queue = new CommitQueue({
      onCommitted: (batch) => this.#onCommitted(batch),
      onRelocate: (batches) => this.#relocate(batches),
      onLost: (batches, error) => this.#lose(batches, error),
      log: this.#log,
    });
    this.#timer = setInterval(() => this.#onTick(), CHECK_MS).unref();
  }

  /** The highest sequence on disk; 0 when there is none. */
  get head(): number {
    return this.#head;
  }

  /** The oldest sequence that is still in a segment. */
  get firstSeq(): number {
    return this.#segments[0]?.first ?? this.#next;
  }

  /** Everything up to here may have been removed from the journal. */
  get trimmedThrough(): number {
    return this.firstSeq - 1;
  }

  get state(): JournalState {
    return this.#queue.state;
  }

  get pendingBytes(): number {
    return this.#queue.pendingBytes;
  }

  /** For statistics: group commits done, lines found damaged, bytes of index in memory. */
  get counters(): { commits: number; damaged: number; indexBytes: number; bytes: number; segments: number } {
    const bytes = this.#segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const indexBytes = this.#segments.reduce((sum, segment) => sum + (segment.index?.bytes ?? 0), 0);
    return {
      commits: this.#queue.commits,
      damaged: this.#damaged,
      indexBytes,
      bytes,
      segments: this.#segments.length,
    };
  }

  /**
   * Takes an event; it is on disk once `head` reaches the sequence returned. Sets the record's `seq`, `ts` and `arrivalMs`.
   * @throws HYD_JOURNAL_FULL when more waits than `maxPendingBytes` (one event is always taken), HYD_JOURNAL_FAILED, HYD_CLOSED
   */
  append(record: JournalRecord): number {
    if (this.#closing) throw new HydrantError('HYD_CLOSED', 'the journal is closed');
    if (!this.#queue.accepting) throw new HydrantError('HYD_JOURNAL_FAILED', 'the journal cannot be written at the moment');
    const bound = this.#encoder.bound(record);
    if (this.#queue.pendingBytes > 0 && this.#queue.pendingBytes + bound > this.#maxPendingBytes) {
      const why = this.state === 'full' ? 'the disk is full' : 'the disk does not keep up';
      throw new HydrantError('HYD_JOURNAL_FULL', `${why}: ${this.#queue.pendingBytes} bytes wait to be written`);
    }
    const nowMs = this.#clock.now();
    const segment = this.#segmentAt(nowMs);
    const batch = this.#queue.batchFor(segment, bound);
    const seq = this.#next++;
    const start = batch.length;
    batch.length = this.#encoder.encode(batch.bytes, start, record, seq, nowMs);
    batch.starts.push(start);
    batch.records.push(record);
    record.seq = seq;
    record.ts = this.#encoder.stamp;
    record.arrivalMs = nowMs;
    segment.index?.add(record.topic, segment.written, nowMs);
    const bytes = batch.length - start;
    segment.written += bytes;
    if (segment.events++ === 0) segment.minMs = nowMs;
    segment.maxMs = nowMs;
    this.#queue.pendingBytes += bytes;
    return seq;
  }

  /** Reads what is on disk through filters (none: everything), from a sequence on. */
  read(filters: readonly string[] | undefined, fromSeq: number): JournalReader {
    return new JournalReader(this, this.#indexes, filters, fromSeq);
  }

  /** One event on disk by its sequence; undefined when it is not in the journal. */
  async get(seq: number): Promise<JournalRecord | undefined> {
    const reader = new JournalReader(this, this.#indexes, undefined, seq);
    const { records } = await reader.read(1);
    return records.find((record) => record.seq === seq);
  }

  /** The lowest sequence on disk that may have arrived at or after a moment; above the head when none has. */
  async seqAt(timeMs: number): Promise<number> {
    for (const segment of this.#segments) {
      if (segment.maxMs < timeMs) continue;
      const index = await this.#indexes.get(segment);
      const reader = new JournalReader(this, this.#indexes, undefined, segment.first + index.ordinalAtTime(timeMs));
      for (;;) {
        const { records, caughtUp } = await reader.read(256);
        const record = records.find((candidate) => candidate.arrivalMs >= timeMs);
        if (record) return record.seq;
        if (caughtUp) break;
      }
    }
    return this.#head + 1;
  }

  /** All segments, oldest first; the last may still be written. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Tells of each segment that is closed from now on, once all of it is on disk and its index is saved. */
  onClosed(listener: (segment: SegmentInfo) => void): () => void {
    this.#closedListeners.add(listener);
    return () => this.#closedListeners.delete(listener);
  }

  /** Closes the current segment now, if it has events. */
  async rotate(): Promise<void> {
    this.#retire();
    await this.#queue.drain();
    await Promise.all(this.#finishing);
  }

  /** Keeps segments that `name` still needs; it holds everything until `set` is called. */
  hold(name: string): Hold {
    return this.#holds.take(name);
  }

  /** Removes closed segments that nobody holds, oldest first; the newest segment always stays. */
  async trim(): Promise<SegmentInfo[]> {
    const removed: Segment[] = [];
    const floor = this.#holds.floor;
    while (this.#segments.length > 1) {
      const oldest = this.#segments[0]!;
      if (!oldest.closed || oldest.pending > 0 || oldest.last >= floor) break;
      this.#segments.shift();
      this.#indexes.forget(oldest);
      await oldest.remove();
      removed.push(oldest);
    }
    if (removed.length > 0) await syncFolder(this.#dir);
    return removed;
  }

  /** Everything taken is written, then the folder is marked as cleanly closed. Twice is fine. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Counts and logs a line that cannot be read. */
  reportDamage(path: string, offset: number, error: unknown): void {
    this.#damaged++;
    this.#log('error', 'a damaged line was skipped', { segment: path, offset, error: String(error) });
  }

  async #close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#queue.close(this.#next, this.#clock.now());
    await this.#current?.saveIndex().catch(() => {});
    await Promise.all(this.#finishing);
    await Promise.all(this.#segments.map((segment) => segment.close()));
  }

  #segmentAt(nowMs: number): Segment {
    const current = this.#current;
    if (current && !mustRotate(this.#rotate, this.#rotateState(current), nowMs)) return current;
    this.#retire();
    const segment = this.#create(this.#next, nowMs);
    this.#segments.push(segment);
    this.#current = segment;
    return segment;
  }

  /** How the epoch began stands in each segment that may be its first on disk. */
  #create(first: number, nowMs: number): Segment {
    const { id: journal, epoch } = this;
    const isFirst = !this.#segments.some((segment) => segment.epoch === epoch && segment.last >= segment.first);
    return Segment.create(this.#dir, { journal, epoch, first, ...(isFirst && { start: this.#start }) }, nowMs, this.#maxTopics);
  }

  #rotateState(segment: Segment): { bytes: number; events: number; firstMs: number; lastMs: number } {
    return { bytes: segment.written, events: segment.events, firstMs: segment.minMs, lastMs: segment.maxMs };
  }

  /** No event goes to the current segment any more. */
  #retire(): void {
    const segment = this.#current;
    if (!segment || segment.events === 0) return;
    this.#current = undefined;
    if (segment.pending === 0) this.#finish(segment);
  }

  #finish(segment: Segment): void {
    segment.closed = true;
    const done = segment
      .saveIndex()
      .catch((error) =>
        this.#log('warn', 'an index could not be saved; it is built when needed', { segment: segment.path, error: String(error) }),
      )
      .then(() => {
        this.#indexes.adopt(segment);
        for (const listener of this.#closedListeners) listener(segment);
      });
    this.#finishing.add(done);
    void done.finally(() => this.#finishing.delete(done));
  }

  #onTick(): void {
    const current = this.#current;
    if (current && mustRotate(this.#rotate, this.#rotateState(current), this.#clock.now())) this.#retire();
  }

  #onCommitted(batch: Batch): void {
    const { segment, records } = batch;
    segment.bytes += batch.length;
    segment.last = records.at(-1)!.seq;
    this.#head = segment.last;
    if (segment !== this.#current && segment.pending === 0) this.#finish(segment);
    this.onCommit(records);
  }

  /** The batches, and only they, go to a new segment under the same sequences; what is already in the old one stays there. */
  #relocate(batches: Batch[]): void {
    const old = batches[0]!.segment;
    const first = batches[0]!.records[0]!.seq;
    const segment = this.#create(first, this.#clock.now());
    for (const [i, batch] of batches.entries()) {
      batch.segment = segment;
      batch.opens = batch.fresh = i === 0;
      segment.pending++;
      for (const [at, record] of batch.records.entries()) {
        segment.index!.add(record.topic, segment.written + batch.starts[at]!, record.arrivalMs);
        if (segment.events++ === 0) segment.minMs = record.arrivalMs;
        segment.maxMs = record.arrivalMs;
      }
      segment.written += batch.length;
    }
    old.pending = 0;
    old.index = undefined;
    old.written = old.bytes;
    old.events = old.last - old.first + 1;
    const at = this.#segments.indexOf(old);
    this.#segments.splice(at + 1, 0, segment);
    if (this.#current === old) this.#current = segment;
    if (old.events > 0) this.#finish(old);
    else this.#segments.splice(at, 1);
  }

  #lose(batches: Batch[], error: HydrantError): void {
    const last = this.#segments.findLast((segment) => segment.last >= segment.first && segment.journal === this.id);
    this.epoch = createHexId(4);
    this.#start = {
      opened: new Date(this.#clock.now()).toISOString(),
      previous: last && { epoch: last.epoch, last: last.last },
    };
    for (const segment of new Set(batches.map((batch) => batch.segment))) {
      segment.index = undefined;
      segment.written = segment.bytes;
      segment.events = segment.last - segment.first + 1;
      if (this.#current === segment) this.#current = undefined;
      if (segment.events > 0) this.#finish(segment);
      else this.#segments = this.#segments.filter((other) => other !== segment);
    }
    for (const batch of batches) this.onLost(batch.records, error);
  }
}
