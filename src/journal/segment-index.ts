import { hasWildcard, matchFilter } from '../wire/topic.ts';

/** Offset of a record that cannot be read. */
export const DAMAGED = 0xffff_ffff;
/** One time per so many records. */
const TIME_STRIDE = 256;

/** The flat form of an index, as it is saved beside its segment. */
export interface IndexTables {
  topics: string[];
  /** Byte offset of each record in the segment. */
  offsets: Uint32Array;
  /** Ordinal + 1 of the record before it on the same topic, 0 for none. */
  previous: Uint32Array;
  /** Ordinal + 1 of the last record of each topic. */
  latest: Uint32Array;
  /** Arrival time in milliseconds of every TIME_STRIDE-th record. */
  times: Float64Array;
}

/**
 * Where a segment's records are, by topic and by time. Records are numbered from 0 in the order they were written
 * ("ordinal"). Past `maxTopics` topics, the rest share one posting list (topic 0): what is selected is then a
 * superset, and readers check the topic.
 */
export class SegmentIndex {
  readonly #maxTopics: number;
  readonly #ids = new Map<string, number>();
  readonly #topics: string[] = [''];
  #offsets: Uint32Array;
  #previous: Uint32Array;
  #latest: Uint32Array;
  #times: number[] = [];
  #records = 0;
  /** `position/level` → ids of the topics that have that level there; made when a wildcard first asks. */
  #levels: Map<string, number[]> | undefined;
  #leveled = 1;

  constructor(options: { maxTopics?: number; tables?: IndexTables } = {}) {
    this.#maxTopics = options.maxTopics ?? 250_000;
    const tables = options.tables;
    this.#offsets = tables?.offsets ?? new Uint32Array(64);
    this.#previous = tables?.previous ?? new Uint32Array(64);
    this.#latest = tables?.latest ?? new Uint32Array(16);
    if (tables) {
      this.#records = tables.offsets.length;
      this.#times = [...tables.times];
      this.#topics = tables.topics;
      for (let id = 1; id < tables.topics.length; id++) this.#ids.set(tables.topics[id]!, id);
    }
  }

  get records(): number {
    return this.#records;
  }

  get topics(): number {
    return this.#topics.length - 1;
  }

  /** Bytes held, roughly: what a bound on loaded indexes counts. */
  get bytes(): number {
    return this.#offsets.byteLength + this.#previous.byteLength + this.#latest.byteLength + this.#topics.length * 160;
  }

  add(topic: string, offset: number, arrivalMs: number): void {
    const ordinal = this.#place(offset, arrivalMs);
    let id = this.#ids.get(topic);
    if (id === undefined) {
      id = this.#topics.length;
      if (id > this.#maxTopics) id = 0;
      else {
        this.#ids.set(topic, id);
        this.#topics.push(topic);
        if (id >= this.#latest.length) this.#latest = grown(this.#latest);
      }
    }
    this.#previous[ordinal] = this.#latest[id]!;
    this.#latest[id] = ordinal + 1;
  }

  /** A place that a damaged line takes up: counted, never found by topic. */
  addDamaged(): void {
    this.#place(DAMAGED, this.#times.at(-1) ?? 0);
  }

  #place(offset: number, arrivalMs: number): number {
    const ordinal = this.#records++;
    if (ordinal === this.#offsets.length) {
      this.#offsets = grown(this.#offsets);
      this.#previous = grown(this.#previous);
    }
    if (ordinal % TIME_STRIDE === 0) this.#times.push(arrivalMs);
    this.#offsets[ordinal] = offset;
    return ordinal;
  }

  /** Byte offset of a record, DAMAGED when it cannot be read. */
  offset(ordinal: number): number {
    return this.#offsets[ordinal]!;
  }

  /** The first ordinal that may have arrived at or after `ms` (a whole stride early at most). */
  ordinalAtTime(ms: number): number {
    let stride = 0;
    while (stride + 1 < this.#times.length && this.#times[stride + 1]! < ms) stride++;
    return Math.min(stride * TIME_STRIDE, this.#records);
  }

  /**
   * Ordinals at or above `from` whose topic matches one of the filters, ascending, at most `limit` (the lowest).
   * The cost is the number of matches, and for a wildcard the number of topics that share its rarest literal level.
   */
  select(filters: readonly string[], from = 0, limit = Number.MAX_SAFE_INTEGER): Uint32Array {
    if (filters.includes('#')) {
      const length = Math.max(0, Math.min(limit, this.#records - from));
      return Uint32Array.from({ length }, (_, i) => from + i);
    }
    const ids = new Set<number>();
    if (this.#latest[0]! > from) ids.add(0);
    for (const filter of filters) {
      if (hasWildcard(filter)) {
        for (const id of this.#candidates(filter)) if (matchFilter(filter, this.#topics[id]!)) ids.add(id);
      } else {
        const id = this.#ids.get(filter);
        if (id !== undefined) ids.add(id);
      }
    }
    const found: number[] = [];
    for (const id of ids) {
      for (let next = this.#latest[id]!; next > from; next = this.#previous[next - 1]!) found.push(next - 1);
    }
    const sorted = Uint32Array.from(found).sort();
    return sorted.length > limit ? sorted.slice(0, limit) : sorted;
  }

  /** Copies cut to size, for the index file. */
  tables(): IndexTables {
    return {
      topics: this.#topics,
      offsets: this.#offsets.slice(0, this.#records),
      previous: this.#previous.slice(0, this.#records),
      latest: this.#latest.slice(0, this.#topics.length),
      times: Float64Array.from(this.#times),
    };
  }

  #candidates(filter: string): Iterable<number> {
    this.#levels ??= new Map();
    for (; this.#leveled < this.#topics.length; this.#leveled++) {
      const levels = this.#topics[this.#leveled]!.split('/');
      for (const [at, level] of levels.entries()) {
        const key = `${at}/${level}`;
        const ids = this.#levels.get(key);
        if (ids) ids.push(this.#leveled);
        else this.#levels.set(key, [this.#leveled]);
      }
    }
    let rarest: number[] | undefined;
    for (const [at, level] of filter.split('/').entries()) {
      if (level === '+' || level === '#') continue;
      const ids = this.#levels.get(`${at}/${level}`);
      if (!ids) return [];
      if (!rarest || ids.length < rarest.length) rarest = ids;
    }
    return rarest ?? this.#ids.values();
  }
}

function grown(table: Uint32Array): Uint32Array {
  const larger = new Uint32Array(table.length * 2);
  larger.set(table);
  return larger;
}
