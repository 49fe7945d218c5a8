import type { Bus, Delivery, SubscribeOptions, Subscription } from '../bus/bus.ts';
import type { Event, StoredEvent } from '../wire/event.ts';
import { PLAIN } from './plain-engine.ts';

/** A bus in the hands of the test: it gives the one subscriber what the test gives, and notes what is acknowledged. */
export class HandBus implements Bus {
  readonly capabilities = Object.freeze({ ...PLAIN, exactlyOnce: true });
  readonly asked = Promise.withResolvers<{ filters: string[]; options: SubscribeOptions }>();
  /** Payloads in the order in which they were acknowledged. */
  readonly acknowledged: string[] = [];
  /** Called for each acknowledgement. */
  onAck: (payload: string) => void = () => {};
  #batch: Delivery[] = [];
  #failure: Error | undefined;
  #closed = false;
  #wake: () => void = () => {};

  /** Gives events as one batch. */
  give(...events: (Partial<Event> & { redelivered?: boolean; text: string })[]): void {
    for (const { redelivered = false, text, ...event } of events) {
      const stored: StoredEvent = { topic: 'a', payload: Buffer.from(text), qos: 1, retain: false, seq: 0, ts: '', ...event };
      const ack = (): void => {
        this.acknowledged.push(text);
        this.onAck(text);
      };
      this.#batch.push({ event: stored, redelivered, ack, nak: () => {} });
    }
    this.#wake();
  }

  /** The subscription ends with this error. */
  fail(error: Error): void {
    this.#failure = error;
    this.#wake();
  }

  /** Resolves when this many were acknowledged. */
  async acks(count: number): Promise<void> {
    if (this.acknowledged.length >= count) return;
    await new Promise<void>((resolve) => {
      this.onAck = () => this.acknowledged.length >= count && resolve();
    });
  }

  publish(): never {
    throw new Error('nothing is published here');
  }

  async subscribe(filters: string[], options: SubscribeOptions = {}): Promise<Subscription> {
    this.asked.resolve({ filters, options });
    const close = async (): Promise<void> => {
      this.#closed = true;
      this.#wake();
    };
    return { close, [Symbol.asyncDispose]: close, [Symbol.asyncIterator]: () => this.#read() };
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  async *#read(): AsyncGenerator<Delivery[]> {
    while (!this.#closed) {
      if (this.#failure) throw this.#failure;
      const batch = this.#batch.splice(0);
      if (batch.length > 0) yield batch;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
