import type { Client, ClientOptions } from '../../mqtt/client.ts';
import type { ClientEnd } from '../../mqtt/client-options.ts';
import { Fifo } from '../../mqtt/fifo.ts';
import type { PublishPacket } from '../../mqtt/packet.ts';
import type { Delivery, SubscribeOptions } from '../bus.ts';
import { Arrival } from './arrival.ts';
import type { FilterSet } from './filter-set.ts';
import type { LinkContext } from './link-context.ts';
import type { LinkStatus, MqttSubscription } from './options.ts';
import { Receiving, type ReceivingHost } from './receiving.ts';
import { type LinkOwner, SteadyLink } from './steady-link.ts';

const MAX_IN_FLIGHT = 1000;
const RECEIVE_MAXIMUM = 65_535;
const SESSION_EXPIRY_SECONDS = 7 * 86_400;
const MAX_QUEUED_BYTES = 16_777_216;
/** Of one waiting delivery beside topic and payload, about. */
const DELIVERY_BYTES = 400;

/** Told to the reader when it gets there. */
interface GapMark {
  gapFromMs: number | undefined;
  untilMs: number;
}

/** One subscription: a connection of its own, and what came over it until the reader takes and acknowledges it. */
export class Reading implements MqttSubscription, LinkOwner, ReceivingHost {
  readonly clientId: string;
  readonly durable: boolean;
  readonly inbox;
  readonly #context: LinkContext;
  readonly #options: SubscribeOptions;
  readonly #filters: FilterSet;
  readonly #onClose: () => void;
  readonly #receiving: Receiving;
  readonly #link: SteadyLink;
  readonly #maxInFlight: number;
  readonly #maxQueuedBytes: number;
  readonly #queue = new Fifo<Arrival | GapMark>();
  /** Given back, and due. */
  readonly #again = new Fifo<Delivery>();
  readonly #delayed = new Set<NodeJS.Timeout>();
  #queuedBytes = 0;
  #full = false;
  /** Handed out and not acknowledged. */
  #out = 0;
  #heardMs: number | undefined;
  #wake: () => void = () => {};
  #closed: Promise<void> | undefined;
  #error: Error | undefined;

  constructor(clientId: string, filters: FilterSet, options: SubscribeOptions, context: LinkContext, onClose: () => void) {
    this.clientId = clientId;
    this.durable = options.durable !== undefined;
    this.inbox = this.durable ? options.inbox : undefined;
    this.#context = context;
    this.#options = options;
    this.#filters = filters;
    this.#onClose = onClose;
    this.#maxInFlight = options.maxInFlight ?? MAX_IN_FLIGHT;
    this.#maxQueuedBytes = context.options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
    this.#receiving = new Receiving(this);
    this.#link = new SteadyLink(this, context);
    void this.#link.ended.promise.then((error) => this.#end(error));
  }

  get status(): LinkStatus {
    return this.#link.status;
  }

  /** Resolves when the server has granted the filters. */
  get standing(): Promise<void> {
    return this.#link.up.promise;
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

  // LinkOwner

  connectOptions(version: 4 | 5): Partial<ClientOptions> {
    const { sessionExpirySeconds = SESSION_EXPIRY_SECONDS } = this.#context.options;
    const shared: Partial<ClientOptions> = { clean: !this.durable, receiver: this.#receiving };
    if (version === 4) return shared;
    const receiveMaximum = Math.min(this.#maxInFlight, RECEIVE_MAXIMUM);
    return { ...shared, receiveMaximum, sessionExpirySeconds: this.durable ? sessionExpirySeconds : 0 };
  }

  async onUp(client: Client): Promise<void> {
    await this.#receiving.begun;
    await this.#filters.settle(client);
  }

  onDown({ heardMs }: ClientEnd): void {
    this.#heardMs = heardMs ?? this.#heardMs;
  }

  // ReceivingHost

  onSession(session: 'new' | 'present' | 'lost'): void {
    this.#filters.onSession(session === 'present');
    if (session !== 'lost') return;
    this.#context.log('warn', 'the broker has lost the session: events may be missing', { clientId: this.clientId });
    this.#queue.push({ gapFromMs: this.#heardMs, untilMs: this.#context.timing.now() });
    this.#wake();
  }

  isUnwanted(packet: PublishPacket): boolean {
    return this.#filters.isUnwanted(packet);
  }

  take(arrival: Arrival): void {
    this.#queue.push(arrival);
    this.#queuedBytes += bytesOf(arrival);
    if (!this.#full && this.#queuedBytes > this.#maxQueuedBytes) {
      this.#full = true;
      this.#receiving.pause();
    }
    this.#wake();
  }

  onFailure(error: unknown): void {
    this.#end(error as Error);
    void this.close();
  }

  onAck(arrival: Arrival): void {
    if (this.#closed) return;
    if (this.#out-- === this.#maxInFlight) this.#wake();
    this.#receiving.acknowledge(arrival);
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
    while (this.#queue.length > 0 && this.#out < this.#maxInFlight) {
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
    if (this.#full && this.#queuedBytes <= this.#maxQueuedBytes / 2) {
      this.#full = false;
      this.#receiving.resume();
    }
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

  #end(error: Error | undefined): void {
    this.#error ??= error;
    void this.close();
  }

  async #leave(): Promise<void> {
    this.#receiving.flush();
    for (const timer of this.#delayed) clearTimeout(timer);
    this.#queue.clear();
    this.#again.clear();
    this.#wake();
    await this.#link.close();
    this.#onClose();
  }
}

function bytesOf({ event }: Arrival): number {
  return DELIVERY_BYTES + event.topic.length + event.payload.length;
}
