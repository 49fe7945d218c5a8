import { decodeLine } from '../wire/line.ts';
import { matchFilter } from '../wire/topic.ts';
import type { IndexCache } from './index-cache.ts';
import type { JournalRecord } from './record.ts';
import type { Segment } from './segment.ts';
import { DAMAGED, type SegmentIndex } from './segment-index.ts';

/** What a reader needs of its journal. */
interface Source {
  readonly head: number;
  readonly segments: readonly Segment[];
  reportDamage(path: string, offset: number, error: unknown): void;
}

export interface ReadResult {
  records: JournalRecord[];
  /** Everything below this sequence has been looked at. */
  next: number;
  /** Nothing on disk is left to read: `next` is above the head of this moment. */
  caughtUp: boolean;
}

const SELECT_LIMIT = 16_384;
/** Lines this close together are read in one go. */
const GAP_BYTES = 32 * 1024;
const SPAN_BYTES = 512 * 1024;

/** A stretch of the file that is read in one go, and where in it the wanted lines begin. */
interface Span {
  start: number;
  end: number;
  offsets: number[];
}

/** Reads a journal forward through filters. Costs what matches, not what passed. */
export class JournalReader {
  readonly #source: Source;
  readonly #indexes: IndexCache;
  readonly #filters: readonly string[] | undefined;
  #next: number;
  /** Ordinals still to read in `#segment`; when they are used up, everything below `#limit` has been looked at. */
  #segment: Segment | undefined;
  #index: SegmentIndex | undefined;
  #ordinals: Uint32Array = new Uint32Array(0);
  #at = 0;
  #limit = 0;

  /** @param filters none: every event, topics that start with `$` included */
  constructor(source: Source, indexes: IndexCache, filters: readonly string[] | undefined, fromSeq: number) {
    this.#source = source;
    this.#indexes = indexes;
    this.#filters = filters;
    this.#next = fromSeq;
  }

  /**
   * The next matching events, at most `maxRecords` and about `maxBytes` of lines (one event at least).
   * An empty result that is not caught up means: call again.
   */
  async read(maxRecords: number, maxBytes = 256 * 1024): Promise<ReadResult> {
    if (this.#at >= this.#ordinals.length && !(await this.#select()))
      return { records: [], next: this.#next, caughtUp: this.#next > this.#source.head };
    const segment = this.#segment!;
    const spans: Span[] = [];
    let bytes = 0;
    let to = this.#at;
    for (const from = to; to < this.#ordinals.length && to - from < maxRecords && bytes < maxBytes; to++) {
      const start = this.#index!.offset(this.#ordinals[to]!);
      if (start === DAMAGED) continue;
      const end = this.#endOf(this.#ordinals[to]!);
      bytes += end - start;
      const last = spans.at(-1);
      if (last && start - last.end <= GAP_BYTES && end - last.start <= SPAN_BYTES) {
        last.end = end;
        last.offsets.push(start);
      } else spans.push({ start, end, offsets: [start] });
    }
    this.#at = to;
    this.#next = to < this.#ordinals.length ? segment.first + this.#ordinals[to]! : this.#limit;
    const read = await Promise.all(spans.map(async (span) => this.#decode(segment, span, await segment.read(span.start, span.end))));
    return { records: read.flat(), next: this.#next, caughtUp: this.#next > this.#source.head };
  }

  /** Finds the segment of `#next` and what matches in it. False when there is nothing on disk to look at. */
  async #select(): Promise<boolean> {
    const { head, segments } = this.#source;
    const segment = segments.find((candidate) => candidate.last >= this.#next);
    if (!segment || this.#next > head) return false;
    const last = Math.min(segment.last, head);
    const index = await this.#indexes.get(segment);
    const from = Math.max(0, this.#next - segment.first);
    const selected = index.select(this.#filters ?? ['#'], from, SELECT_LIMIT);
    const whole = selected.length < SELECT_LIMIT;
    let length = selected.length;
    while (length > 0 && segment.first + selected[length - 1]! > last) length--;
    this.#segment = segment;
    this.#index = index;
    this.#ordinals = selected.subarray(0, length);
    this.#at = 0;
    this.#limit = whole || length < selected.length ? last + 1 : segment.first + selected[length - 1]! + 1;
    if (length === 0) {
      this.#next = this.#limit;
      return false;
    }
    return true;
  }

  #decode(segment: Segment, span: Span, bytes: Buffer): JournalRecord[] {
    const records: JournalRecord[] = [];
    for (const offset of span.offsets) {
      const at = offset - span.start;
      const stop = bytes.indexOf(10, at);
      try {
        const event = decodeLine(bytes, at, stop === -1 ? bytes.length : stop, { crc: 'required' });
        if (this.#filters && !this.#filters.some((filter) => matchFilter(filter, event.topic))) continue;
        records.push(Object.assign(event, { arrivalMs: Date.parse(event.ts) }));
      } catch (error) {
        this.#source.reportDamage(segment.path, offset, error);
      }
    }
    return records;
  }

  #endOf(ordinal: number): number {
    for (let next = ordinal + 1; next < this.#index!.records; next++) {
      const offset = this.#index!.offset(next);
      if (offset !== DAMAGED) return Math.min(offset, this.#segment!.bytes);
    }
    return this.#segment!.bytes;
  }
}
