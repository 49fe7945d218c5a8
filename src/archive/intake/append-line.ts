import { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { Journal } from '../../journal/journal.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { StoredEvent } from '../../wire/event.ts';

/** How soon it is tried again when the journal takes nothing. */
const RETRY_MS = 250;
/** Encoded bytes waiting for the disk above which nothing more should be brought, and below which it may be again. */
const CONGESTED_BYTES = 8 * 1024 * 1024;
const RELIEVED_BYTES = 4 * 1024 * 1024;

/** An event that is to be on disk, and who waits for that: a delivery, or nobody for what the intake says itself. */
export interface Entry {
  /** Becomes the record as it is: nobody else may hold on to it. */
  readonly event: StoredEvent;
  ack?(): void;
}

/**
 * The line before the journal: what it does not take now, and what it gives back because the disk failed, waits here in order and is tried
 * again by itself. Nothing behind it overtakes.
 */
export class AppendLine {
  readonly #journal: Journal;
  readonly #log: Log;
  readonly #onDurable: (entries: Entry[]) => void;
  /** Appended, not on disk; commits come in this order. */
  readonly #appended = new Fifo<Entry>();
  /** Not appended. */
  #refused: Entry[] = [];
  #whyRefused = '';
  #retry: NodeJS.Timeout | undefined;
  #isStuck = false;
  #isClosed = false;
  #onRoom: (() => void) | undefined;
  #onDrained: (() => void) | undefined;

  /** @param onDurable told of what is on disk, in order */
  constructor(journal: Journal, onDurable: (entries: Entry[]) => void, log: Log) {
    this.#journal = journal;
    this.#onDurable = onDurable;
    this.#log = log;
    journal.onCommit = (records) => this.#onCommit(records);
    journal.onLost = (records, error) => this.#onLost(records.length, error);
  }

  /** Brought and not on disk yet. */
  get length(): number {
    return this.#appended.length + this.#refused.length;
  }

  get isCongested(): boolean {
    return this.#refused.length > 0 || this.#journal.pendingBytes > CONGESTED_BYTES;
  }

  append(entry: Entry): void {
    if (this.#refused.length === 0 && this.#tryAppend(entry)) return;
    this.#refused.push(entry);
    this.#retry ??= setTimeout(() => this.#onRetry(), RETRY_MS);
  }

  /** Resolves when there is room again, or nothing more will be brought. */
  room(): Promise<void> {
    return new Promise((resolve) => (this.#onRoom = resolve));
  }

  /** Nothing more is brought. Resolves when all is on disk, or at the deadline. */
  async drain(deadlineMs: number): Promise<void> {
    this.#onRoom?.();
    if (this.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      timer = setTimeout(resolve, deadlineMs);
    });
    clearTimeout(timer);
  }

  /** What still waits is not tried any more. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#retry);
  }

  #tryAppend(entry: Entry): boolean {
    try {
      this.#journal.append(entry.event as JournalRecord);
    } catch (error) {
      if (!(error instanceof HydrantError) || !error.retryable) throw error;
      this.#whyRefused = error.message;
      return false;
    }
    this.#appended.push(entry);
    return true;
  }

  #appendRefused(): void {
    let taken = 0;
    while (taken < this.#refused.length && this.#tryAppend(this.#refused[taken]!)) taken++;
    this.#refused = this.#refused.slice(taken);
    if (this.#refused.length > 0) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#isStuck) this.#log('info', 'the journal takes events again');
    this.#isStuck = false;
  }

  /** What was refused has waited for a while, without a commit that made room. */
  #onRetry(): void {
    this.#retry = setTimeout(() => this.#onRetry(), RETRY_MS);
    this.#appendRefused();
    this.#tellRoom();
    if (this.#refused.length === 0 || this.#isStuck) return;
    this.#isStuck = true;
    this.#log('warn', 'the journal takes nothing at the moment; deliveries wait', { error: this.#whyRefused });
  }

  #tellRoom(): void {
    if (!this.#onRoom || this.#refused.length > 0 || this.#journal.pendingBytes > RELIEVED_BYTES) return;
    this.#onRoom();
    this.#onRoom = undefined;
  }

  #onCommit(records: JournalRecord[]): void {
    this.#onDurable(this.#take(records.length));
    // The array outlived what was added to it last: until it is collected itself, all of that would stay.
    records.length = 0;
    if (this.#refused.length > 0) this.#appendRefused();
    this.#tellRoom();
    if (this.length === 0) this.#onDrained?.();
  }

  /** None of them was acknowledged. The journal gives back all that it had, and tells it commit by commit. */
  #onLost(count: number, error: HydrantError): void {
    this.#log('error', 'events could not be written; they wait unacknowledged', { events: count, error: error.message });
    const all = this.#take(this.#appended.length);
    if (this.#isClosed) return;
    this.#refused = [...all, ...this.#refused];
    this.#retry ??= setTimeout(() => this.#onRetry(), RETRY_MS);
  }

  #take(count: number): Entry[] {
    return Array.from({ length: count }, () => this.#appended.shift()!);
  }
}
