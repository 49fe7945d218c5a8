import type { Bus } from '../bus/bus.ts';
import type { History } from '../bus/history.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { crashPoint } from '../core/crash-point.ts';
import type { HydrantError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { StateStore } from '../core/state-store.ts';
import type { Hold } from '../journal/holds.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalRecord } from '../journal/record.ts';
import type { Connection } from '../mqtt/connection.ts';
import type { Transport } from '../mqtt/transport.ts';
import { LineClock } from '../wire/line.ts';
import { matchFilter } from '../wire/topic.ts';
import { backlogFloor } from './backlog.ts';
import { createEmbeddedBus } from './bus-driver.ts';
import { CatchUp, type EventReader, type Since } from './catch-up.ts';
import { Client } from './client.ts';
import type { Message } from './message.ts';
import type { BrokerOptions } from './options.ts';
import { Projections } from './projections.ts';
import { REASON } from './reasons.ts';
import { Retained } from './retained.ts';
import { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import { type SavedSession, SessionState } from './session-state.ts';
import { count, type Statistics } from './statistics.ts';
import { joinRoutes, type Subscription } from './subscription.ts';
import { SubscriptionTree } from './subscription-tree.ts';
import { Wills } from './wills.ts';

export interface BrokerParts {
  journal: Journal;
  /** Opened with `STATE_SCHEMA`. */
  store: StateStore;
  options: BrokerOptions;
  /** What is no longer in the journal. */
  history?: History;
  clock?: Clock;
  log?: Log;
}

const TICK_MS = 500;
/** How long clients have at the end to take their last bytes. */
const GOODBYE_MS = 1000;
/** Encoded bytes waiting for the disk above which publishers are not read, and below which they are again. */
const CONGESTED_BYTES = 8 * 1024 * 1024;
const RELIEVED_BYTES = 4 * 1024 * 1024;

/**
 * Opens the broker on a journal and its state: sessions, retained messages and wills are as they were acknowledged. Closing it
 * leaves journal and store open: who opened them closes them.
 */
export async function openBroker(parts: BrokerParts): Promise<Broker> {
  const broker = new Broker(parts);
  await broker.load();
  return broker;
}

/** The log-structured broker: every publish goes into the journal once, everything else points into it. */
export class Broker implements SessionHost {
  readonly options: BrokerOptions;
  readonly log: Log;
  readonly sessions = new Map<string, Session>();
  readonly clients = new Set<Client>();
  readonly sessionState: SessionState;
  readonly retained: Retained;
  readonly wills: Wills;
  /** The embedded engine behind the bus port. */
  readonly bus: Bus;
  readonly statistics: Statistics = {
    connections: 0,
    sessions: 0,
    subscriptions: 0,
    retained: 0,
    messagesIn: 0,
    messagesOut: 0,
    dropped: {},
    refused: {},
    faults: {},
    connectionsTotal: 0,
    unjournalled: 0,
    gapEvents: 0,
  };
  tailSeq: number;
  readonly #journal: Journal;
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #lineClock = new LineClock();
  readonly #tree = new SubscriptionTree<Session>();
  readonly #catchUp: CatchUp;
  readonly #projections: Projections;
  readonly #hold: Hold;
  readonly #dirty = new Set<Session>();
  readonly #heldBack = new Set<Connection>();
  /** The connection that has each client id, from its CONNECT on. */
  readonly #holders = new Map<string, Client>();
  readonly #timer: NodeJS.Timeout;
  #closing = false;

  constructor(parts: BrokerParts) {
    this.options = parts.options;
    this.log = parts.log ?? silentLog;
    this.#journal = parts.journal;
    this.#store = parts.store;
    this.#clock = parts.clock ?? systemClock;
    this.#hold = parts.journal.hold('sessions');
    this.tailSeq = parts.journal.head;
    this.sessionState = new SessionState(parts.store);
    this.retained = new Retained(parts.store);
    this.#projections = new Projections(parts.store, this.retained, this.sessions, this.sessionState);
    this.wills = new Wills(parts.store, (event) => this.bus.publish(event));
    this.#catchUp = new CatchUp(parts.journal, parts.history, (events) => this.#onGap(events));
    this.bus = createEmbeddedBus(this, parts.journal);
    this.#timer = setInterval(() => this.#onTick(), TICK_MS).unref();
    parts.journal.onCommit = (records) => this.#onCommit(records as Message[]);
    parts.journal.onLost = (records, error) => this.#onLost(records as Message[], error);
  }

  get limits(): { queuedBytes: number; queuedMessages: number } {
    return this.options.limits;
  }

  /** Takes a network connection. */
  accept(transport: Transport): void {
    if (this.#closing) return transport.destroy();
    this.clients.add(new Client(this, transport));
    this.statistics.connectionsTotal++;
  }

  /**
   * Takes a message: into the journal, and from there to everybody once it is on disk; straight out when its topic is not journalled.
   * @throws HYD_JOURNAL_FULL, HYD_JOURNAL_FAILED, HYD_CLOSED
   */
  publish(message: Message): void {
    this.statistics.messagesIn++;
    if (this.#isJournalled(message)) {
      this.#journal.append(message);
      return;
    }
    this.statistics.unjournalled++;
    message.arrivalMs = this.nowMs();
    message.ts = this.#lineClock.next(message.arrivalMs);
    this.#projections.apply(message);
    this.#fanOut(message);
    message.publisher?.onDurable(message);
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

  /**
   * @param begin it counts for events above this sequence; default: those that come
   * @returns undefined when the filter is a `$history/…` that cannot be read
   */
  subscribe(
    session: Session,
    name: string,
    options: Pick<Subscription, 'qos' | 'noLocal' | 'retainAsPublished' | 'id'>,
    begin = this.tailSeq,
  ): Subscription | undefined {
    const wish = this.#catchUp.readFilter(name, this.nowMs());
    if (!wish) return undefined;
    const before = session.subscriptions.get(name);
    if (before) this.#tree.remove(session, before);
    const subscription: Subscription = { name, filter: wish.filter, begin: wish.since === undefined ? begin : 0, ...options };
    session.subscribe(subscription);
    if (wish.since === undefined) this.#tree.add(session, subscription);
    else {
      this.#catchUp.startOf(wish.since).then(
        (first) => session.feedHistory(subscription, first),
        (error) => this.onReadError(session, error),
      );
    }
    return subscription;
  }

  /** The first sequence at or after a point in the past. */
  startOf(since: Since): Promise<number> {
    return this.#catchUp.startOf(since);
  }

  unsubscribe(session: Session, name: string): boolean {
    const subscription = session.unsubscribe(name);
    if (subscription) this.#tree.remove(session, subscription);
    return subscription !== undefined;
  }

  sendRetained(session: Session, subscription: Subscription): void {
    if (subscription.name !== subscription.filter) return;
    for (const message of this.retained.match(subscription.filter, this.nowMs())) {
      const route = joinRoutes([{ ...subscription, begin: 0 }], message, session.clientId);
      if (route) session.offerRetained(message, route);
    }
  }

  /**
   * A connection has this client id from now on; whoever had it is sent away [MQTT-3.1.4-2].
   * @param goesOn the session does too, so a will that has a delay waits for it
   */
  takeOver(clientId: string, client: Client, goesOn: boolean): void {
    const old = this.#holders.get(clientId);
    this.#holders.set(clientId, client);
    if (!old?.session) return;
    const { session } = old;
    old.leave(REASON.sessionTakenOver);
    session.detach();
    this.wills.lose(clientId, goesOn ? session.expirySeconds : 0);
  }

  isExpired(session: Session): boolean {
    const { disconnectedMs, expirySeconds, reliable } = session;
    return !reliable && disconnectedMs !== undefined && this.nowMs() - disconnectedMs >= expirySeconds * 1000;
  }

  /** A client's connection is gone. @param goodbye it said DISCONNECT, so there is no will */
  disconnected(session: Session, goodbye: boolean): void {
    session.detach();
    this.#holders.delete(session.clientId);
    if (goodbye) this.wills.remove(session.clientId);
    else if (!this.#closing) this.wills.lose(session.clientId, session.expirySeconds);
    if (!session.persistent) {
      this.endSession(session);
      return;
    }
    this.sessionState.saveSession(session);
    this.sessionState.saveCursor(session);
  }

  endSession(session: Session): void {
    for (const subscription of session.subscriptions.values()) this.#tree.remove(session, subscription);
    this.sessions.delete(session.clientId);
    this.#dirty.delete(session);
    if (session.persistent) this.sessionState.removeSession(session.clientId);
  }

  /** Seconds a session may outlive its connection, at most `sessions.maxExpiry`. */
  boundExpiry(seconds: number): number {
    return Math.min(seconds, Math.floor(this.options.sessions.maxExpiry / 1000));
  }

  setExpiry(session: Session, seconds: number): void {
    session.expirySeconds = seconds;
    if (session.persistent && seconds === 0) this.sessionState.removeSession(session.clientId);
    session.persistent = seconds > 0;
  }

  // SessionHost

  nowMs(): number {
    return this.#clock.now();
  }

  read(filters: readonly string[], fromSeq: number): Promise<EventReader> {
    return this.#catchUp.read(filters, fromSeq);
  }

  takeTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#catchUp.takeTurn(work);
  }

  async fetch(seqs: number[]): Promise<Map<number, JournalRecord>> {
    const records = await this.#catchUp.fetch(seqs);
    for (const seq of seqs) {
      const retained = records.has(seq) ? undefined : this.retained.find(seq);
      if (retained) records.set(seq, retained);
    }
    return records;
  }

  onSettled(session: Session): void {
    if (session.persistent) this.#dirty.add(session);
  }

  onDropped(reason: string): void {
    count(this.statistics.dropped, reason);
  }

  onReadError(session: Session, error: unknown): void {
    this.log('error', 'reading the journal for a client failed; trying again', { client: session.clientId, error: String(error) });
    setTimeout(() => session.pump(), 1000).unref();
  }

  joinLive(session: Session, subscription: Subscription): void {
    this.#tree.add(session, subscription);
  }

  // Life

  async load(): Promise<void> {
    await this.retained.load();
    const saved = await this.sessionState.load();
    for (const session of saved) this.#restore(session);
    await this.#projections.replay(this.#journal);
    await this.wills.load(this.options.sessions.willGrace);
    this.#onTick();
  }

  stats(): Statistics {
    const { statistics } = this;
    statistics.connections = this.clients.size;
    statistics.sessions = this.sessions.size;
    statistics.subscriptions = this.#tree.size;
    statistics.retained = this.retained.size;
    return statistics;
  }

  /** Ends every connection; sessions, and wills of those that were connected, stay in the state. */
  async close(options: { deadlineMs?: number } = {}): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    clearInterval(this.#timer);
    this.wills.close();
    await this.bus.close();
    for (const client of this.clients) client.shutDown();
    const deadline = Date.now() + Math.min(options.deadlineMs ?? GOODBYE_MS, GOODBYE_MS);
    while (this.clients.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 10));
    for (const client of this.clients) client.connection.destroy();
    for (const session of this.sessions.values()) if (session.persistent) this.sessionState.saveCursor(session);
    await this.#store.commit();
  }

  #isJournalled(message: Message): boolean {
    const { qos0, exclude } = this.options.journal;
    if (message.qos === 0 && !qos0 && !message.retain) return false;
    return exclude.length === 0 || !exclude.some((filter) => matchFilter(filter, message.topic));
  }

  /** The one tail: everything that is now on disk, in sequence order. */
  #onCommit(messages: Message[]): void {
    crashPoint('tail.before-fanout');
    for (const message of messages) {
      this.tailSeq = message.seq;
      this.#projections.apply(message);
      this.#fanOut(message);
    }
    crashPoint('wire.before-ack');
    for (const message of messages) {
      message.publisher?.onDurable(message);
      message.publisher = undefined;
    }
    if (this.#heldBack.size > 0 && this.#journal.pendingBytes < RELIEVED_BYTES) this.#relieve();
  }

  #fanOut(message: Message): void {
    for (const { owner, subscriptions } of this.#tree.match(message.topic)) {
      const route = joinRoutes(subscriptions, message, owner.clientId);
      if (route) owner.offer(message, route);
    }
  }

  #onLost(messages: Message[], error: HydrantError): void {
    this.log('error', 'events could not be written; none of them was acknowledged', { events: messages.length, error: error.message });
    for (const message of messages) {
      if (message.publisher) message.publisher.onLost(message);
      else count(this.statistics.dropped, 'journal-failed');
    }
    this.#relieve();
  }

  #relieve(): void {
    const held = [...this.#heldBack];
    this.#heldBack.clear();
    for (const connection of held) connection.resumeReading();
  }

  #restore(saved: SavedSession): void {
    const { clientId, incarnation, cursor, reliable } = saved;
    const session = new Session(this, { clientId, incarnation, readFrom: cursor + 1, persistent: true, reliable }, this.sessionState);
    session.expirySeconds = saved.expirySeconds;
    session.disconnectedMs = saved.disconnectedMs ?? this.nowMs();
    for (const subscription of saved.subscriptions) {
      if (subscription.end === undefined) {
        session.subscriptions.set(subscription.name, subscription);
        this.#tree.add(session, subscription);
      } else session.ended.push(subscription);
    }
    for (const { packetId, seq } of saved.inbound) session.inbound.set(packetId, { seq, durable: true, answer: undefined });
    session.restore(saved.deliveries, saved.done);
    this.sessions.set(clientId, session);
  }

  #onGap(events: number): void {
    this.statistics.gapEvents += events;
    this.log('warn', 'events that an absent client should have got are no longer kept', { events });
  }

  #onTick(): void {
    const nowMs = this.nowMs();
    for (const session of this.#dirty) this.sessionState.saveCursor(session);
    this.#dirty.clear();
    this.#projections.tick();
    for (const session of this.sessions.values()) if (this.isExpired(session)) this.endSession(session);
    const cursors = [...this.sessions.values()].filter((session) => session.persistent).map((session) => session.cursor);
    const floor = backlogFloor(this.#journal, cursors, this.options.sessions, nowMs);
    this.#hold.set(Math.min(floor, this.#projections.durableSeq + 1));
    void this.#journal.trim().catch((error) => this.log('error', 'old segments could not be removed', { error: String(error) }));
  }
}
