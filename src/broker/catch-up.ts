import type { History } from '../bus/history.ts';
import { HydrantError } from '../core/errors.ts';
import { parseMoment } from '../core/time-range.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalReader, ReadResult } from '../journal/reader.ts';
import type { JournalRecord } from '../journal/record.ts';
import { filterFault } from '../wire/topic.ts';

/** Reads forward until it has caught up. */
export interface EventReader {
  /** An empty result that is not caught up means: call again. After an error too, it goes on where it was. */
  read(maxRecords: number): Promise<ReadResult>;
  /** Lets go of what it has open, until it is read again. */
  close(): void;
}

/** Where a subscription to the past begins: a moment in milliseconds, or a sequence. */
export type Since = { timeMs: number } | { seq: number };

const TURNS = 16;
const HISTORY = /^\$history\/([^/]+)\/(.+)$/s;

/** Reading the past for many sessions at once: the journal, before it the archive, and where neither has it a counted gap. */
export class CatchUp {
  readonly #journal: Journal;
  readonly #history: History | undefined;
  readonly #onGap: (events: number) => void;
  #turns = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(journal: Journal, history: History | undefined, onGap: (events: number) => void) {
    this.#journal = journal;
    this.#history = history;
    this.#onGap = onGap;
  }

  /** The first sequence of a stretch of the past; above the head when nothing is that young. */
  async startOf(since: Since): Promise<number> {
    if ('seq' in since) return Math.max(1, since.seq);
    for (;;) {
      const lost = this.#journal.trimmedThrough;
      const seq = await this.#firstSince(since.timeMs);
      // What the journal let go of meanwhile may have been passed over in both places.
      if (this.#journal.trimmedThrough === lost) return seq;
    }
  }

  read(filters: readonly string[], fromSeq: number): EventReader {
    return new PastReader({ journal: this.#journal, history: this.#history, filters, onGap: this.#onGap }, fromSeq);
  }

  /** Runs some work when fewer than 16 others do the same. */
  async takeTurn<T>(work: () => Promise<T>): Promise<T> {
    if (this.#turns >= TURNS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#turns++;
    try {
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#turns--;
    }
  }

  /** Single events by sequence; those that no longer exist are missing. */
  async fetch(seqs: number[]): Promise<Map<number, JournalRecord>> {
    const found = new Map<number, JournalRecord>();
    for (const seq of seqs) {
      const record = await this.#journal.get(seq);
      if (record) found.set(seq, record);
      else if (this.#history && seq <= this.#journal.trimmedThrough) {
        for await (const events of this.#history.read(undefined, { fromSeq: seq, toSeq: seq + 1 })) {
          for (const event of events) found.set(seq, Object.assign(event, { arrivalMs: Date.parse(event.ts) }));
        }
      }
    }
    return found;
  }

  async #firstSince(timeMs: number): Promise<number> {
    const oldest = this.#journal.segments[0];
    if (this.#history && (!oldest || oldest.minMs > timeMs)) {
      const seq = await this.#history.seqAt(timeMs);
      if (seq !== undefined && (!oldest || seq < oldest.first)) return seq;
    }
    return this.#journal.seqAt(timeMs);
  }
}

/**
 * `$history/<since>/<filter>` taken apart; any other filter is its own.
 * @throws HYD_FILTER, HYD_USAGE
 */
export function readHistoryFilter(name: string, nowMs: number): { filter: string; since?: Since } {
  if (!name.startsWith('$history/')) return { filter: name };
  const [, since, filter] = HISTORY.exec(name) ?? [];
  if (since === undefined || filter === undefined || filterFault(filter))
    throw new HydrantError('HYD_FILTER', `${name} is not $history/<since>/<filter>`);
  return { filter, since: readSince(since, nowMs) };
}

/** A moment as people write it (`15m`, `2026-11-21T10:00Z`), or a sequence. @throws HYD_USAGE */
export function readSince(text: string, nowMs: number): Since {
  return /^\d{1,15}$/.test(text) ? { seq: Number(text) } : { timeMs: parseMoment(text, { nowMs }) };
}

interface PastParts {
  journal: Journal;
  history: History | undefined;
  filters: readonly string[];
  onGap: (events: number) => void;
}

/** Reads the journal, and from the archive what the journal no longer has: it may lose segments while a slow reader is on its way. */
class PastReader implements EventReader {
  readonly #parts: PastParts;
  /** Everything below was handed on, or does not match. */
  #next: number;
  #reader: JournalReader | undefined;
  #events: AsyncIterator<JournalRecord[]> | undefined;
  /** Where `#events` end. */
  #toSeq = 0;
  /** Of the archive, and not handed on yet. */
  #rest: JournalRecord[] = [];

  constructor(parts: PastParts, fromSeq: number) {
    this.#parts = parts;
    this.#next = fromSeq;
  }

  async read(maxRecords: number): Promise<ReadResult> {
    if (this.#rest.length === 0) {
      if (this.#next > this.#parts.journal.trimmedThrough) return this.#readJournal(maxRecords);
      await this.#readArchive();
    }
    const records = this.#rest.splice(0, maxRecords);
    for (const record of records) record.arrivalMs = Date.parse(record.ts);
    if (records.length > 0) this.#next = records.at(-1)!.seq + 1;
    return { records, next: this.#next, caughtUp: false };
  }

  close(): void {
    const events = this.#events;
    this.#events = undefined;
    events?.return?.().catch(() => {});
  }

  async #readJournal(maxRecords: number): Promise<ReadResult> {
    const { journal, filters } = this.#parts;
    this.close();
    this.#reader ??= journal.read(filters, this.#next);
    const result = await this.#reader.read(maxRecords);
    if (this.#next > journal.trimmedThrough) {
      this.#next = result.next;
      return result;
    }
    // Its segment was removed meanwhile, and the reader may have passed over what was in it.
    this.#reader = undefined;
    return { records: [], next: this.#next, caughtUp: false };
  }

  async #readArchive(): Promise<void> {
    const { journal, history, filters, onGap } = this.#parts;
    this.#reader = undefined;
    if (!history) {
      onGap(journal.trimmedThrough + 1 - this.#next);
      this.#next = journal.trimmedThrough + 1;
      return;
    }
    if (!this.#events) {
      this.#toSeq = journal.trimmedThrough + 1;
      this.#events = history.read(filters, { fromSeq: this.#next, toSeq: this.#toSeq })[Symbol.asyncIterator]() as AsyncIterator<
        JournalRecord[]
      >;
    }
    try {
      const batch = await this.#events.next();
      if (!batch.done) {
        this.#rest = batch.value;
        return;
      }
      this.#next = this.#toSeq;
    } catch (error) {
      this.close();
      throw error;
    }
    this.#events = undefined;
  }
}
