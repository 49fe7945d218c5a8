import type { Bus, PublishOptions, Receipt, Subscription } from '../bus/bus.ts';
import { type ErrorCode, HydrantError } from '../core/errors.ts';
import type { Event } from '../wire/event.ts';
import { PLAIN } from './plain-engine.ts';

interface Sent {
  readonly event: Event;
  readonly text: string;
  readonly options: PublishOptions;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: Error) => void;
}

/** An engine in the hands of the test: it notes what is published, and acknowledges, refuses or hangs up as it is told. */
export class HandEngine implements Bus {
  readonly capabilities = PLAIN;
  /** Payloads of all that was published, in order. */
  readonly published: string[] = [];
  readonly events: Event[] = [];
  /** Most that was out at once. */
  mostOut = 0;
  /** Called for each publish, when it is out. */
  onPublish: (text: string) => void = () => {};
  #out: Sent[] = [];
  #seq = 0;

  /** Payloads of what is out, in order. */
  get out(): string[] {
    return this.#out.map(({ text }) => text);
  }

  publish(event: Event, options: PublishOptions = {}): Promise<Receipt> {
    return new Promise((resolve, reject) => {
      const text = Buffer.from(event.payload).toString();
      this.#out.push({ event, text, options, resolve, reject });
      this.events.push(event);
      this.mostOut = Math.max(this.mostOut, this.#out.length);
      this.published.push(text);
      this.onPublish(text);
    });
  }

  /** Resolves when so many were published in all. */
  async until(count: number): Promise<void> {
    if (this.published.length >= count) return;
    const before = this.onPublish;
    await new Promise<void>((resolve) => {
      this.onPublish = (text) => {
        before(text);
        if (this.published.length >= count) resolve();
      };
    });
    this.onPublish = before;
  }

  /** Acknowledges so many, the first ones first. */
  ack(count = this.#out.length): void {
    for (const { event, resolve } of this.#out.splice(0, count)) resolve({ id: event.id ?? '', seq: ++this.#seq });
  }

  /** Acknowledges the one with this payload. */
  ackOnly(text: string): void {
    const [sent] = this.#out.splice(this.out.indexOf(text), 1);
    sent!.resolve({ id: sent!.event.id ?? '', seq: ++this.#seq });
  }

  /** Refuses so many, the first ones first. */
  refuse(code: ErrorCode, count = 1): void {
    for (const { text, reject } of this.#out.splice(0, count)) reject(new HydrantError(code, `${text} is not taken`));
  }

  /** Hangs up: what is not taken back stays out. */
  cut(): void {
    const others = this.#out.length - 1;
    const back = this.#out.filter(({ options }) => options.onCut?.(others));
    this.#out = this.#out.filter((sent) => !back.includes(sent));
    for (const { reject } of back) reject(new HydrantError('HYD_ABORTED', 'given back'));
  }

  subscribe(): Promise<Subscription> {
    throw new Error('nothing is subscribed to here');
  }

  async close(): Promise<void> {
    for (const { reject } of this.#out.splice(0)) reject(new HydrantError('HYD_CLOSED', 'closed'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
