import type { Bus, Delivery, Gap, Subscription } from '../../bus/bus.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { HydrantError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { StateStore } from '../../core/state-store.ts';
import type { Journal } from '../../journal/journal.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { gapEvent } from '../../wire/gap.ts';
import { compileExclude, type ExcludeOptions } from '../exclude.ts';
import { AppendLine, type Entry } from './append-line.ts';
import { type JournalInbox, openInbox } from './inbox.ts';

export interface IntakeParts {
  /** What it delivers becomes the record as it is, so it is one that gives its events away: that of another server. */
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
  /** Where the events come from, for gap records: URLs without account. Without any of those of before it is another broker. */
  brokers: readonly string[];
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

/**
 * Reads a bus into a journal. An event is acknowledged once it is on disk, never before; what the journal does not take now waits
 * unacknowledged, in order, and is tried again by itself. Closing it leaves bus, journal and store open: who opened them closes them.
 * @throws HYD_CONFIG for an exclusion that is none, HYD_STATE
 */
export async function openIntake(parts: IntakeParts, options: IntakeOptions): Promise<Intake> {
  compileExclude(options.exclude ?? {});
  const { store, journal } = parts;
  const owner = { clientId: options.durable, urls: options.brokers };
  return new Intake(parts, options, await openInbox({ store, journal, owner }));
}

export class Intake {
  /** Resolves once the subscription stands. Rejects when it cannot. */
  readonly subscribed: Promise<void>;
  /** Resolves when the intake was closed; rejects when the subscription ended by itself, with the reason. */
  readonly ended: Promise<void>;
  readonly #line: AppendLine;
  readonly #inbox: JournalInbox;
  readonly #log: Log;
  readonly #options: IntakeOptions;
  readonly #stopping = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #counts = { events: 0, bytes: 0, dup: 0, excluded: 0, gaps: 0 };
  #isExcluded: ((topic: string) => boolean) | undefined;
  #subscription: Subscription | undefined;
  #draining = false;
  #closing: Promise<void> | undefined;

  constructor({ bus, journal, isConnected = () => true, log = silentLog }: IntakeParts, options: IntakeOptions, inbox: JournalInbox) {
    this.#line = new AppendLine(journal, (entries) => this.#onDurable(entries), log);
    this.#inbox = inbox;
    this.#log = log;
    this.#options = options;
    this.#isExcluded = compileExclude(options.exclude ?? {});
    this.#timer = setInterval(() => inbox.tick(isConnected()), TICK_MS).unref();
    if (inbox.gap) this.#tellGap(inbox.gap);
    const subscribing = this.#subscribe(bus);
    this.subscribed = subscribing.then(() => {});
    this.ended = subscribing.then((subscription) => this.#read(subscription));
    for (const promise of [this.subscribed, this.ended]) promise.catch(() => {});
  }

  get statistics(): IntakeStatistics {
    return { ...this.#counts, waiting: this.#line.length, unreleased: this.#inbox.size };
  }

  /** Takes over what may change while it runs. @throws HYD_CONFIG */
  configure({ exclude }: Pick<IntakeOptions, 'exclude'>): void {
    this.#isExcluded = compileExclude(exclude ?? {});
  }

  /** Takes nothing more, and waits until what was taken is on disk and acknowledged; what is not at the deadline stays unacknowledged. */
  async drain({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    this.#draining = true;
    clearInterval(this.#timer);
    await this.#line.drain(deadlineMs);
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
      if (this.#line.isCongested && !this.#draining) await this.#line.room();
    }
  }

  #take(delivery: Delivery): void {
    const { event, redelivered } = delivery;
    if (this.#isExcluded?.(event.topic)) {
      this.#counts.excluded++;
      delivery.ack();
      return;
    }
    // What the inbox watches over is here for the first time, however often it was sent.
    if (event.inbound !== undefined) event.dup &&= false;
    else if (redelivered) event.dup = true;
    this.#line.append(delivery);
  }

  #onDurable(entries: Entry[]): void {
    crashPoint('intake.before-note');
    for (const { event } of entries) this.#inbox.apply(event as JournalRecord);
    crashPoint('intake.before-ack');
    for (const entry of entries) if (entry.ack) this.#finish(entry as Delivery);
    crashPoint('intake.acked');
  }

  #finish(delivery: Delivery): void {
    const { payload, dup } = delivery.event;
    this.#counts.events++;
    this.#counts.bytes += payload.length;
    if (dup) this.#counts.dup++;
    delivery.ack();
  }

  /** The inbox may have noted an earlier sign of the engine than this process has seen. */
  #onGap(gap: Gap): void {
    const seenMs = this.#inbox.seenMs || gap.untilMs;
    const told = { ...gap, fromMs: Math.min(gap.fromMs ?? seenMs, seenMs) };
    this.#inbox.noteGap(told);
    this.#tellGap(told);
  }

  #tellGap({ reason, fromMs, untilMs }: Gap): void {
    const { brokers, durable } = this.#options;
    const gap = {
      reason,
      broker: brokers.join(' '),
      from: new Date(fromMs ?? untilMs).toISOString(),
      until: new Date(untilMs).toISOString(),
    };
    this.#counts.gaps++;
    this.#log('warn', 'the broker has no session of the archiver: what was published meanwhile is missing', { event: 'gap', ...gap });
    this.#line.append({ event: { ...gapEvent(gap, durable), seq: 0, ts: '' } });
  }

  async #close(deadlineMs: number): Promise<void> {
    await this.drain({ deadlineMs });
    this.#line.close();
    this.#stopping.abort(new HydrantError('HYD_CLOSED', 'the intake is closed'));
    await this.subscribed.catch(() => {});
    await this.#subscription?.close();
    await this.ended.catch(() => {});
  }
}
