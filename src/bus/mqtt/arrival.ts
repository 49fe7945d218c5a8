import type { StoredEvent } from '../../wire/event.ts';
import type { Delivery } from '../bus.ts';

/** Who is told what the reader makes of an arrival. */
export interface ArrivalOwner {
  onAck(arrival: Arrival): void;
  onNak(arrival: Arrival, delayMs: number): void;
}

/**
 * One message from PUBLISH until its acknowledgement has left, and the delivery that the reader is given. All in one object and without
 * closures: what lives as long as a group commit takes is what the garbage collector copies.
 */
export class Arrival implements Delivery {
  readonly event: StoredEvent;
  readonly redelivered: boolean;
  /** 0 at QoS 0. */
  readonly packetId: number;
  /** The connection on which it came last. */
  turn: number;
  /** May be acknowledged to the server in its turn. */
  done = false;
  readonly #owner: ArrivalOwner;
  #answered = false;

  constructor(event: StoredEvent, packetId: number, turn: number, owner: ArrivalOwner) {
    this.event = event;
    this.redelivered = event.dup === true;
    this.packetId = packetId;
    this.turn = turn;
    this.#owner = owner;
  }

  ack(): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#owner.onAck(this);
  }

  nak(delayMs = 0): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#owner.onNak(this, delayMs);
  }
}
