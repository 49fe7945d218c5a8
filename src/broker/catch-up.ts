import type { History } from '../bus/history.ts';
import { HydrantError } from '../core/errors.ts';
import { parseMoment } from '../core/time-range.ts';
import type { Journal } from '../journal/journal.ts';
import type { ReadResult } from '../journal/reader.ts';
import type { JournalRecord } from '../journal/record.ts';
import { filterFault } from '../wire/topic.ts';

/** Reads forward until it has caught up. */
export interface EventReader {
  read(maxRecords: number): Promise<ReadResult>;
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
    const { timeMs } = since;
    const oldest = this.#journal.segments[0];
    if (this.#history && (!oldest || oldest.minMs > timeMs)) {
      const seq = await this.#history.seqAt(timeMs);
      if (seq !== undefined && (!oldest || seq < oldest.first)) return seq;
    }
    return this.#journal.seqAt(timeMs);
  }

  async read(filters: readonly string[], fromSeq: number): Promise<EventReader> {
    const lost = this.#journal.trimmedThrough;
    if (fromSeq > lost) return this.#journal.read(filters, fromSeq);
    if (this.#history) return new ArchiveFirst(this.#journal, this.#history, filters, fromSeq, lost + 1);
    this.#onGap(lost + 1 - fromSeq);
    return this.#journal.read(filters, lost + 1);
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

/** From the archive up to where the journal begins, then from the journal. */
class ArchiveFirst implements EventReader {
  readonly #journal: Journal;
  readonly #filters: readonly string[];
  readonly #toSeq: number;
  #events: AsyncIterator<JournalRecord[]> | undefined;
  #rest: JournalRecord[] = [];
  #reader: EventReader | undefined;
  #next: number;

  constructor(journal: Journal, history: History, filters: readonly string[], fromSeq: number, toSeq: number) {
    this.#journal = journal;
    this.#filters = filters;
    this.#toSeq = toSeq;
    this.#next = fromSeq;
    this.#events = history.read(filters, { fromSeq, toSeq })[Symbol.asyncIterator]() as AsyncIterator<JournalRecord[]>;
  }

  async read(maxRecords: number): Promise<ReadResult> {
    if (this.#reader) return this.#reader.read(maxRecords);
    if (this.#rest.length === 0) {
      const batch = await this.#events!.next();
      if (batch.done) {
        this.#reader = this.#journal.read(this.#filters, this.#toSeq);
        return this.#reader.read(maxRecords);
      }
      this.#rest = batch.value;
    }
    const records = this.#rest.splice(0, maxRecords);
    for (const record of records) record.arrivalMs = Date.parse(record.ts);
    if (records.length > 0) this.#next = records.at(-1)!.seq + 1;
    return { records, next: this.#next, caughtUp: false };
  }
}
