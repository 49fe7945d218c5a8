import type { Bus, Delivery } from '../bus/bus.ts';
import { SYSTEM_TIMING } from '../bus/mqtt/steady-link.ts';
import { errorText, HydrantError } from '../core/errors.ts';
import { createUlid } from '../core/id.ts';
import type { Log } from '../core/log.ts';
import type { StoredEvent } from '../wire/event.ts';
import type { ChannelRequest } from './channels/channel-context.ts';
import { Channels } from './channels/channels.ts';
import { DATA, type DataChannel, type DataOptions } from './channels/data.ts';
import type { StateChannel, StateOptions } from './channels/state.ts';
import { checkRequest } from './check-request.ts';
import type { Client } from './client.ts';
import { Drain } from './drain/drain.ts';
import { RateLimit } from './drain/rate-limit.ts';
import { Endings } from './endings.ts';
import { type Command, type Config, Inlets, type ReceiveOptions } from './inlets.ts';
import type { ClientEvents, Listeners } from './listeners.ts';
import { type ClientMetrics, Metrics } from './metrics.ts';
import type { ClientOptions, Publication, PublishRequest } from './options.ts';
import type { Outbox, OutboxEvent } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';
import { Publications } from './publications.ts';
import { StatusReporter } from './status.ts';

const MAX_ATTEMPTS = 3;
const CLOSE_MS = 5_000;
/** How soon an empty outbox is seen, and what another process has sent. */
const LOOK_MS = 10;
const POLL_MS = 200;
const STATE = 'state';

export interface ClientParts {
  options: ClientOptions;
  profile: Profile;
  outbox: Outbox;
  bus: Bus;
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
  readonly #metrics: Metrics;
  readonly #drain: Drain;
  readonly #inlets: Inlets;
  readonly #channels: Channels;
  readonly #status: StatusReporter | undefined;
  /** Nothing more comes in or is taken. */
  readonly #closing = new AbortController();
  /** Nothing more goes out. */
  readonly #ending = new AbortController();
  readonly #leading = Promise.withResolvers<void>();
  readonly #onUp: (() => void)[] = [];
  readonly #configured = new Set<string>();
  #isLeading = false;
  #isUp: boolean;
  #connects = 0;
  #closed: Promise<{ remaining: number }> | undefined;

  constructor(parts: ClientParts) {
    this.#parts = parts;
    const { options, profile, outbox, bus, clientId, listeners, maxInFlight, log } = parts;
    const { rate, maxAttempts = MAX_ATTEMPTS, channels: bounds = {}, status } = options;
    this.clientId = clientId;
    this.#publications = new Publications(outbox);
    this.#metrics = new Metrics(outbox);
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
    this.#inlets = new Inlets({ bus, outbox, profile, clientId, leading: this.#leading.promise, signal: this.#closing.signal });
    this.#channels = new Channels({
      profile,
      outbox,
      bounds,
      log,
      publish: (request) => this.#storeRequest(request),
      gatherWith: (channel, gatherer) => this.#drain.gatherWith(channel, gatherer),
      onUp: (listener) => void this.#onUp.push(listener),
      now: SYSTEM_TIMING.now,
    });
    for (const channel of outbox.channels.keys()) this.#configure(channel);
    if (status) {
      const more = status === true ? {} : status;
      this.#status = new StatusReporter({ bus, clientId, timing: SYSTEM_TIMING, log, metrics: () => this.metrics(), ...more });
      endings.onLoss = () => this.#status?.look();
    }
    this.#isUp = options.bus !== undefined;
    this.#drain.setLink(this.#isUp);
    listeners.on('link', ({ kind, link }) => this.#onLink(kind === 'up', link.connects, link.receiveMaximum));
    void this.#lead();
  }

  get connected(): boolean {
    return this.#isUp;
  }

  publish(request: PublishRequest): Publication {
    const { id = createUlid() } = request;
    try {
      return this.#store(checkRequest(request, id, this.#parts.profile, SYSTEM_TIMING.now()));
    } catch (error) {
      return this.#refuse(id, error as HydrantError);
    }
  }

  channel(name: 'state', options?: StateOptions): StateChannel;
  channel(name: string, options?: DataOptions): DataChannel;
  channel(name: string, options: StateOptions & DataOptions = {}): StateChannel | DataChannel {
    this.#configured.add(name === STATE ? STATE : DATA);
    return name === STATE ? this.#channels.open(name, options) : this.#channels.open(name, options);
  }

  subscribe(filters: string | readonly string[], options: ReceiveOptions = {}): AsyncGenerator<Delivery> {
    return this.#inlets.deliveries([filters].flat(), options);
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
    return this.#parts.listeners.on(event, listener);
  }

  metrics(): ClientMetrics {
    return this.#metrics.read(SYSTEM_TIMING.now(), { inFlight: this.#drain.out, connects: this.#connects, connected: this.#isUp });
  }

  async flush({ deadlineMs = Number.POSITIVE_INFINITY }: { deadlineMs?: number } = {}): Promise<{ remaining: number }> {
    const endMs = performance.now() + deadlineMs;
    const { outbox } = this.#parts;
    for (;;) {
      const remaining = this.#remaining();
      const leftMs = endMs - performance.now();
      if (remaining === 0) {
        await outbox.settled();
        if (this.#remaining() === 0) return { remaining: 0 };
      } else if (leftMs <= 0) return { remaining };
      await SYSTEM_TIMING.sleep(Math.max(1, Math.min(LOOK_MS, leftMs)), neverAborts);
    }
  }

  close({ deadlineMs = CLOSE_MS }: { deadlineMs?: number } = {}): Promise<{ remaining: number }> {
    this.#closed ??= this.#close(deadlineMs);
    return this.#closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(deadlineMs: number): Promise<{ remaining: number }> {
    const { outbox, leave } = this.#parts;
    this.#closing.abort();
    const flushed = await this.flush({ deadlineMs }).catch(() => ({ remaining: this.#remaining() }));
    this.#ending.abort();
    this.#status?.stop();
    this.#drain.stop();
    await leave();
    await outbox.close();
    this.#publications.close(
      new HydrantError('HYD_CLOSED', 'the client was closed; what is stored is sent by the next one on this outbox'),
    );
    return flushed;
  }

  /** Of a channel, which has checked it. */
  #storeRequest({ topic, payload, qos = 1, retain = false, channel, ttlMs, id = createUlid(), ...more }: ChannelRequest): Publication {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const expiresMs = ttlMs === undefined ? undefined : SYSTEM_TIMING.now() + ttlMs;
    return this.#store({ id, channel, topic, payload: bytes, qos, retain, expiresMs, ...more });
  }

  #store(event: OutboxEvent): Publication {
    const { id, channel, topic } = event;
    if (this.#closed) return this.#refuse(id, new HydrantError('HYD_CLOSED', `the client is closed: nothing was published to ${topic}`));
    this.#configure(channel);
    return this.#publications.track(id, this.#parts.outbox.put(event), this.#metrics);
  }

  #refuse(id: string, error: HydrantError): Publication {
    this.#metrics.refused++;
    return this.#publications.refuse(id, error);
  }

  /** What another process has stored. */
  #onForeign(changed: ReadonlySet<string>): void {
    for (const channel of changed) this.#configure(channel);
    try {
      if (changed.has(STATE)) this.#channels.findState();
    } catch (error) {
      this.#parts.log('error', 'state that another process has stored is not gathered', { error: errorText(error) });
    }
    this.#drain.onForeign(changed);
  }

  /** Gives a channel that no bounds name those of all others, before its first event; `data` and `state`, once opened, have their own. */
  #configure(channel: string): void {
    if (this.#configured.has(channel)) return;
    this.#configured.add(channel);
    const { outbox, options } = this.#parts;
    const { '*': all, [channel]: own } = options.channels ?? {};
    if (all && !own) outbox.configure(channel, all);
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

  /** Waits for the right to send; until then looks at what becomes of what was stored here. */
  async #lead(): Promise<void> {
    const { signal } = this.#ending;
    void this.#watchOthers();
    try {
      await this.#parts.outbox.claim({ signal });
    } catch {
      return;
    }
    this.#isLeading = true;
    this.#drain.start();
    this.#leading.resolve();
    this.#parts.listeners.tell('leading', undefined);
    if (this.#parts.options.bus) this.#onLink(true, 1);
  }

  /** Also once after the right is here: the other may have sent something just before it ended. */
  async #watchOthers(): Promise<void> {
    const { signal } = this.#ending;
    for (;;) {
      await SYSTEM_TIMING.sleep(POLL_MS, signal);
      if (signal.aborted) return;
      const wasLeading = this.#isLeading;
      const hasLooked = await this.#publications.poll().then(
        () => true,
        () => false,
      );
      if (wasLeading && hasLooked) return;
    }
  }
}

const neverAborts = new AbortController().signal;
