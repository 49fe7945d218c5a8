import type { Delivery, Share } from './delivery.ts';
import type { Message } from './message.ts';
import type { Member, SharedDistributor } from './shared-distributor.ts';

/** One delivery of a group in the hands of one member. Whatever ends it counts once. */
export class SharedDelivery implements Share {
  readonly delivery: Delivery;
  readonly #distributor: SharedDistributor;
  readonly #member: Member;
  #open = true;

  constructor(distributor: SharedDistributor, delivery: Delivery, member: Member) {
    this.#distributor = distributor;
    this.delivery = delivery;
    this.#member = member;
  }

  get message(): Message {
    return this.delivery.message!;
  }

  claim(): boolean {
    return this.#distributor.claim(this.delivery);
  }

  /** Later in this turn: who calls may be in the middle of handing out. */
  finish(): void {
    if (!this.#open) return;
    this.#open = false;
    queueMicrotask(() => this.#distributor.finish(this.delivery));
  }

  giveBack(): boolean {
    if (!this.#open || this.#distributor.closed) return false;
    this.#open = false;
    this.#distributor.takeBack(this.delivery, this.#member);
    return true;
  }
}
