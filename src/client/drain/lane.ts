import { Fifo } from '../../mqtt/fifo.ts';
import type { Outbox, OutboxRecord } from '../outbox/outbox.ts';
import type { Gathering } from './gathering.ts';

/** Of one event in memory beside topic and payload, about. */
const RECORD_BYTES = 400;
/** What is read of a backlog at once, and while much is in memory already. */
const PIECE = { maxEvents: 1000, maxBytes: 1_048_576 };
const SMALL_PIECE = { maxEvents: 20, maxBytes: 65_536 };
const READ_AHEAD_BELOW = 1000;

/** Bytes of events in memory that are not out, of all channels; what is beyond stays on disk and is read when it is due. */
export interface Room {
  bytes: number;
  maxBytes: number;
}

/** One channel on its way out: what of it is in memory, in order, and when its turn is. */
export class Lane {
  readonly name: string;
  /** Several of its events go as one publish. */
  gathering: Gathering | undefined;
  /** Grows with what was sent, slower the higher the priority: the lowest goes next. */
  pass = 0;
  pace = 1;
  /** Publishes out. */
  out = 0;
  /** When it sent last. */
  sentMs = 0;
  /** A publish was refused: nothing is sent before all others that are out are settled. */
  isSettling = false;
  /** For as long as it backs off; not told by the clock, which may be set. */
  isResting = false;
  failures = 0;
  readonly #room: Room;
  readonly #waiting = new Fifo<OutboxRecord>();
  /** Was out and is to go first, the oldest last. */
  #again: OutboxRecord[] = [];
  /** In memory and no longer in the outbox. */
  readonly #gone = new Set<number>();
  /** No longer in the outbox since the read that is under way began, which may bring them all the same. */
  readonly #goneMeanwhile = new Set<number>();
  /** Of the newest that was taken into memory. */
  #lastSeq = 0;
  /** Of the newest that this process has stored. */
  #newestSeq = 0;
  /** The outbox has more than is in memory. */
  #isBehind = true;
  /** Some of it another process may have stored. */
  #isForeign = false;
  /** That since the read that is under way began. */
  #isStale = false;
  #isLoading = false;
  /** Stored by this process while a read is under way; the first of it may be in what is read. */
  #meanwhile: OutboxRecord[] = [];

  constructor(name: string, room: Room) {
    this.name = name;
    this.#room = room;
  }

  get length(): number {
    return this.#waiting.length + this.#again.length;
  }

  /** The backlog should be read on. */
  get isHungry(): boolean {
    return (
      this.#isBehind && !this.#isLoading && this.length < READ_AHEAD_BELOW && (this.#room.bytes < this.#room.maxBytes || this.length === 0)
    );
  }

  /** Was stored just now. Places of a channel follow each other: a hole is what another process has stored, and is read. */
  take(record: OutboxRecord): void {
    this.#newestSeq = record.seq;
    if (this.#isBehind) {
      if (this.#isLoading && this.#meanwhile.length < READ_AHEAD_BELOW) this.#meanwhile.push(record);
    } else if (record.seq !== this.#lastSeq + 1) this.fallBehind();
    else if (this.#room.bytes >= this.#room.maxBytes) this.#isBehind = true;
    else this.#push(record);
  }

  /** There may be more than this process has stored. */
  fallBehind(): void {
    this.#isBehind = true;
    this.#isForeign = true;
    this.#isStale = true;
  }

  /** Reads the next piece of the backlog. @returns what came, with what was stored meanwhile and follows it @throws HYD_OUTBOX */
  async load(outbox: Pick<Outbox, 'read'>): Promise<readonly OutboxRecord[]> {
    this.#isLoading = true;
    this.#isStale = false;
    try {
      const found = await outbox.read(this.name, this.#lastSeq, this.#room.bytes < this.#room.maxBytes ? PIECE : SMALL_PIECE);
      const wasAll = found.length === 0;
      const records = found.filter((record) => this.#push(record));
      for (const record of this.#meanwhile) if (record.seq === this.#lastSeq + 1 && this.#push(record)) records.push(record);
      const hasNewest = this.#lastSeq >= this.#newestSeq;
      if (wasAll) this.#isBehind = this.#isStale || (this.#meanwhile.length > 0 && !hasNewest);
      // Else live traffic would be read for ever.
      else if (!this.#isForeign && this.#newestSeq > 0) this.#isBehind = !hasNewest;
      if (!this.#isBehind) this.#isForeign = false;
      return records;
    } finally {
      this.#isLoading = false;
      this.#meanwhile = [];
      this.#goneMeanwhile.clear();
    }
  }

  /** The next to be sent. What is gone meanwhile is passed over. */
  peek(): OutboxRecord | undefined {
    for (;;) {
      const record = this.#again.at(-1) ?? this.#waiting.peek();
      if (!record || this.#gone.size === 0 || !this.#gone.delete(record.seq)) return record;
      this.shift();
    }
  }

  shift(): void {
    const record = this.#again.pop() ?? this.#waiting.shift();
    if (record) this.#room.bytes -= bytesOf(record);
  }

  /** Was out and is to be sent again, in its old place. */
  giveBack(record: OutboxRecord): void {
    this.#again.push(record);
    this.#again.sort((a, b) => b.seq - a.seq);
    this.#room.bytes += bytesOf(record);
  }

  /** It has left the outbox. */
  forget(seq: number): void {
    if (seq > this.#lastSeq) {
      if (this.#isLoading) this.#goneMeanwhile.add(seq);
    } else if (this.length > 0) this.#gone.add(seq);
    else this.#gone.clear();
    this.gathering?.forget(seq);
  }

  /** Whether its turn may come now. */
  get isReady(): boolean {
    if (this.isResting || (this.isSettling && this.out > 0)) return false;
    return this.gathering ? this.gathering.ready !== undefined : this.peek() !== undefined;
  }

  /** @returns false when it has gone meanwhile */
  #push(record: OutboxRecord): boolean {
    this.#lastSeq = record.seq;
    if (this.#goneMeanwhile.size > 0 && this.#goneMeanwhile.has(record.seq)) return false;
    this.#waiting.push(record);
    this.#room.bytes += bytesOf(record);
    return true;
  }
}

function bytesOf({ topic, payload }: OutboxRecord): number {
  return RECORD_BYTES + topic.length + payload.length;
}
