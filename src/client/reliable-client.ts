import type { Bus, Delivery } from '../bus/bus.ts';
import { SYSTEM_TIMING } from '../bus/mqtt/steady-link.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { StoredEvent } from '../wire/event.ts';
import { Channels } from './channels/channels.ts';
import { DATA, type DataChannel, type DataOptions } from './channels/data.ts';
import type { StateChannel, StateOptions } from './channels/state.ts';
import { checkEnding, checkListener, checkSubscription } from './check-arguments.ts';
import type { Client } from './client.ts';
import { Drain } from './drain/drain.ts';
import { RateLimit } from './drain/rate-limit.ts';
import { Endings } from './endings.ts';
import { type Command, type Config, Inlets, type ReceiveOptions } from './inlets.ts';
import { Leading } from './leading.ts';
import type { ClientEvents, Listeners } from './listeners.ts';
import { type ClientMetrics, Metrics } from './metrics.ts';
import type { ClientOptions, Publication, PublishRequest } from './options.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';
import { Publications } from './publications.ts';
import { Publisher } from './publisher.ts';
import { StatusReporter } from './status.ts';

const MAX_ATTEMPTS = 3;
const CLOSE_MS = 5_000;
/** Of the deadline of `close`, the end in which only acknowledgements of what is out come in: that much of it, and at most so long. */
const REST_SHARE = 0.2;
const MAX_REST_MS = 1_000;
/** Also when the deadline is over: what is out is sent again by the next process, if its acknowledgement is not waited for. */
const MIN_REST_MS = 100;
/** For the disk to take what is under way, also when the deadline is over. */
const MIN_DISK_MS = 2_000;
/** The longest that a timer takes. */
const LONGEST_MS = 2_147_483_647;
/** How soon an empty outbox is seen. */
const LOOK_MS = 10;
const STATE = 'state';

export interface ClientParts {
  options: ClientOptions;
  profile: Profile;
  outbox: Outbox;
  bus: Bus;
  /** What the bus has not sent yet it sends no more. */
  withdraw(): void;
  /** Ends what connects. */
  leave(): Promise<void>;
  clientId: string;
  listeners: Listeners;
  maxInFlight: number;
  log: Log;
}

/** Puts the parts together: what is published goes to the outbox, what is stored to the drain, what becomes of it back to who asked. */
export class ReliableClient implements Client {
  readonly clientId: string;
  readonly #parts: ClientParts;
  readonly #publications: Publications;
  readonly #publisher: Publisher;
  readonly #metrics: Metrics;
  readonly #drain: Drain;
  readonly #inlets: Inlets;
  readonly #channels: Channels;
  readonly #status: StatusReporter | undefined;
  /** Nothing more comes in or is taken. */
  readonly #closing = new AbortController();
  readonly #leading: Leading;
  readonly #onUp: (() => void)[] = [];
  #isUp: boolean;
  #connects = 0;
  #closed: Promise<{ remaining: number }> | undefined;
  /** Nothing more becomes of what is left. */
  #hasEnded = false;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    const { options, profile, outbox, bus, clientId, listeners, maxInFlight, log } = parts;
    const { rate, maxAttempts = MAX_ATTEMPTS, channels: bounds = {}, status } = options;
    this.clientId = clientId;
    this.#metrics = new Metrics(outbox);
    this.#publications = new Publications(outbox, this.#metrics);
    this.#publisher = new Publisher({ profile, outbox, bounds, publications: this.#publications });
    this.#leading = new Leading(outbox, this.#publications);
    const endings = new Endings({ publications: this.#publications, metrics: this.#metrics, listeners, log });
    this.#drain = new Drain({
      bus,
      outbox,
      maxInFlight,
      rate: new RateLimit({ ...profile.limits, ...rate }, SYSTEM_TIMING.now()),
      maxAttempts,
      timing: SYSTEM_TIMING,
      log,
      onAcked: (record, receipt, tookMs) => endings.acked(record, receipt, tookMs),
      onExpired: (record) => endings.dropped([record], 'expired'),
      onQuarantined: (record, error) => endings.quarantined(record, error),
    });
    outbox.onStored = (records) => this.#drain.onStored(records);
    outbox.onForeign = (changed) => this.#onForeign(changed);
    outbox.onDropped = (records, reason) => {
      this.#drain.onDropped(records);
      endings.dropped(records, reason);
    };
    for (const [channel, own] of Object.entries(bounds)) {
      if (channel !== '*') outbox.configure(channel, { ...bounds['*'], ...own });
      this.#drain.prioritize(channel, own.priority ?? bounds['*']?.priority ?? 0);
    }
    this.#inlets = new Inlets({
      bus,
      outbox,
      profile,
      clientId,
      leading: this.#leading.begun,
      signal: this.#closing.signal,
      warn: (error) => this.#warn(error),
    });
    this.#channels = new Channels({
      profile,
      outbox,
      bounds,
      log,
      publish: (request) => this.#publisher.publishChecked(request),
      gatherWith: (channel, gatherer) => this.#drain.gatherWith(channel, gatherer),
      onUp: (listener) => void this.#onUp.push(listener),
      now: SYSTEM_TIMING.now,
    });
    for (const channel of outbox.channels.keys()) this.#publisher.bound(channel);
    if (status) {
      const more = status === true ? {} : status;
      this.#status = new StatusReporter({ bus, clientId, timing: SYSTEM_TIMING, log, metrics: () => this.metrics(), ...more });
      endings.onLoss = () => this.#status?.look();
    }
    this.#isUp = options.bus !== undefined;
    this.#drain.setLink(this.#isUp);
    listeners.on('link', ({ kind, link }) => this.#onLink(kind === 'up', link.connects, link.receiveMaximum));
    this.#leading.start(() => this.#onLeading());
  }

  get connected(): boolean {
    return this.#isUp;
  }

  publish(request: PublishRequest): Publication {
    return this.#publisher.publish(request);
  }

  channel(name: 'state', options?: StateOptions): StateChannel;
  channel(name: string, options?: DataOptions): DataChannel;
  channel(name: string, options: StateOptions & DataOptions = {}): StateChannel | DataChannel {
    this.#publisher.exempt(name === STATE ? STATE : DATA);
    return name === STATE ? this.#channels.open(name, options) : this.#channels.open(name, options);
  }

  subscribe(filters: string | readonly string[], options: ReceiveOptions = {}): AsyncGenerator<Delivery> {
    const all = [filters].flat();
    checkSubscription(all, options);
    return this.#inlets.deliveries(all, options);
  }

  config(): AsyncGenerator<Config> {
    return this.#inlets.config();
  }

  commands(): AsyncGenerator<Command> {
    return this.#inlets.commands();
  }

  errors(): AsyncGenerator<StoredEvent> {
    return this.#inlets.errors();
  }

  on<K extends keyof ClientEvents>(event: K, listener: (what: ClientEvents[K]) => void): () => void {
    checkListener(event, listener);
    return this.#parts.listeners.on(event, listener);
  }

  metrics(): ClientMetrics {
    return this.#metrics.read(SYSTEM_TIMING.now(), { inFlight: this.#drain.out, connects: this.#connects, connected: this.#isUp });
  }

  async flush(options: { deadlineMs?: number } = {}): Promise<{ remaining: number }> {
    checkEnding('flush()', options, ['deadlineMs']);
    const { deadlineMs = Number.POSITIVE_INFINITY } = options;
    const endMs = performance.now() + deadlineMs;
    const { outbox } = this.#parts;
    for (;;) {
      const remaining = this.#remaining();
      const leftMs = endMs - performance.now();
      if (remaining === 0) {
        const isSettled = await inTime(outbox.settled(), leftMs);
        if (!isSettled || this.#remaining() === 0) return { remaining: this.#remaining() };
      } else if (leftMs <= 0 || this.#hasEnded) return { remaining };
      await SYSTEM_TIMING.sleep(Math.max(1, Math.min(LOOK_MS, leftMs)), neverAborts);
    }
  }

  close(options: { deadlineMs?: number; flush?: boolean } = {}): Promise<{ remaining: number }> {
    try {
      checkEnding('close()', options, ['deadlineMs', 'flush']);
    } catch (error) {
      return Promise.reject(error);
    }
    const { deadlineMs = CLOSE_MS, flush = true } = options;
    this.#closed ??= this.#close(deadlineMs, flush);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(deadlineMs: number, flushes: boolean): Promise<{ remaining: number }> {
    const { outbox, withdraw, leave } = this.#parts;
    const endMs = performance.now() + deadlineMs;
    this.#publisher.close();
    this.#closing.abort();
    if (flushes) await this.flush({ deadlineMs: deadlineMs - Math.min(MAX_REST_MS, deadlineMs * REST_SHARE) }).catch(() => {});
    this.#leading.stop();
    this.#status?.stop();
    this.#drain.stop();
    withdraw();
    await this.#rest(Math.max(endMs, performance.now() + MIN_REST_MS));
    await leave();
    await outbox.close({ deadlineMs: Math.max(endMs - performance.now(), MIN_DISK_MS) });
    this.#hasEnded = true;
    this.#publications.close(
      new HydrantError('HYD_CLOSED', 'the client was closed; what is stored is sent by the next one on this outbox'),
    );
    return { remaining: this.#remaining() };
  }

  /** Until nothing is out, or nothing can come of it. */
  async #rest(endMs: number): Promise<void> {
    while (this.#drain.out > 0 && this.#isUp && performance.now() < endMs) await SYSTEM_TIMING.sleep(LOOK_MS, neverAborts);
  }

  /** What another process has stored. */
  #onForeign(changed: ReadonlySet<string>): void {
    for (const channel of changed) this.#publisher.bound(channel);
    if (changed.has(STATE)) this.#channels.findState();
    this.#drain.onForeign(changed);
  }

  #remaining(): number {
    let events = this.#publications.storing;
    for (const channel of this.#parts.outbox.channels.values()) events += channel.events;
    return events;
  }

  #onLink(isUp: boolean, connects: number, receiveMaximum?: number): void {
    this.#isUp = isUp;
    this.#connects = connects;
    this.#drain.setLink(isUp, receiveMaximum);
    this.#status?.setLink(isUp);
    if (isUp) for (const listener of this.#onUp) listener();
  }

  #warn(error: HydrantError): void {
    this.#parts.log('warn', error.message);
    this.#parts.listeners.tell('warning', { error });
  }

  #onLeading(): void {
    this.#drain.start();
    this.#parts.listeners.tell('leading', undefined);
    if (this.#parts.options.bus) this.#onLink(true, 1);
  }
}

const neverAborts = new AbortController().signal;

/** @returns false when the time is over before it resolves @throws what it rejects with */
async function inTime(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  const over = new AbortController();
  const late = SYSTEM_TIMING.sleep(Math.max(0, Math.min(timeoutMs, LONGEST_MS)), over.signal).then(() => false);
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    over.abort();
  }
}
