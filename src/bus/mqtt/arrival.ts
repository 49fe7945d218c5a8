import type { StoredEvent } from '../../wire/event.ts';
import type { Delivery } from '../bus.ts';

/** Who takes an arrival, and is told what the reader makes of it. */
export interface Taker {
  take(arrival: Arrival): void;
  onAck(arrival: Arrival): void;
  onNak(arrival: Arrival, delayMs: number): void;
}

/**
 * One message from PUBLISH until its acknowledgement has left, and the delivery that the reader is given. All in one object and without
 * closures: what lives as long as a group commit takes is what the garbage collector copies.
 */
export class Arrival implements Delivery {
  readonly event: StoredEvent;
  redelivered: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  /** The connection on which it came last. */
  turn: number;
  /** May be acknowledged to the server in its turn. */
  done = false;
  /** Several took it: a part for each, and it is done when all of them are. */
  parts: readonly Arrival[] | undefined;
  /** What this is a part of. */
  readonly whole: Arrival | undefined;
  readonly taker: Taker;
  #answered = false;

  constructor(event: StoredEvent, packetId: number, turn: number, taker: Taker, whole?: Arrival) {
    this.event = event;
    this.redelivered = event.dup === true;
    this.packetId = packetId;
    this.turn = turn;
    this.taker = taker;
    this.whole = whole;
  }

  ack(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.taker.onAck(this);
  }

  nak(delayMs = 0): void {
    if (this.#answered) return;
    this.#answered = true;
    this.taker.onNak(this, delayMs);
  }
}
