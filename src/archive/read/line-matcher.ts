import { errorText } from '../../core/errors.ts';
import type { TimeRange } from '../../core/time-range.ts';
import type { StoredEvent } from '../../wire/event.ts';
import { checkLineCrc, decodeLine } from '../../wire/line.ts';
import { matchFilter } from '../../wire/topic.ts';
import type { Chunk } from '../chunks.ts';
import { LineView, splitGlued } from '../line-view.ts';
import type { Piece } from '../pieces.ts';
import { holdsSeq } from '../seq-set.ts';
import { LineFields } from './line-fields.ts';
import { TopicMemo } from './topic-memo.ts';

export interface ScanRecord {
  /** Parsed when first asked for. */
  readonly event: StoredEvent;
  /** The archive line as it stands there, newline excluded. */
  readonly line: Buffer;
  /** With `event.seq` the record's identity; empty in a day that the seed program wrote. */
  readonly journal: string;
  readonly epoch: string;
}

/** A line whose checksum was good: parsing it, and even cutting it out, can wait. */
class CheckedRecord implements ScanRecord {
  readonly journal: string;
  readonly epoch: string;
  readonly #chunk: Buffer;
  readonly #start: number;
  readonly #end: number;
  #event: StoredEvent | undefined;

  constructor(chunk: Buffer, start: number, end: number, piece: Piece) {
    this.#chunk = chunk;
    this.#start = start;
    this.#end = end;
    this.journal = piece.journal;
    this.epoch = piece.epoch;
  }

  get line(): Buffer {
    return this.#chunk.subarray(this.#start, this.#end);
  }

  get event(): StoredEvent {
    this.#event ??= decodeLine(this.#chunk, this.#start, this.#end, { crc: 'checked' });
    return this.#event;
  }
}

/** What a line must be to match. */
export interface MatchOptions extends TimeRange {
  /** MQTT filters, any of which may match. Default: every topic. */
  filters?: readonly string[];
  /** Asked for each line that is wanted otherwise. What it is given is only good during the call. */
  where?: (event: StoredEvent) => boolean;
  /** Only this journal. */
  journal?: string;
  /**
   * Begin at this sequence, and end before that one, of `journal` or else of the newest journal; days without sequences are left out.
   */
  fromSeq?: number;
  toSeq?: number;
  /** Matches to give, at most. */
  limit?: number;
  /** Lines to look at, at most. */
  maxScan?: number;
}

export interface MatchCounts {
  linesScanned: number;
  linesMatched: number;
  /** Why it ended before everything was looked at. */
  stopped?: 'limit' | 'max-scan';
}

/** Finds the lines that match in whole chunks of them. The topic is read from the raw bytes; only what matches is parsed. */
export class LineMatcher {
  readonly #options: MatchOptions;
  readonly #counts: MatchCounts;
  readonly #onDamaged: (piece: Piece, offset: number, reason: string) => void;
  readonly #view = new LineView();
  readonly #fields = new LineFields(this.#view);
  readonly #sinceMs: number;
  readonly #untilMs: number;
  readonly #all: boolean;
  /** Whether `#` is the only filter: every topic but those that begin with `$`. */
  readonly #common: boolean;
  readonly #bySeq: boolean;
  readonly #ns = (): number => this.#view.tsNs();
  readonly #topics = new TopicMemo((topic) => this.#isWanted(topic));
  #chunk!: Chunk;
  #piece!: Piece;
  #found: ScanRecord[] = [];
  #lastSeq = 0;

  constructor(options: MatchOptions, counts: MatchCounts, onDamaged: (piece: Piece, offset: number, reason: string) => void) {
    this.#options = options;
    this.#counts = counts;
    this.#onDamaged = onDamaged;
    this.#sinceMs = options.sinceMs ?? Number.NEGATIVE_INFINITY;
    this.#untilMs = options.untilMs ?? Number.POSITIVE_INFINITY;
    const { filters = [] } = options;
    this.#all = filters.length === 0;
    this.#common = filters.length === 1 && filters[0] === '#';
    this.#bySeq = options.fromSeq !== undefined || options.toSeq !== undefined;
  }

  /** The matches of one chunk, in its order; counts what it looked at. Chunks of a piece come in their order. */
  match(piece: Piece, chunk: Chunk): ScanRecord[] {
    const { bytes, starts } = chunk;
    const { limit = Number.POSITIVE_INFINITY, maxScan = Number.POSITIVE_INFINITY } = this.#options;
    const counts = this.#counts;
    if (piece !== this.#piece) this.#lastSeq = 0;
    this.#piece = piece;
    this.#chunk = chunk;
    this.#found = [];
    let start = 0;
    if (piece.kind === 'segment' && chunk.offset === 0 && !starts) start = this.#header(bytes);
    for (let i = 0; starts ? i < starts.length : start < bytes.length; i++) {
      if (counts.linesScanned >= maxScan) {
        counts.stopped = 'max-scan';
        break;
      }
      if (starts) start = starts[i]!;
      let end = bytes.indexOf(10, start);
      if (end === -1) {
        if (!chunk.ends) break;
        end = bytes.length;
      }
      counts.linesScanned++;
      if (!this.#take(start, end)) this.#salvage(start, end);
      start = end + 1;
      if (counts.linesMatched >= limit) {
        counts.stopped = 'limit';
        break;
      }
    }
    return this.#found;
  }

  /** A segment's first line is no event, unless the newline after it is gone. */
  #header(bytes: Buffer): number {
    const end = bytes.indexOf(10);
    if (end === -1) return bytes.length;
    if (checkLineCrc(bytes, 0, end) !== 'good') this.#salvage(0, end);
    return end + 1;
  }

  /** Tries what is glued together in a damaged line; tells of what cannot be read. */
  #salvage(start: number, end: number): void {
    for (const [from, to] of splitGlued(this.#chunk.bytes, start, end)) {
      if (this.#take(from, to)) continue;
      this.#onDamaged(this.#piece, this.#chunk.offset + from, reasonOf(this.#chunk.bytes, from, to, this.#needsCrc));
    }
  }

  get #needsCrc(): boolean {
    return this.#piece.kind === 'segment';
  }

  /** False when the line is damaged. */
  #take(start: number, end: number): boolean {
    const { bytes, trusted, inTime } = this.#chunk;
    const view = this.#view;
    if (!view.read(bytes, start, end)) return this.#parse(start, end);
    const crc = trusted ? 'good' : checkLineCrc(bytes, start, end);
    if (crc !== 'good' && (this.#needsCrc || crc === 'bad')) return false;
    const wanted = this.#all || (this.#common ? !view.isInternal : this.#topics.isWanted(view));
    if (!wanted) return crc === 'good' || bytes[end - 1] === BRACE;
    if (!inTime && !this.#isInTime(view.tsMs(), this.#ns)) return true;
    if (crc !== 'good') return this.#parse(start, end);
    const { kind, told } = this.#piece;
    if (kind === 'segment' || told.length > 0 || this.#bySeq) {
      const known = this.#knows(view.seq());
      if (known !== undefined) return known;
    }
    const { where } = this.#options;
    if (where) {
      this.#fields.set(bytes, start, end);
      if (!where(this.#fields)) return true;
    }
    return this.#accept(new CheckedRecord(bytes, start, end, this.#piece));
  }

  /** Of lines without a checksum, and of those that are not in the usual form. */
  #parse(start: number, end: number): boolean {
    const { bytes } = this.#chunk;
    const { journal, epoch } = this.#piece;
    let event: StoredEvent;
    try {
      event = decodeLine(bytes, start, end, { crc: this.#needsCrc ? 'required' : 'optional' });
    } catch {
      return false;
    }
    if ((!this.#all && !this.#isWanted(event.topic)) || !this.#isInTime(Date.parse(event.ts), () => nanosOf(event.ts))) return true;
    const known = this.#knows(event.seq);
    if (known !== undefined) return known;
    if (this.#options.where?.(event) === false) return true;
    return this.#accept({ event, line: bytes.subarray(start, end), journal, epoch });
  }

  /** The nanoseconds count only in the first and the last millisecond. */
  #isInTime(ms: number, ns: () => number): boolean {
    const { sinceNs = 0, untilNs } = this.#options;
    if (ms < this.#sinceMs || ms >= this.#untilMs) return false;
    if (ms === this.#sinceMs && sinceNs > 0 && ns() < sinceNs) return false;
    return untilNs === undefined || ms < this.#untilMs - 1 || ns() < untilNs;
  }

  /** True when the sequence is told elsewhere or not asked for, false when it is out of order, undefined when it is to be told. */
  #knows(seq: number): boolean | undefined {
    const { kind, last, told } = this.#piece;
    if (kind === 'segment') {
      // What is above the last one was written again into the next segment.
      if (seq === 0 || seq > last) return true;
      if (seq <= this.#lastSeq) return false;
      this.#lastSeq = seq;
    }
    if (told.length > 0 && holdsSeq(told, seq)) return true;
    const { fromSeq = 0, toSeq = Number.POSITIVE_INFINITY } = this.#options;
    return seq < fromSeq || seq >= toSeq ? true : undefined;
  }

  #accept(record: ScanRecord): true {
    this.#counts.linesMatched++;
    this.#found.push(record);
    return true;
  }

  #isWanted(topic: string): boolean {
    return this.#options.filters!.some((filter) => matchFilter(filter, topic));
  }
}

const BRACE = 125;

/** Nanoseconds below the whole milliseconds of a time as written. */
function nanosOf(ts: string): number {
  const fraction = /\.(\d+)/.exec(ts)?.[1] ?? '';
  return Number(fraction.slice(3, 9).padEnd(6, '0'));
}

function reasonOf(bytes: Buffer, start: number, end: number, needsCrc: boolean): string {
  try {
    decodeLine(bytes, start, end, { crc: needsCrc ? 'required' : 'optional' });
    return 'its sequence is out of order';
  } catch (error) {
    return errorText(error);
  }
}
