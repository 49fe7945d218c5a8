import { HydrantError } from '../../core/errors.ts';
import type { ChannelReport } from './messages.ts';
import type { Statements } from './statements.ts';

/** Numbers of one channel. */
const RANGE = 2 ** 40;
const MAX_CHANNELS = 2 ** 13 - 1;

export interface Channel {
  number: number;
  name: string;
  next: number;
  events: number;
  bytes: number;
  quarantined: number;
  quarantinedBytes: number;
  wantedEvents: number;
  wantedBytes: number;
}

/** Places: from `first` to before `end`. */
export interface Range {
  first: number;
  end: number;
}

/** The channels of an outbox as its database has them, each summed up in one row, and which of them have changed. */
export class ChannelTable {
  readonly #sql: Statements;
  readonly #byName = new Map<string, Channel>();
  readonly #byNumber = new Map<number, Channel>();
  readonly #changed = new Set<Channel>();

  constructor(sql: Statements) {
    this.#sql = sql;
  }

  /** Made when missing; its number is never given again. */
  open(name: string): Channel {
    const known = this.#byName.get(name);
    if (known) return known;
    const number = this.#byNumber.size + 1;
    if (number > MAX_CHANNELS) throw new HydrantError('HYD_OUTBOX', `the outbox has ${MAX_CHANNELS} channels, and that is all it can keep`);
    const channel = { number, name, next: 1, events: 0, bytes: 0, quarantined: 0, quarantinedBytes: 0, wantedEvents: 0, wantedBytes: 0 };
    this.#byName.set(name, channel);
    this.#byNumber.set(number, channel);
    return channel;
  }

  /** The channel of a place. */
  of(seq: number): Channel {
    const channel = this.#byNumber.get(Math.floor(seq / RANGE));
    if (!channel) throw new HydrantError('HYD_OUTBOX', `the outbox has an event ${seq} of a channel that it does not know`);
    return channel;
  }

  rangeOf(name: string): Range | undefined {
    const channel = this.#byName.get(name);
    return channel && placesOf(channel);
  }

  /** To be saved, and to be told of. */
  touch(channel: Channel): void {
    this.#changed.add(channel);
  }

  /** Writes the rows of those that have changed. */
  save(): void {
    for (const { number, name, next, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes } of this.#changed) {
      this.#sql
        .of('INSERT OR REPLACE INTO channels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
        .run(number, name, next, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes);
    }
  }

  /** Reads the channels again. Places that were given in a commit that failed are not given again. @returns those that differ */
  load(): string[] {
    const before = new Map(this.#byName);
    this.#byName.clear();
    this.#byNumber.clear();
    const differing: string[] = [];
    for (const row of this.#sql.rows('SELECT * FROM channels')) {
      const [number, name, next, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes] = row as [
        number,
        string,
        ...number[],
      ];
      const known = before.get(name);
      const channel = {
        number,
        name,
        next: Math.max(next!, known?.next ?? 0),
        events: events!,
        bytes: bytes!,
        quarantined: quarantined!,
        quarantinedBytes: quarantinedBytes!,
        wantedEvents: wantedEvents!,
        wantedBytes: wantedBytes!,
      };
      this.#byName.set(name, channel);
      this.#byNumber.set(number, channel);
      if (known) this.#changed.delete(known);
      this.#changed.add(channel);
      if (!known || JSON.stringify(known) !== JSON.stringify(channel)) differing.push(name);
    }
    return differing;
  }

  /** Those that have changed since it was last asked. */
  takeReports(): ChannelReport[] {
    const reports = [...this.#changed].map((channel) => this.#report(channel));
    this.#changed.clear();
    return reports;
  }

  #report(channel: Channel): ChannelReport {
    const { name, events, bytes, quarantined, quarantinedBytes, wantedEvents, wantedBytes } = channel;
    const { first, end } = placesOf(channel);
    const oldest =
      events === 0
        ? undefined
        : this.#sql.row('SELECT seq, stored_ms FROM events WHERE seq >= ? AND seq < ? ORDER BY seq LIMIT 1', first, end);
    const [oldestSeq, oldestMs] = (oldest ?? []) as number[];
    return {
      name,
      first,
      end,
      events,
      bytes,
      quarantined,
      quarantinedBytes,
      oldestSeq,
      oldestMs,
      wanted: { events: wantedEvents, bytes: wantedBytes },
    };
  }
}

/** The place that its next event is given. */
export function nextSeq({ number, next }: Channel): number {
  return number * RANGE + next;
}

export function placesOf({ number }: Channel): Range {
  return { first: number * RANGE, end: (number + 1) * RANGE };
}
