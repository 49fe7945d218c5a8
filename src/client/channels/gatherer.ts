import type { Event } from '../../wire/event.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';

/** Several records of a channel as one publish. */
export interface Gathered {
  event: Event & { id: string };
  /** How many of the records it has, from the first; all of them go with its acknowledgement. */
  count: number;
}

/**
 * How a channel that gathers is sent: what waits in its turn goes as one publish, one at a time. While it is unacknowledged its records stay
 * in the outbox; after a failure they are gathered anew, with what came meanwhile.
 */
export interface Gatherer {
  /** As many records as one publish may need. */
  readonly reach: { maxEvents: number; maxBytes: number };
  /** Milliseconds that the channel waits still, 0 when it is due, infinite until `onDue` is called. Asked while none of its publishes is out. */
  waitMs(oldest: OutboxRecord, nowMs: number): number;
  /**
   * Asked when due and about to be sent. @param records from the channel's front, in order, at least one
   * @throws HYD_TOO_LARGE: the first record can never be sent and belongs into quarantine
   */
  gather(records: readonly OutboxRecord[], nowMs: number): Gathered;
  /** Set by who drains: asks to look at the channel again. */
  onDue: () => void;
}
