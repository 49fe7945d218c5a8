import type { HydrantError } from '../../core/errors.ts';
import type { Event } from '../../wire/event.ts';

/** An event on its way into the outbox. */
export interface OutboxEvent extends Event {
  /** ULID; the far end can drop a repeat by it. */
  id: string;
  /** Which queue it belongs to; events of one channel keep their order. */
  channel: string;
  /** Milliseconds since 1970 after which nobody wants it. Default: never. */
  expiresMs?: number;
  /** Takes the place of what waits in the channel under the same key and is not out. Default: none. */
  key?: string;
}

/** An event in the outbox. */
export interface OutboxRecord extends OutboxEvent {
  /** Its place: higher is later within a channel. Says nothing across channels. */
  seq: number;
  storedMs: number;
  /** Times that the connection ended while it alone was out. */
  attempts: number;
}

/** Who stores an event: told once. */
export interface Storer {
  /** It is on disk. */
  onStored(record: OutboxRecord): void;
  /** It is not. */
  onRefused(error: HydrantError): void;
}

/** What happens when a channel is at its bound. */
export type FullPolicy = 'reject' | 'wait' | 'drop-oldest';

/** Bounds of one channel. */
export interface ChannelBounds {
  /** Default 1 000 000. */
  maxEvents?: number;
  /** Payload and topic bytes. Default 1 GiB. */
  maxBytes?: number;
  /** What is older is dropped with an event and a counter, milliseconds. Default: none. */
  maxAgeMs?: number;
  /** Default `reject`. `wait` gives up after `waitMs` with HYD_OUTBOX_FULL. `drop-oldest` never drops what is out. */
  whenFull?: FullPolicy;
  /** Only with `wait`, milliseconds. Default 100, as the document's client had. */
  waitMs?: number;
  /** Higher goes first; lower ones get their share all the same. Default 0. */
  priority?: number;
}

/** Why an event left the outbox without an acknowledgement, or will not leave by itself. */
export type DropReason = 'oldest' | 'age' | 'expired' | 'replaced' | 'operator';

/** Places that left the outbox unsent. */
export interface DroppedRange {
  first: number;
  last: number;
  reason: DropReason;
}

/** What is in a channel. Known without reading the events. */
export interface ChannelState {
  readonly events: number;
  readonly bytes: number;
  /** The place of the first: what was stored before it has gone. */
  readonly oldestSeq: number | undefined;
  /** When the oldest was stored, milliseconds since 1970; undefined when there is none. */
  readonly oldestMs: number | undefined;
  readonly quarantined: number;
  readonly quarantinedBytes: number;
}

/** An event that is kept and not sent: the server hung up on it again and again, or refused it for good. */
export interface Quarantined extends OutboxRecord {
  reason: string;
  quarantinedMs: number;
}

/**
 * Events on disk until the bus has acknowledged them (node:sqlite in a thread, group commit, synchronous FULL). Opens in constant time
 * whatever it holds. Several processes may store into one folder; one of them at a time sends (`claim`).
 */
export interface Outbox extends AsyncDisposable {
  readonly channels: ReadonlyMap<string, ChannelState>;
  /** Told of what this process, or another one (`foreign`), stored, after it is on disk, in the order of storing; of another's only the channel is known. */
  onStored: (records: OutboxRecord[]) => void;
  onForeign: (channels: ReadonlySet<string>) => void;
  /** Told of what was dropped. Its `acked` is to be rejected with HYD_DROPPED. */
  onDropped: (records: readonly Pick<OutboxRecord, 'seq' | 'id' | 'channel' | 'topic'>[], reason: DropReason) => void;
  /** Bounds of a channel; default ones until then. */
  configure(channel: string, bounds: ChannelBounds): void;
  /**
   * Resolves once it is on disk.
   * @throws HYD_OUTBOX_FULL (retryable) at the bound, HYD_OUTBOX (retryable; the disk is full or failing), HYD_TOO_LARGE, HYD_CLOSED
   */
  put(event: OutboxEvent, options?: { signal?: AbortSignal }): Promise<OutboxRecord>;
  /** The same for who stores tens of thousands a second, and for each of them would rather be called than have a promise. */
  store(event: OutboxEvent, storer: Storer, options?: { signal?: AbortSignal }): void;
  /** What is in a channel after `afterSeq`, in order, bounded. @throws HYD_OUTBOX */
  read(channel: string, afterSeq: number, bounds: { maxEvents: number; maxBytes: number }): Promise<OutboxRecord[]>;
  /** Notes that they are out, or no more, so that a bound or a key does not drop them meanwhile. In memory. */
  markOut(seqs: readonly number[], out: boolean): void;
  /** The bus has acknowledged it, or it is dropped for this reason: deleted with the next group commit. */
  remove(seq: number, dropped?: DropReason): void;
  /** What left unsent, of any process, the last of it: 1 000 ranges, without what was replaced. @throws HYD_OUTBOX */
  dropped(): Promise<DroppedRange[]>;
  /** Resolves once everything removed so far is durable. */
  settled(): Promise<void>;
  noteAttempt(seq: number, attempts: number): void;
  /** Out of its channel, kept for an operator. */
  quarantine(seq: number, reason: string): Promise<void>;
  /** In pieces, by place. Default: 1 000 events or 16 MiB after the first place. @throws HYD_OUTBOX */
  quarantined(bounds?: { afterSeq?: number; maxEvents?: number; maxBytes?: number }): Promise<Quarantined[]>;
  /** Back to its channel's end, with a new place. Resolves with false when it is not there. */
  retry(seq: number): Promise<boolean>;
  /** Out of its channel or the quarantine, for good; `reason` (default `operator`) is what `onDropped` is told. */
  drop(seq: number, reason?: DropReason): Promise<boolean>;
  /** A small value of the client's own that survives restarts (a state document, the last configuration). */
  getNote(name: string): Promise<Uint8Array | undefined>;
  setNote(name: string, value: Uint8Array | undefined): Promise<void>;
  /** Sets it unless there is one: of several processes the first one does. Resolves with what it is now. @throws HYD_OUTBOX */
  keepNote(name: string, value: Uint8Array): Promise<Uint8Array>;
  /** The right to send from this folder: resolves when no other process has it. @throws HYD_ABORTED */
  claim(options?: { signal?: AbortSignal }): Promise<void>;
  /**
   * Commits what is under way. Twice is fine.
   * @param options.deadlineMs for a disk that does not answer: what waits for it then rejects with HYD_OUTBOX, and may be stored. Default: as long as it takes
   */
  close(options?: { deadlineMs?: number }): Promise<void>;
}
