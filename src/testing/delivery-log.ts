import type { Delivery, Subscription } from '../bus/bus.ts';
import { within } from './deadline.ts';

const LIMIT_MS = 20_000;

/** Reads a subscription to its end and keeps what comes, unacknowledged. */
export class DeliveryLog {
  readonly deliveries: Delivery[] = [];
  /** Resolves when the subscription ends; rejects with what it throws. */
  readonly ended: Promise<void>;
  readonly #watchers = new Set<() => void>();

  constructor(subscription: Subscription, onDelivery: (delivery: Delivery) => void = () => {}) {
    this.ended = this.#run(subscription, onDelivery);
    this.ended.catch(() => {});
  }

  get payloads(): string[] {
    return this.deliveries.map(({ event }) => Buffer.from(event.payload).toString());
  }

  /** Resolves with the deliveries once there are so many, or once `match` says so. */
  async until(match: number | ((payloads: readonly string[]) => boolean)): Promise<Delivery[]> {
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (typeof match === 'number' ? this.deliveries.length >= match : match(this.payloads)) done.resolve();
    };
    this.#watchers.add(look);
    look();
    this.ended.catch(done.reject);
    await within(done.promise, LIMIT_MS, () => `${match} deliveries, got ${this.payloads.length}: ${this.payloads.slice(-20)}`);
    this.#watchers.delete(look);
    return this.deliveries;
  }

  async #run(subscription: Subscription, onDelivery: (delivery: Delivery) => void): Promise<void> {
    for await (const batch of subscription) {
      for (const delivery of batch) {
        this.deliveries.push(delivery);
        onDelivery(delivery);
      }
      for (const watch of this.#watchers) watch();
    }
  }
}
