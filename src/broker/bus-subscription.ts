import type { Delivery as BusDelivery, Subscription as BusSubscription } from '../bus/bus.ts';
import type { SharedDelivery } from './shared-delivery.ts';
import type { Member, SharedDistributor } from './shared-distributor.ts';

/** One role's reading, alone or as one of a group: batches of what was delivered since it last asked. */
export class RoleSubscription implements BusSubscription, Member {
  readonly writable = true;
  readonly #distributor: SharedDistributor;
  readonly #maxInFlight: number;
  readonly #onClose: () => void;
  /** Deliveries that it has, with the timer of those that it will have again. */
  readonly #out = new Map<SharedDelivery, NodeJS.Timeout | undefined>();
  #batch: BusDelivery[] = [];
  #wake: () => void = () => {};
  #closed = false;

  constructor(distributor: SharedDistributor, maxInFlight: number, onClose: () => void) {
    this.#distributor = distributor;
    this.#maxInFlight = maxInFlight;
    this.#onClose = onClose;
  }

  get load(): number {
    return this.#out.size;
  }

  get hasRoom(): boolean {
    return this.#out.size < this.#maxInFlight;
  }

  suits(): boolean {
    return true;
  }

  take(shared: SharedDelivery): void {
    this.#out.set(shared, undefined);
    this.#batch.push({
      event: shared.message,
      redelivered: shared.delivery.dup,
      ack: () => this.#answer(shared, () => shared.finish()),
      nak: (delayMs = 0) => this.#nak(shared, delayMs),
    });
    this.#wake();
  }

  /** Not used: a role takes everything at least once. */
  takeOnce(): void {}

  async *[Symbol.asyncIterator](): AsyncGenerator<BusDelivery[]> {
    try {
      while (!this.#closed) {
        if (this.#batch.length === 0) {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
          continue;
        }
        const batch = this.#batch;
        this.#batch = [];
        yield batch;
      }
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#distributor.dismiss(this);
    for (const [shared, timer] of this.#out) {
      clearTimeout(timer);
      shared.giveBack();
    }
    this.#out.clear();
    this.#onClose();
    this.#wake();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #nak(shared: SharedDelivery, delayMs: number): void {
    if (!this.#isUnanswered(shared)) return;
    const again = (): void => {
      this.#out.set(shared, undefined);
      this.#answer(shared, () => shared.giveBack());
    };
    this.#out.set(shared, setTimeout(again, delayMs));
  }

  #answer(shared: SharedDelivery, act: () => void): void {
    if (!this.#isUnanswered(shared)) return;
    this.#out.delete(shared);
    act();
    this.#distributor.welcome(this);
  }

  #isUnanswered(shared: SharedDelivery): boolean {
    return this.#out.has(shared) && this.#out.get(shared) === undefined;
  }
}
