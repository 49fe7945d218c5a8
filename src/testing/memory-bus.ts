import type { Bus, Receipt, Subscription } from '../bus/bus.ts';
import type { Event } from '../wire/event.ts';
import { PLAIN } from './plain-engine.ts';

/** A bus that keeps what is published in an array. */
export class MemoryBus implements Bus {
  readonly capabilities = PLAIN;
  readonly events: Event[] = [];
  /** While set, publishes wait: the bus is away. */
  held: PromiseWithResolvers<void> | undefined;
  #waiting: { count: number; resolve: () => void }[] = [];

  get topics(): string[] {
    return this.events.map(({ topic }) => topic);
  }

  async publish(event: Event): Promise<Receipt> {
    await this.held?.promise;
    this.events.push({ ...event, payload: Buffer.from(event.payload) });
    this.#waiting = this.#waiting.filter(({ count, resolve }) => this.events.length < count || resolve());
    return { id: event.id ?? '', seq: this.events.length };
  }

  /** Resolves once so many events have arrived. */
  seen(count: number): Promise<void> {
    if (this.events.length >= count) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push({ count, resolve }));
  }

  hold(): void {
    this.held ??= Promise.withResolvers();
  }

  release(): void {
    this.held?.resolve();
    this.held = undefined;
  }

  subscribe(): Promise<Subscription> {
    throw new Error('nobody reads this bus');
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
