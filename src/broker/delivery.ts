import type { Message } from './message.ts';
import type { Route } from './subscription.ts';

/** One message on its way to one session. */
export interface Delivery {
  readonly packetId: number;
  /** In the journal; 0 for what is not journalled. */
  readonly seq: number;
  readonly qos: 1 | 2;
  /** `waiting` for its packet id to be durable, `sent`, `released` (PUBREC received), `done`. */
  stage: 'waiting' | 'sent' | 'released' | 'done';
  /** Given up when it was sent, or while nobody is connected, where the journal has it to be sent again. */
  message: Message | undefined;
  readonly route: Route;
  /** Sent because of a subscription, with RETAIN set. */
  readonly retained: boolean;
  /** Moves the session's cursor when it is done. */
  readonly tracked: boolean;
  /** It came from a `$share` group. */
  share: Share | undefined;
  dup: boolean;
}

/** A group's side of a delivery that one of its members makes. */
export interface Share {
  /** At QoS 2 nobody else may have it, also after a crash [MQTT-4.8.2-5]. True when that is to be durable before it is sent. */
  claim(): boolean;
  /** The group is done with it: acknowledged at QoS 1, at QoS 2 its member's for good. */
  finish(): void;
  /** The member is gone, and somebody else is to have it. False when there is no group any more. */
  giveBack(): boolean;
}

/** Of a delivery that is its member's for good [MQTT-4.8.2-4]. */
export const TAKEN: Share = { claim: () => false, finish() {}, giveBack: () => false };

const MAX_SPAN = 10_000;

/** Tracked deliveries by sequence: the lowest that is not done, and the bounded set of those done above it. */
export class DeliveryOrder {
  #list: Delivery[] = [];
  #head = 0;

  /** The lowest sequence that is not done. */
  get lowest(): number | undefined {
    return this.#list[this.#head]?.seq;
  }

  /** So many are done above one that is not: no further delivery until it is. */
  get full(): boolean {
    return this.#list.length - this.#head >= MAX_SPAN;
  }

  add(delivery: Delivery): void {
    const last = this.#list.at(-1);
    if (!last || last.seq < delivery.seq) this.#list.push(delivery);
    else this.#list.splice(this.#find(delivery.seq), 0, delivery);
    this.settle();
  }

  /** Whether this sequence is in flight or done already. */
  has(seq: number): boolean {
    const last = this.#list.at(-1);
    if (!last || seq > last.seq) return false;
    return this.#list[this.#find(seq)]?.seq === seq;
  }

  /** Passes over what is done at the front. */
  settle(): void {
    while (this.#head < this.#list.length && this.#list[this.#head]!.stage === 'done') this.#head++;
    if (this.#head === this.#list.length) {
      this.#list = [];
      this.#head = 0;
    } else if (this.#head > 4096) {
      this.#list = this.#list.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Sequences done above the lowest that is not. */
  doneAbove(): number[] {
    return this.#list
      .slice(this.#head)
      .filter((delivery) => delivery.stage === 'done')
      .map((delivery) => delivery.seq);
  }

  #find(seq: number): number {
    let low = this.#head;
    let high = this.#list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#list[middle]!.seq < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
