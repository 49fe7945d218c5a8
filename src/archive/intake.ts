import type { Bus, Delivery, Gap, Subscription } from '../bus/bus.ts';
import { crashPoint } from '../core/crash-point.ts';
import { HydrantError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { StateStore } from '../core/state-store.ts';
import type { Journal } from '../journal/journal.ts';
import { gapEvent } from '../wire/gap.ts';
import { Arrival } from './arrival.ts';
import { compileExclude, type ExcludeOptions } from './exclude.ts';
import { type JournalInbox, openInbox } from './inbox.ts';

export interface IntakeParts {
  bus: Bus;
  /** Whether the engine gives signs of life. Default: always. */
  isConnected?: () => boolean;
  /** The intake is its one writer and has its `onCommit` and `onLost`. */
  journal: Journal;
  /** Opened with `INBOX_STEPS`; the intake has it to itself. */
  store: StateStore;
  log?: Log;
}

export interface IntakeOptions {
  filters: readonly string[];
  /** Name of the durable subscriber; on MQTT the client id. */
  durable: string;
  /** What gap records say that the events would have come from: a URL without account. */
  broker: string;
  /** Events that are acknowledged and not recorded. */
  exclude?: ExcludeOptions;
  /** What the engine retains when the subscription is made. Default `skip`. */
  retained?: 'skip' | 'keep';
  /** Deliveries out and not yet acknowledged, at most. Default: the bus's own. */
  maxInFlight?: number;
}

export interface IntakeStatistics {
  /** On disk and acknowledged. */
  events: number;
  /** Their payload bytes. */
  bytes: number;
  /** Those marked `dup`. */
  dup: number;
  excluded: number;
  /** Gap records. */
  gaps: number;
  /** Taken from the bus and not yet on disk. */
  waiting: number;
  /** QoS 2 deliveries on disk that the engine has not released. */
  unreleased: number;
}

const TICK_MS = 1000;
/** How soon it is tried again when the journal takes nothing. */
const RETRY_MS = 250;
/** Encoded bytes waiting for the disk above which the bus is not read, and below which it is again. */
const CONGESTED_BYTES = 8 * 1024 * 1024;
const RELIEVED_BYTES = 4 * 1024 * 1024;

/**
 * Reads a bus into a journal. An event is acknowledged once it is on disk, never before; what the journal does not take now waits
 * unacknowledged, in order, and is tried again by itself. Closing it leaves bus, journal and store open: who opened them closes them.
 * @throws HYD_CONFIG for an exclusion that is none, HYD_STATE
 */
export async function openIntake(parts: IntakeParts, options: IntakeOptions): Promise<Intake> {
  compileExclude(options.exclude ?? {});
  const { store, journal } = parts;
  return new Intake(parts, options, await openInbox({ store, journal, owner: `${options.durable} ${options.broker}` }));
}

export class Intake {
  /** Resolves once the subscription stands. Rejects when it cannot. */
  readonly subscribed: Promise<void>;
  /** Resolves when the intake was closed; rejects when the subscription ended by itself, with the reason. */
  readonly ended: Promise<void>;
  readonly #journal: Journal;
  readonly #inbox: JournalInbox;
  readonly #log: Log;
  readonly #options: IntakeOptions;
  readonly #stopping = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #counts = { events: 0, bytes: 0, dup: 0, excluded: 0, gaps: 0 };
  #isExcluded: ((topic: string) => boolean) | undefined;
  #subscription: Subscription | undefined;
  /** Appended, not on disk. */
  #pending = 0;
  /** Not appended, because the journal takes nothing at the moment. */
  #refused: Arrival[] = [];
  #whyRefused = '';
  #retry: NodeJS.Timeout | undefined;
  #isStuck = false;
  #draining = false;
  #onRelief: (() => void) | undefined;
  #onDrained: (() => void) | undefined;
  #closing: Promise<void> | undefined;

  constructor({ bus, journal, isConnected = () => true, log = silentLog }: IntakeParts, options: IntakeOptions, inbox: JournalInbox) {
    this.#journal = journal;
    this.#inbox = inbox;
    this.#log = log;
    this.#options = options;
    this.#isExcluded = compileExclude(options.exclude ?? {});
    journal.onCommit = (records) => this.#onCommit(records as Arrival[]);
    journal.onLost = (records, error) => this.#onLost(records as Arrival[], error);
    this.#timer = setInterval(() => inbox.tick(isConnected()), TICK_MS).unref();
    if (inbox.gap) this.#tellGap(inbox.gap);
    const subscribing = this.#subscribe(bus);
    this.subscribed = subscribing.then(() => {});
    this.ended = subscribing.then((subscription) => this.#read(subscription));
    for (const promise of [this.subscribed, this.ended]) promise.catch(() => {});
  }

  get statistics(): IntakeStatistics {
    return { ...this.#counts, waiting: this.#pending + this.#refused.length, unreleased: this.#inbox.size };
  }

  /** Takes over what may change while it runs. @throws HYD_CONFIG */
  configure({ exclude }: Pick<IntakeOptions, 'exclude'>): void {
    this.#isExcluded = compileExclude(exclude ?? {});
  }

  /** Takes nothing more, and waits until what was taken is on disk and acknowledged; what is not at the deadline stays unacknowledged. */
  async drain({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    this.#draining = true;
    clearInterval(this.#timer);
    this.#relieve();
    if (this.#pending === 0 && this.#refused.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#onDrained = resolve;
      timer = setTimeout(resolve, deadlineMs);
    });
    clearTimeout(timer);
  }

  /** Drains, then closes the subscription; the engine keeps the place. Twice is fine. */
  close({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  #subscribe(bus: Bus): Promise<Subscription> {
    const { filters, durable, retained = 'skip', maxInFlight } = this.#options;
    return bus.subscribe([...filters], {
      durable,
      retained,
      inbox: this.#inbox,
      onGap: (gap) => this.#onGap(gap),
      signal: this.#stopping.signal,
      ...(maxInFlight === undefined ? {} : { maxInFlight }),
    });
  }

  async #read(subscription: Subscription): Promise<void> {
    this.#subscription = subscription;
    for await (const batch of subscription) {
      if (this.#draining) continue;
      for (const delivery of batch) this.#take(delivery);
      if (this.#isCongested) await new Promise<void>((resolve) => (this.#onRelief = resolve));
    }
  }

  get #isCongested(): boolean {
    return this.#refused.length > 0 || this.#journal.pendingBytes > CONGESTED_BYTES;
  }

  #take(delivery: Delivery): void {
    const { event } = delivery;
    if (this.#isExcluded?.(event.topic)) {
      this.#counts.excluded++;
      delivery.ack();
    } else this.#append(new Arrival(event, delivery));
  }

  #append(arrival: Arrival): void {
    if (this.#refused.length === 0 && this.#tryAppend(arrival)) return;
    this.#refused.push(arrival);
    this.#retry ??= setTimeout(() => this.#onRetry(), RETRY_MS);
  }

  #tryAppend(arrival: Arrival): boolean {
    try {
      this.#journal.append(arrival);
    } catch (error) {
      if (!(error instanceof HydrantError) || !error.retryable) throw error;
      this.#whyRefused = error.message;
      return false;
    }
    this.#pending++;
    return true;
  }

  #appendRefused(): void {
    let taken = 0;
    while (taken < this.#refused.length && this.#tryAppend(this.#refused[taken]!)) taken++;
    this.#refused = this.#refused.slice(taken);
    if (this.#refused.length > 0) return;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    if (this.#isStuck) this.#log('info', 'the journal takes events again');
    this.#isStuck = false;
    this.#relieve();
  }

  /** What was refused has waited for a while, without a commit that made room. */
  #onRetry(): void {
    this.#retry = setTimeout(() => this.#onRetry(), RETRY_MS);
    this.#appendRefused();
    if (this.#refused.length === 0 || this.#isStuck) return;
    this.#isStuck = true;
    this.#log('warn', 'the journal takes nothing at the moment; deliveries wait', { error: this.#whyRefused });
  }

  #relieve(): void {
    if (this.#onRelief && !this.#draining && (this.#refused.length > 0 || this.#journal.pendingBytes > RELIEVED_BYTES)) return;
    this.#onRelief?.();
    this.#onRelief = undefined;
  }

  #onCommit(records: Arrival[]): void {
    crashPoint('intake.before-note');
    for (const record of records) this.#inbox.apply(record);
    crashPoint('intake.before-ack');
    for (const record of records) this.#finish(record);
    crashPoint('intake.acked');
    this.#pending -= records.length;
    if (this.#refused.length > 0) this.#appendRefused();
    else this.#relieve();
    if (this.#pending === 0 && this.#refused.length === 0) this.#onDrained?.();
  }

  #finish({ delivery, payload, dup }: Arrival): void {
    if (!delivery) return;
    this.#counts.events++;
    this.#counts.bytes += payload.length;
    if (dup) this.#counts.dup++;
    delivery.ack();
  }

  /** None of them was acknowledged, and nothing behind them may overtake them. */
  #onLost(records: Arrival[], error: HydrantError): void {
    this.#log('error', 'events could not be written; they wait unacknowledged', { events: records.length, error: error.message });
    this.#pending -= records.length;
    if (this.#stopping.signal.aborted) return;
    this.#refused = [...records, ...this.#refused];
    this.#retry ??= setTimeout(() => this.#onRetry(), RETRY_MS);
  }

  /** The inbox may have noted an earlier sign of the engine than this process has seen. */
  #onGap(gap: Gap): void {
    const seenMs = this.#inbox.seenMs || gap.untilMs;
    const told = { ...gap, fromMs: Math.min(gap.fromMs ?? seenMs, seenMs) };
    this.#inbox.noteGap(told);
    this.#tellGap(told);
  }

  #tellGap({ reason, fromMs, untilMs }: Gap): void {
    const { broker, durable } = this.#options;
    const gap = { reason, broker, from: new Date(fromMs ?? untilMs).toISOString(), until: new Date(untilMs).toISOString() };
    this.#counts.gaps++;
    this.#log('warn', 'the broker had forgotten the archiver: what was published meanwhile is missing', { event: 'gap', ...gap });
    this.#append(new Arrival(gapEvent(gap, durable)));
  }

  async #close(deadlineMs: number): Promise<void> {
    await this.drain({ deadlineMs });
    clearTimeout(this.#retry);
    this.#stopping.abort(new HydrantError('HYD_CLOSED', 'the intake is closed'));
    await this.subscribed.catch(() => {});
    await this.#subscription?.close();
    await this.ended.catch(() => {});
  }
}
