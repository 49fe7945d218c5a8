import { HydrantError } from '../../core/errors.ts';
import type { Client, ClientOptions } from '../../mqtt/client.ts';
import type { ClientEnd } from '../../mqtt/client-options.ts';
import type { PublishPacket } from '../../mqtt/packet.ts';
import type { Inbox, PublishOptions, Receipt, SubscribeOptions } from '../bus.ts';
import type { Arrival, Taker } from './arrival.ts';
import { FilterSet, type KnownFilters, noteSession } from './filter-set.ts';
import type { LinkContext } from './link-context.ts';
import type { LinkStatus } from './options.ts';
import { Publisher } from './publisher.ts';
import { Receiving, type ReceivingHost } from './receiving.ts';
import { isLoss, type LinkOwner, SteadyLink } from './steady-link.ts';
import { Reading, type ReadingHost } from './subscription.ts';
import { Unclaimed } from './unclaimed.ts';

const RECEIVE_MAXIMUM = 65_535;
const MAX_QUEUED_BYTES = 16_777_216;
/** How long a planned reconnect waits for acknowledgements. */
const REST_MS = 5_000;

/** What a session is for. */
export interface SessionShape {
  readonly clientId: string;
  /** Others may connect under this client id. */
  readonly durable: boolean;
  /** Each connection begins without what the server kept. */
  readonly clean: boolean;
  /** MQTT 5: how long the server keeps it. */
  readonly expirySeconds: number;
  /** MQTT 5: deliveries out at once. */
  readonly receiveMaximum: number;
  /** Subscriptions come and go, and it stays; else it ends with the one that it has. */
  readonly isShared: boolean;
  /** Closing it ends it on the server too. */
  readonly endsWithClose: boolean;
  /** What the server is known to have subscribed. */
  readonly known: KnownFilters;
  readonly inbox?: Inbox | undefined;
}

/** A session of a server over one steady link, with all that is published and read in it. */
export class Session implements LinkOwner, ReceivingHost, ReadingHost {
  readonly clientId: string;
  readonly durable: boolean;
  readonly inbox: Inbox | undefined;
  readonly #shape: SessionShape;
  readonly #context: LinkContext;
  readonly #onEnd: () => void;
  readonly #publisher: Publisher;
  readonly #receiving: Receiving;
  readonly #link: SteadyLink;
  readonly #unclaimed: Unclaimed;
  #readings: readonly Reading[] = [];
  /** Filters of durables that were closed, and that the server keeps. */
  #kept: readonly FilterSet[] = [];
  #client: Client | undefined;
  #heardMs: number | undefined;
  #closing: Promise<void> | undefined;

  constructor(shape: SessionShape, context: LinkContext, onEnd: () => void) {
    const { maxInFlight, maxQueuedBytes = MAX_QUEUED_BYTES } = context.options;
    this.clientId = shape.clientId;
    this.durable = shape.durable;
    this.inbox = shape.inbox;
    this.#shape = shape;
    this.#context = context;
    this.#onEnd = onEnd;
    this.#publisher = new Publisher(maxInFlight);
    this.#receiving = new Receiving(this);
    this.#unclaimed = new Unclaimed(
      maxQueuedBytes,
      ({ event }) => this.#kept.some((filters) => filters.isFor({ topic: event.topic })),
      (arrivals, why) => this.#letGo(arrivals, why),
    );
    this.#link = new SteadyLink(this, context);
    void this.#link.ended.promise.then((error) => this.#end(error));
  }

  get status(): LinkStatus {
    return this.#link.status;
  }

  get isStuck(): boolean {
    return this.#publisher.isStuck;
  }

  publish(packet: PublishPacket, receipt: Receipt, options: PublishOptions): Promise<Receipt> {
    return this.#publisher.publish(packet, receipt, options);
  }

  withdraw(): void {
    this.#publisher.withdraw();
  }

  /** A subscription of this session; it stands when its `standing` resolves. */
  read(filters: readonly string[], options: SubscribeOptions): Reading {
    const { group, retained = 'skip' } = options;
    const { known, inbox, isShared } = this.#shape;
    const others = (filter: string): boolean => this.#isWanted(filter, set);
    const set: FilterSet = new FilterSet(
      filters,
      { group, retained, inbox, known, ...(isShared ? { isShared: others } : {}) },
      this.#context,
    );
    const reading = new Reading(set, options, this, this.#context.options.maxQueuedBytes);
    if (reading.durable) this.#kept = this.#kept.filter((kept) => !kept.wanted.some((filter) => set.wanted.includes(filter)));
    this.#readings = [...this.#readings, reading];
    for (const part of this.#unclaimed.claim(({ event }) => set.isFor({ topic: event.topic }))) this.#receiving.handOver(part, reading);
    set.rank();
    if (this.#client) this.#settle(reading, this.#client).catch(() => {});
    return reading;
  }

  renew(): Promise<void> {
    return this.#link.renew();
  }

  close(timeoutMs: number): Promise<void> {
    this.#closing ??= this.#leave(timeoutMs);
    return this.#closing;
  }

  // LinkOwner

  connectOptions(version: 4 | 5): Partial<ClientOptions> {
    const { clean, expirySeconds, receiveMaximum } = this.#shape;
    const shared: Partial<ClientOptions> = { clean, sender: this.#publisher, receiver: this.#receiving };
    if (version === 4) return shared;
    return { ...shared, sessionExpirySeconds: expirySeconds, receiveMaximum: Math.min(receiveMaximum, RECEIVE_MAXIMUM) };
  }

  async onUp(client: Client): Promise<void> {
    await this.#receiving.begun;
    this.#client = client;
    await Promise.all(this.#readings.map((reading) => this.#settle(reading, client)));
    const { known, isShared } = this.#shape;
    const stray = known.filters.filter((filter) => isShared && !this.#isWanted(filter));
    if (stray.length > 0) await client.unsubscribe(stray);
  }

  onDown(end: ClientEnd): void {
    this.#client = undefined;
    this.#heardMs = end.heardMs ?? this.#heardMs;
    this.#publisher.onDown(end);
  }

  rest(): Promise<void> {
    return this.#publisher.rest(REST_MS);
  }

  // ReceivingHost

  onSession(session: 'new' | 'present' | 'lost'): void {
    noteSession(this.#shape.known, this.inbox, session === 'present');
    for (const { filters } of this.#readings) filters.rank();
    if (session === 'present') return;
    this.#unclaimed.clear();
    this.#kept = [];
    if (session === 'new' || this.#readings.length === 0) return;
    this.#context.log('warn', 'the broker has lost the session: events may be missing', { clientId: this.clientId });
    for (const reading of this.#readings) reading.gap(this.#heardMs, this.#context.timing.now());
  }

  takersOf(packet: PublishPacket): readonly Taker[] {
    const readings = this.#readings;
    if (!this.#shape.isShared) return readings.length > 0 && !readings[0]!.filters.isUnwanted(packet) ? readings : [];
    const concerned = readings.filter(({ filters }) => filters.isFor(packet));
    const takers = concerned.filter(({ filters }) => !filters.isUnwanted(packet));
    if (this.#shape.clean || packet.qos === 0) return takers;
    const isWaitedFor = concerned.length === 0 || this.#kept.some((filters) => filters.isFor(packet));
    return isWaitedFor ? [...takers, this.#unclaimed] : takers;
  }

  onFailure(error: unknown): void {
    for (const reading of this.#readings) reading.end(error as Error);
  }

  // ReadingHost

  acknowledge(arrival: Arrival): void {
    this.#receiving.acknowledge(arrival);
  }

  pause(): void {
    this.#receiving.pause();
  }

  resume(): void {
    this.#receiving.resume();
  }

  async leave(reading: Reading): Promise<void> {
    this.#receiving.flush();
    this.#readings = this.#readings.filter((each) => each !== reading);
    if (this.#closing) return;
    if (!this.#shape.isShared) return this.close(0);
    const held = this.#receiving.heldBy(reading);
    if (reading.durable || !reading.stood) for (const part of held) this.#receiving.handOver(part, this.#unclaimed);
    else for (const part of held) this.#receiving.acknowledge(part);
    if (reading.durable && reading.stood) this.#kept = [...this.#kept, reading.filters];
    else if (this.#client) await reading.filters.leave(this.#client).catch(() => {});
  }

  #isWanted(filter: string, butBy?: FilterSet): boolean {
    const sets = [...this.#readings.map(({ filters }) => filters), ...this.#kept];
    return sets.some((set) => set !== butBy && set.wanted.includes(filter));
  }

  /** The first refusal ends the subscription; later ones, and the loss of the connection, are the link's. */
  async #settle(reading: Reading, client: Client): Promise<void> {
    try {
      await reading.filters.settle(client);
      reading.stand();
    } catch (error) {
      if (reading.stood || isLoss(error)) throw error;
      reading.end(error as Error);
    }
  }

  #letGo(arrivals: readonly Arrival[], why: string): void {
    const topics = [...new Set(arrivals.map(({ event }) => event.topic))];
    this.#context.log('warn', 'events that no subscription wants are acknowledged', {
      why,
      events: arrivals.length,
      topics: topics.slice(0, 5),
    });
    for (const arrival of arrivals) this.#receiving.acknowledge(arrival);
  }

  async #leave(timeoutMs: number): Promise<void> {
    await this.#publisher.settled(timeoutMs);
    await Promise.all(this.#readings.map((reading) => reading.close()));
    this.#receiving.flush();
    const { endsWithClose } = this.#shape;
    const leftover = endsWithClose && this.#client !== undefined && this.#context.dialect.version === 4;
    await this.#link.close(endsWithClose ? 0 : undefined);
    // MQTT 3.1.1 sessions end with a clean CONNECT only.
    if (leftover) await this.#link.clean();
  }

  #end(error: HydrantError | undefined): void {
    this.#publisher.end(error ?? new HydrantError('HYD_CLOSED', 'the bus was closed before the server had acknowledged it'));
    for (const reading of this.#readings) reading.end(error);
    this.#unclaimed.clear();
    this.#onEnd();
  }
}
