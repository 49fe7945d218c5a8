import { Worker } from 'node:worker_threads';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { workerUrl } from '../core/worker-url.ts';
import type { JournalRecord } from './record.ts';
import type { Segment } from './segment.ts';
import type { WriteJob, WriterReply, WriterRequest } from './writer.ts';

/** `full`: no space, tried again by itself. `failed`: the disk refused three times, pending events were given back. */
export type JournalState = 'ok' | 'full' | 'failed';

/** One group commit on its way to disk. */
export class Batch {
  segment: Segment;
  /** The segment's file is made with this batch. */
  opens: boolean;
  fresh = false;
  readonly bytes: Buffer;
  length = 0;
  readonly records: JournalRecord[] = [];
  /** Offset of each record within `bytes`. */
  readonly starts: number[] = [];

  constructor(segment: Segment, opens: boolean, bytes: Buffer) {
    this.segment = segment;
    this.opens = opens;
    this.bytes = bytes;
  }
}

const BATCH_BYTES = 1 << 20;
const POOLED = 4;
const TRIES = 3;
const FULL_RETRY_MS = 250;
const FAILED_RETRY_MS = 1000;

export interface CommitQueueOptions {
  /** In order, once on disk. */
  onCommitted(batch: Batch): void;
  /** The batch and those behind it in the same segment must go to a new one. */
  onRelocate(batches: Batch[]): void;
  /** Gave up on these; none of them was acknowledged. */
  onLost(batches: Batch[], error: HydrantError): void;
  log: Log;
}

/** The line to the writer: one batch under way, the rest gathered meanwhile. */
export class CommitQueue {
  readonly #options: CommitQueueOptions;
  readonly #worker: Worker;
  readonly #pool: Buffer[] = [];
  #waiting: Batch[] = [];
  #underWay: Batch | undefined;
  #scheduled = false;
  #tries = 0;
  #dead = false;
  #retry: NodeJS.Timeout | undefined;
  #failedUntilMs = 0;
  #drained: (() => void)[] = [];
  state: JournalState = 'ok';
  /** Encoded bytes that are not on disk yet. */
  pendingBytes = 0;
  /** Group commits done. */
  commits = 0;

  constructor(options: CommitQueueOptions) {
    this.#options = options;
    this.#worker = new Worker(workerUrl(import.meta.url, 'writer'), { name: 'journal-writer' });
    this.#worker.on('message', (reply: WriterReply) => this.#onReply(reply));
    this.#worker.on('error', (error) => {
      this.#dead = true;
      this.#giveUp(`its writer died: ${error.message}`);
    });
  }

  /** The batch that still takes records of this segment, with room for `bytes` more. */
  batchFor(segment: Segment, bytes: number): Batch {
    const last = this.#waiting.at(-1);
    if (last && last.segment === segment && last.length + bytes <= last.bytes.length) return last;
    const batch = new Batch(segment, segment.events === 0, this.#takeBuffer(bytes));
    segment.pending++;
    this.#waiting.push(batch);
    this.#schedule();
    return batch;
  }

  /** Whether a new batch may be started: after a failure, only once per second. */
  get accepting(): boolean {
    return !this.#dead && (this.state !== 'failed' || Date.now() >= this.#failedUntilMs);
  }

  /** Resolves when everything given so far is on disk or lost. */
  async drain(): Promise<void> {
    if (this.#underWay || this.#waiting.length > 0) await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  /** @param next the sequence that would be given out next */
  async close(next: number, nowMs: number): Promise<void> {
    if (this.state === 'full') this.#giveUp('no space was freed before closing');
    await this.drain();
    clearTimeout(this.#retry);
    if (this.#dead) return;
    const ended = new Promise((resolve) => this.#worker.once('exit', resolve));
    this.#worker.postMessage({ close: true, next, closedMs: nowMs } satisfies WriterRequest);
    await ended;
  }

  /** Everything that became readable in this turn of the event loop goes into one commit. */
  #schedule(): void {
    if (this.#scheduled || this.#underWay) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#send();
    });
  }

  #send(): void {
    if (this.#underWay) return;
    const batch = this.#waiting.shift();
    if (!batch) {
      for (const resolve of this.#drained.splice(0)) resolve();
      return;
    }
    this.#underWay = batch;
    this.#post(batch);
  }

  #post(batch: Batch): void {
    const job: WriteJob = {
      path: batch.segment.path,
      bytes: new Uint8Array(batch.bytes.buffer, batch.bytes.byteOffset, batch.length),
      seq: batch.records.at(-1)!.seq,
      fresh: batch.fresh,
    };
    if (batch.opens) job.header = new Uint8Array(batch.segment.header);
    this.#worker.postMessage(job);
  }

  #onReply(reply: WriterReply): void {
    if (reply.closed) return;
    const batch = this.#underWay;
    if (!batch) return;
    if (!reply.ok) return this.#onFailure(batch, reply);
    this.#underWay = undefined;
    this.#tries = 0;
    if (this.state !== 'ok') this.#options.log('info', 'the journal writes again', { segment: batch.segment.path });
    this.state = 'ok';
    this.pendingBytes -= batch.length;
    this.commits++;
    batch.segment.pending--;
    this.#send();
    this.#options.onCommitted(batch);
    this.#giveBuffer(batch.bytes);
  }

  #onFailure(batch: Batch, reply: Extract<WriterReply, { ok: false }>): void {
    const fields = { segment: batch.segment.path, code: reply.code, error: reply.message, events: batch.records.length };
    if ((reply.code === 'ENOSPC' || reply.code === 'EDQUOT') && !reply.sync) {
      if (this.state !== 'full') this.#options.log('error', 'the disk is full; publishes are held and tried again', fields);
      this.state = 'full';
      this.#retry = setTimeout(() => this.#post(batch), FULL_RETRY_MS);
      return;
    }
    if (++this.#tries >= TRIES) return this.#giveUp(reply.message);
    this.#options.log('error', 'writing the journal failed; the batch goes into a new segment', fields);
    const moved = [batch, ...this.#waiting.filter((other) => other.segment === batch.segment)];
    this.#options.onRelocate(moved);
    this.#post(batch);
  }

  #giveUp(reason: string): void {
    clearTimeout(this.#retry);
    const lost = [...(this.#underWay ? [this.#underWay] : []), ...this.#waiting];
    this.#underWay = undefined;
    this.#waiting = [];
    this.#tries = 0;
    this.pendingBytes = 0;
    this.state = 'failed';
    this.#failedUntilMs = Date.now() + FAILED_RETRY_MS;
    for (const batch of lost) batch.segment.pending--;
    this.#options.onLost(lost, new HydrantError('HYD_JOURNAL_FAILED', `the journal cannot be written: ${reason}`));
    this.#send();
  }

  /** Memory shared with the writer, so that a batch is handed over without a copy. */
  #takeBuffer(bytes: number): Buffer {
    if (bytes <= BATCH_BYTES) {
      const pooled = this.#pool.pop();
      if (pooled) return pooled;
    }
    return Buffer.from(new SharedArrayBuffer(Math.max(BATCH_BYTES, bytes)));
  }

  #giveBuffer(buffer: Buffer): void {
    if (buffer.length === BATCH_BYTES && this.#pool.length < POOLED) this.#pool.push(buffer);
  }
}
