import { DAY_MS } from '../keys.ts';

type ProblemKind =
  /** Sequences that no object or segment of their epoch has, that two objects have, or that two epochs have. */
  | 'gap'
  | 'duplicate'
  | 'fork'
  /** A line without a good crc, a sequence out of order, or lines that were damaged already when they were sealed. */
  | 'damaged'
  | 'order'
  /** An object and its manifest: one without the other, or they do not agree. */
  | 'orphan-object'
  | 'orphan-manifest'
  | 'manifest'
  | 'size'
  | 'hash'
  | 'count'
  /** It cannot be unpacked to its end. */
  | 'unreadable'
  /** Content that was found where an archive object belongs and was set aside. */
  | 'quarantined';

export interface Problem {
  kind: ProblemKind;
  /** `YYYY-MM-DD`; empty when it belongs to none. */
  day: string;
  /** Path of a segment or key of an object. */
  name: string;
  detail: string;
  firstSeq?: number;
  lastSeq?: number;
}

/** What is worth knowing and no fault of the archive. */
export interface Note {
  /** `broker-gap`: a stretch of time in which the broker may have dropped events. `repeated-id`: a publisher used an id twice. */
  kind: 'broker-gap' | 'repeated-id';
  day: string;
  name: string;
  detail: string;
  seq: number;
}

export interface VerifiedDay {
  day: string;
  objects: number;
  segments: number;
  events: number;
  bytes: number;
  /** Sequences left out on purpose. */
  excluded: number;
  /** Notes of each kind. */
  brokerGaps: number;
  repeatedIds: number;
  problems: number;
}

export interface VerifyResult {
  /** `partial`: something is missing, damaged or contradictory. */
  status: 'ok' | 'partial';
  objects: number;
  segments: number;
  events: number;
  excluded: number;
  brokerGaps: number;
  repeatedIds: number;
  days: VerifiedDay[];
  /** The first 10 000. */
  problems: Problem[];
  problemCount: number;
  /** The first 1 000 of each kind; the days have their numbers. */
  notes: Note[];
}

const MAX_PROBLEMS = 10_000;
const MAX_NOTES = 1000;
const NOTE_COUNTS = { 'broker-gap': 'brokerGaps', 'repeated-id': 'repeatedIds' } as const;
const EMPTY_DAY = Object.freeze({ objects: 0, segments: 0, events: 0, bytes: 0, excluded: 0, brokerGaps: 0, repeatedIds: 0, problems: 0 });

/** Gathers what a check finds, by day. */
export class VerifyReport {
  readonly #days = new Map<string, VerifiedDay>();
  readonly #problems: Problem[] = [];
  readonly #notes: Note[] = [];
  readonly #noteCounts = { 'broker-gap': 0, 'repeated-id': 0 };
  #problemCount = 0;

  /** Adds to a day's sums; what belongs to no day is not summed. */
  count(day: string, more: Partial<Omit<VerifiedDay, 'day'>>): void {
    if (day === '') return;
    const sums = this.#days.get(day) ?? { day, ...EMPTY_DAY };
    this.#days.set(day, sums);
    for (const [key, count] of Object.entries(more) as [keyof typeof more, number][]) sums[key] += count;
  }

  problem(kind: ProblemKind, day: string, name: string, detail: string, firstSeq?: number, lastSeq?: number): void {
    this.#problemCount++;
    this.count(day, { problems: 1 });
    if (this.#problems.length >= MAX_PROBLEMS) return;
    const sequences = { ...(firstSeq !== undefined && { firstSeq }), ...(lastSeq !== undefined && { lastSeq }) };
    this.#problems.push({ kind, day, name, detail, ...sequences });
  }

  note(kind: Note['kind'], day: string, name: string, detail: string, seq: number): void {
    this.count(day, { [NOTE_COUNTS[kind]]: 1 });
    if (++this.#noteCounts[kind] <= MAX_NOTES) this.#notes.push({ kind, day, name, detail, seq });
  }

  result(): VerifyResult {
    const days = [...this.#days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
    const sum = (key: Exclude<keyof VerifiedDay, 'day'>): number => days.reduce((total, day) => total + day[key], 0);
    return {
      status: this.#problemCount === 0 ? 'ok' : 'partial',
      objects: sum('objects'),
      segments: sum('segments'),
      events: sum('events'),
      excluded: sum('excluded'),
      brokerGaps: sum('brokerGaps'),
      repeatedIds: sum('repeatedIds'),
      days,
      problems: this.#problems,
      problemCount: this.#problemCount,
      notes: this.#notes,
    };
  }
}

/** `YYYY-MM-DD`, or empty when nobody knows. */
export function dayText(ms: number): string {
  return Number.isNaN(ms) ? '' : new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
}
