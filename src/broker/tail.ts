import { crashPoint } from '../core/crash-point.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Journal } from '../journal/journal.ts';
import type { Connection } from '../mqtt/connection.ts';
import { LineClock } from '../wire/line.ts';
import { matchFilter } from '../wire/topic.ts';
import type { Message } from './message.ts';
import type { BrokerOptions } from './options.ts';
import type { Projections } from './projections.ts';
import type { Session } from './session.ts';
import { count, type Statistics } from './statistics.ts';
import { joinRoutes } from './subscription.ts';
import type { SubscriptionTree } from './subscription-tree.ts';

export interface TailParts {
  journal: Journal;
  tree: SubscriptionTree<Session>;
  projections: Projections;
  statistics: Statistics;
  options: Pick<BrokerOptions, 'journal'>;
  nowMs: () => number;
  log: Log;
}

/** Encoded bytes waiting for the disk above which publishers are not read, and below which they are again. */
const CONGESTED_BYTES = 8 * 1024 * 1024;
const RELIEVED_BYTES = 4 * 1024 * 1024;

/** The way of every event: into the journal, and once it is on disk to everybody, in the order of sequences. There is one. */
export class Tail {
  /** Sequence of the last event that was fanned out. */
  seq: number;
  readonly #parts: TailParts;
  readonly #journal: Journal;
  readonly #tree: SubscriptionTree<Session>;
  readonly #projections: Projections;
  readonly #lineClock = new LineClock();
  /** Publishers that are not read while the disk is behind. */
  readonly #heldBack = new Set<Connection>();

  constructor(parts: TailParts) {
    this.#parts = parts;
    this.#journal = parts.journal;
    this.#tree = parts.tree;
    this.#projections = parts.projections;
    this.seq = parts.journal.head;
    parts.journal.onCommit = (records) => this.#onCommit(records as Message[]);
    parts.journal.onLost = (records, error) => this.#onLost(records as Message[], error);
  }

  /**
   * Into the journal, or straight out when its topic is not journalled.
   * @throws HYD_JOURNAL_FULL, HYD_JOURNAL_FAILED, HYD_CLOSED
   */
  take(message: Message): void {
    if (this.#isJournalled(message)) this.#journal.append(message);
    else this.#passOn(message);
  }

  /** An event of the server's own: nobody waits for it, and a disk that is full has better things to take. */
  tell(message: Message): void {
    const { statistics } = this.#parts;
    statistics.ownEvents++;
    try {
      if (this.#isExcluded(message)) this.#passOn(message);
      else if (this.#journal.state === 'ok') this.#journal.append(message);
      else count(statistics.dropped, 'own-event');
    } catch (error) {
      if (!(error instanceof HydrantError)) throw error;
      count(statistics.dropped, 'own-event');
    }
  }

  /** To everybody who has a subscription that matches. */
  fanOut(message: Message): void {
    for (const { owner, subscriptions } of this.#tree.match(message.topic)) {
      const route = joinRoutes(subscriptions, message, owner.clientId);
      if (route) owner.offer(message, route);
    }
  }

  /** True while the disk is behind: publishers should not be read. */
  get congested(): boolean {
    return this.#journal.state === 'ok' && this.#journal.pendingBytes > CONGESTED_BYTES;
  }

  /** Stops reading from a publisher until the disk has caught up. */
  holdBack(connection: Connection): void {
    connection.pauseReading();
    this.#heldBack.add(connection);
  }

  #passOn(message: Message): void {
    this.#parts.statistics.unjournalled++;
    message.arrivalMs = this.#parts.nowMs();
    message.ts = this.#lineClock.next(message.arrivalMs);
    this.#projections.apply(message);
    this.fanOut(message);
    message.publisher?.onDurable(message);
  }

  #isJournalled(message: Message): boolean {
    if (message.qos === 0 && !this.#parts.options.journal.qos0 && !message.retain) return false;
    return !this.#isExcluded(message);
  }

  #isExcluded({ topic }: Message): boolean {
    const { exclude } = this.#parts.options.journal;
    return exclude.length > 0 && exclude.some((filter) => matchFilter(filter, topic));
  }

  /** Everything that is now on disk: to its readers first, then to its publisher the acknowledgement. */
  #onCommit(messages: Message[]): void {
    crashPoint('tail.before-fanout');
    for (const message of messages) {
      this.seq = message.seq;
      this.#projections.apply(message);
      this.fanOut(message);
    }
    crashPoint('wire.before-ack');
    for (const message of messages) {
      message.publisher?.onDurable(message);
      message.publisher = undefined;
    }
    if (this.#heldBack.size > 0 && this.#journal.pendingBytes < RELIEVED_BYTES) this.#relieve();
  }

  #onLost(messages: Message[], error: HydrantError): void {
    const { log, statistics } = this.#parts;
    log('error', 'events could not be written; none of them was acknowledged', { events: messages.length, error: error.message });
    for (const message of messages) {
      if (message.publisher) message.publisher.onLost(message);
      else count(statistics.dropped, 'journal-failed');
    }
    this.#relieve();
  }

  #relieve(): void {
    const held = [...this.#heldBack];
    this.#heldBack.clear();
    for (const connection of held) connection.resumeReading();
  }
}
