import type { JournalRecord } from '../journal/record.ts';
import type { QoS } from '../wire/event.ts';
import type { EventReader, Since } from './catch-up.ts';
import type { Delivery } from './delivery.ts';
import type { Message } from './message.ts';
import type { Session } from './session.ts';
import type { Route, Subscription } from './subscription.ts';

/** Where a session's deliveries go while somebody is there to take them. */
export interface Sink {
  /** Deliveries out and not acknowledged, at most. */
  readonly window: number;
  /** False while too much waits to be sent. */
  readonly writable: boolean;
  /** Whether it takes packets as large as this message would make; all are taken when it does not say. */
  takes?(message: Message, qos: QoS, route: Route): boolean;
  /** At most once; dropped when the sink is not writable. */
  deliverOnce(message: Message, route: Route, retained: boolean): void;
  deliver(delivery: Delivery): void;
  /** The second half of QoS 2. */
  release(delivery: Delivery): void;
}

/** A session's part in a `$share` group. */
export interface Membership {
  /** Its client is there, or takes deliveries again. */
  onRoom(): void;
  /** Its client has gone. */
  onAbsent(): void;
}

/** What sessions need of the broker. */
export interface SessionHost {
  /** Sequence of the last event that was fanned out. */
  readonly tailSeq: number;
  readonly limits: { queuedBytes: number; queuedMessages: number };
  read(filters: readonly string[], fromSeq: number): EventReader;
  /** The first sequence at or after a point in the past. */
  startOf(since: Since): Promise<number>;
  /** Bounds how many sessions read the disk at once. */
  takeTurn<T>(work: () => Promise<T>): Promise<T>;
  fetch(seqs: number[]): Promise<Map<number, JournalRecord>>;
  nowMs(): number;
  onSettled(session: Session): void;
  onDropped(session: Session, reason: string): void;
  joinLive(session: Session, subscription: Subscription): void;
  onReadError(session: Session, error: unknown): void;
}
