import { HydrantError } from '../../core/errors.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { Delivery, SubscribeOptions } from '../bus.ts';
import { Arrival, type Taker } from './arrival.ts';
import type { FilterSet } from './filter-set.ts';
import type { LinkStatus, MqttSubscription } from './options.ts';

const MAX_IN_FLIGHT = 1000;
const MAX_QUEUED_BYTES = 16_777_216;
/** Of one waiting delivery beside topic and payload, about. */
const DELIVERY_BYTES = 400;

/** Told to the reader when it gets there. */
interface GapMark {
  gapFromMs: number | undefined;
  untilMs: number;
}

/** The session that a subscription is part of. */
export interface ReadingHost {
  readonly status: LinkStatus;
  acknowledge(arrival: Arrival): void;
  /** Reads nothing more until as many `resume()` came. */
  pause(): void;
  resume(): void;
  /** It takes nothing more. Resolves when the server knows. */
  leave(reading: Reading): Promise<void>;
}

/** One subscription: what came for it until the reader takes and acknowledges it. */
export class Reading implements MqttSubscription, Taker {
  readonly filters: FilterSet;
  readonly durable: boolean;
  readonly maxInFlight: number;
  readonly #host: ReadingHost;
  readonly #options: SubscribeOptions;
  readonly #maxQueuedBytes: number;
  readonly #standing = Promise.withResolvers<void>();
  readonly #queue = new Fifo<Arrival | GapMark>();
  /** Given back, and due. */
  readonly #again = new Fifo<Delivery>();
  readonly #delayed = new Set<NodeJS.Timeout>();
  #stood = false;
  #queuedBytes = 0;
  #full = false;
  /** Handed out and not acknowledged. */
  #out = 0;
  #wake: () => void = () => {};
  #closed: Promise<void> | undefined;
  #error: Error | undefined;

  constructor(filters: FilterSet, options: SubscribeOptions, host: ReadingHost, maxQueuedBytes: number = MAX_QUEUED_BYTES) {
    this.filters = filters;
    this.durable = options.durable !== undefined;
    this.maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT;
    this.#options = options;
    this.#host = host;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#standing.promise.catch(() => {});
  }

  get status(): LinkStatus {
    return this.#host.status;
  }

  /** Resolves when the server has granted the filters. */
  get standing(): Promise<void> {
    return this.#standing.promise;
  }

  get stood(): boolean {
    return this.#stood;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Delivery[]> {
    try {
      for (;;) {
        const batch = this.#closed ? [] : this.#nextBatch();
        if (batch.length > 0) yield batch;
        else if (this.#error) throw this.#error;
        else if (this.#closed) return;
        else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      await this.close();
    }
  }

  close(): Promise<void> {
    this.#closed ??= this.#leave();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  // Of the session

  stand(): void {
    this.#stood = true;
    this.#standing.resolve();
    this.#holdBack();
  }

  /** What is taken afterwards comes after the gap. */
  gap(gapFromMs: number | undefined, untilMs: number): void {
    this.#queue.push({ gapFromMs, untilMs });
    this.#wake();
  }

  /** @param error what the iterator throws, or `standing` rejects with */
  end(error: Error | undefined): void {
    this.#error ??= error;
    if (error) this.#standing.reject(error);
    void this.close();
  }

  // Taker

  take(arrival: Arrival): void {
    this.#queue.push(arrival);
    this.#queuedBytes += bytesOf(arrival);
    // Before SUBACK nobody reads, and a session that goes on may bring any number before it: Mosquitto heeds no Receive Maximum where it has no limit of its own.
    if (this.#stood) this.#holdBack();
    this.#wake();
  }

  onAck(arrival: Arrival): void {
    if (this.#closed) return;
    if (this.#out-- === this.maxInFlight) this.#wake();
    this.#host.acknowledge(arrival);
  }

  onNak(arrival: Arrival, delayMs: number): void {
    if (this.#closed) return;
    const timer = setTimeout(() => {
      this.#delayed.delete(timer);
      this.#again.push(this.#redelivery(arrival));
      this.#wake();
    }, delayMs);
    this.#delayed.add(timer);
  }

  #nextBatch(): Delivery[] {
    const batch: Delivery[] = [];
    for (let next = this.#again.shift(); next; next = this.#again.shift()) batch.push(next);
    while (this.#queue.length > 0 && this.#out < this.maxInFlight) {
      const next = this.#queue.peek()!;
      if (!(next instanceof Arrival)) {
        if (batch.length > 0) break;
        this.#queue.shift();
        this.#options.onGap?.({ reason: 'session-lost', fromMs: next.gapFromMs, untilMs: next.untilMs });
      } else {
        this.#queue.shift();
        this.#queuedBytes -= bytesOf(next);
        this.#out++;
        batch.push(next);
      }
    }
    if (this.#queuedBytes <= this.#maxQueuedBytes / 2) this.#goOn();
    return batch;
  }

  #redelivery(arrival: Arrival): Delivery {
    let answered = false;
    const once = (act: () => void): void => {
      if (!answered) act();
      answered = true;
    };
    return {
      event: arrival.event,
      redelivered: true,
      ack: () => once(() => this.onAck(arrival)),
      nak: (delayMs = 0) => once(() => this.onNak(arrival, delayMs)),
    };
  }

  #holdBack(): void {
    if (this.#full || this.#queuedBytes <= this.#maxQueuedBytes) return;
    this.#full = true;
    this.#host.pause();
  }

  #goOn(): void {
    if (!this.#full) return;
    this.#full = false;
    this.#host.resume();
  }

  async #leave(): Promise<void> {
    this.#standing.reject(new HydrantError('HYD_CLOSED', 'the subscription was closed before it stood'));
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#queue.clear();
    this.#again.clear();
    this.#wake();
    const left = this.#host.leave(this);
    this.#goOn();
    await left;
  }
}

function bytesOf({ event }: Arrival): number {
  return DELIVERY_BYTES + event.topic.length + event.payload.length;
}
