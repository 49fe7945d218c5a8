import { type Access, openAccess } from '../access/access.ts';
import type { Bus } from '../bus/bus.ts';
import type { History } from '../bus/history.ts';
import { type Clock, systemClock } from '../core/clock.ts';
import { HydrantError } from '../core/errors.ts';
import { type Log, silentLog } from '../core/log.ts';
import type { StateStore } from '../core/state-store.ts';
import type { Hold } from '../journal/holds.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalRecord } from '../journal/record.ts';
import type { Transport } from '../mqtt/transport.ts';
import type { Event } from '../wire/event.ts';
import { assertTopic, hasMoreLevels } from '../wire/topic.ts';
import { Admission } from './admission.ts';
import { backlogFloor } from './backlog.ts';
import { createEmbeddedBus } from './bus-driver.ts';
import { CatchUp, type EventReader, readHistoryFilter, readSince, type Since } from './catch-up.ts';
import { Client } from './client.ts';
import { ClientEvents } from './client-events.ts';
import { Message } from './message.ts';
import type { BrokerOptions } from './options.ts';
import { Projections } from './projections.ts';
import { REASON } from './reasons.ts';
import { Refusals } from './refusals.ts';
import { Retained } from './retained.ts';
import type { Session } from './session.ts';
import { SessionState } from './session-state.ts';
import { Sessions, type SessionsHost } from './sessions.ts';
import { SharedGroups } from './shared-groups.ts';
import { isShared } from './shared-name.ts';
import { addTraffic, count, createStatistics, type Statistics, type Traffic } from './statistics.ts';
import { joinRoutes, type Subscription } from './subscription.ts';
import { SubscriptionTree } from './subscription-tree.ts';
import { SysTree } from './sys-tree.ts';
import { Tail } from './tail.ts';
import { Wills } from './wills.ts';

export interface BrokerParts {
  journal: Journal;
  /** Opened with `STATE_STEPS`. */
  store: StateStore;
  options: BrokerOptions;
  /** What is no longer in the journal. */
  history?: History;
  /** Default: everybody may do everything. */
  access?: Access;
  /** Of the package. */
  version: string;
  clock?: Clock;
  log?: Log;
}

const TICK_MS = 500;
/** How long clients have at the end to take their last bytes. */
const GOODBYE_MS = 1000;
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
export class Broker implements SessionsHost {
  readonly options: BrokerOptions;
  readonly log: Log;
  readonly access: Access;
  readonly sessions: Sessions;
  readonly clients = new Set<Client>();
  readonly sessionState: SessionState;
  readonly shares: SharedGroups;
  readonly retained: Retained;
  readonly wills: Wills;
  readonly events: ClientEvents;
  readonly refusals: Refusals;
  /** The embedded engine behind the bus port. */
  readonly bus: Bus;
  readonly statistics = createStatistics();
  readonly tail: Tail;
  readonly #journal: Journal;
  readonly #store: StateStore;
  readonly #clock: Clock;
  readonly #tree = new SubscriptionTree<Session>();
  readonly #catchUp: CatchUp;
  readonly #projections: Projections;
  readonly #hold: Hold;
  readonly #admission = new Admission(
    () => this.options.limits,
    () => this.nowMs(),
  );
  /** Of connections that have ended. */
  readonly #ended: Traffic = { packetsIn: 0, packetsOut: 0, bytesIn: 0, bytesOut: 0 };
  readonly #sys: SysTree;
  readonly #timer: NodeJS.Timeout;
  #closing = false;

  constructor(parts: BrokerParts) {
    this.options = parts.options;
    this.log = parts.log ?? silentLog;
    this.access = parts.access ?? openAccess();
    this.access.onChange = () => this.#onAccessChange();
    this.#journal = parts.journal;
    this.#store = parts.store;
    this.#clock = parts.clock ?? systemClock;
    this.#hold = parts.journal.hold('sessions');
    this.sessionState = new SessionState(parts.store);
    this.sessions = new Sessions(this, this.sessionState);
    this.shares = new SharedGroups(this);
    this.events = new ClientEvents({
      isOn: () => this.options.clients.events,
      nowMs: () => performance.now(),
      publish: (event) => this.tail.tell(new Message(event)),
      onUntold: (events) => count(this.statistics.dropped, 'own-event', events),
    });
    this.refusals = new Refusals(this.statistics, this.log, this.events);
    this.retained = new Retained(parts.store);
    this.#projections = new Projections(parts.store, this.retained, this.sessions, this.sessionState);
    this.tail = new Tail({
      journal: parts.journal,
      tree: this.#tree,
      projections: this.#projections,
      statistics: this.statistics,
      options: this.options,
      nowMs: () => this.nowMs(),
      log: this.log,
    });
    this.wills = new Wills(parts.store, (will) =>
      this.bus.publish({ ...will, retain: will.retain && !this.isRetainedFull(will.topic, will.payload) }),
    );
    this.#catchUp = new CatchUp(parts.journal, parts.history, (events) => this.#onGap(events));
    this.bus = createEmbeddedBus(this, parts.journal);
    this.#sys = new SysTree(
      {
        intervalMs: () => this.options.sys.interval,
        read: () => ({ statistics: this.stats(), version: parts.version, journal: journalSize(parts.journal) }),
        hasReaders: () => this.#tree.begins('$SYS'),
        publish: (message) => this.tail.fanOut(message),
      },
      performance.now(),
    );
    this.#timer = setInterval(() => this.#onTick(), TICK_MS).unref();
  }

  get tailSeq(): number {
    return this.tail.seq;
  }

  get maxExpiryMs(): number {
    return this.options.sessions.maxExpiry;
  }

  get limits(): { queuedBytes: number; queuedMessages: number } {
    return this.options.limits;
  }

  /** Takes a network connection. */
  accept(transport: Transport): void {
    if (this.#closing) return transport.destroy();
    const refusal = this.#admission.enter(transport.address);
    if (refusal) {
      this.refusals.note({ clientId: '', user: '', remote: transport.address }, refusal, transport.kind);
      return transport.destroy();
    }
    this.clients.add(new Client(this, transport));
    this.statistics.connectionsTotal++;
  }

  /** A connection is gone. */
  forget(client: Client): void {
    if (!this.clients.delete(client)) return;
    this.#admission.leave(client.transport.address);
    addTraffic(this.#ended, client.connection);
  }

  /**
   * Takes a message: into the journal, and from there to everybody once it is on disk; straight out when its topic is not journalled.
   * @throws HYD_JOURNAL_FULL, HYD_JOURNAL_FAILED, HYD_CLOSED
   */
  publish(message: Message): void {
    this.statistics.messagesIn++;
    this.statistics.payloadBytesIn += message.payload.length;
    this.tail.take(message);
  }

  /** One topic more would be kept than `limits.retained` allows. */
  isRetainedFull(topic: string, payload: Uint8Array): boolean {
    const { retained } = this.options.limits;
    return retained > 0 && payload.length > 0 && this.retained.size >= retained && !this.retained.has(topic);
  }

  /** What nobody may publish, however they came in. @throws HYD_TOPIC, HYD_TOO_LARGE */
  assertTakes({ topic, payload, retain }: Event): void {
    assertTopic(topic);
    const { topicLevels, retained } = this.options.limits;
    if (hasMoreLevels(topic, topicLevels))
      throw new HydrantError(
        'HYD_TOPIC',
        `topic ${JSON.stringify(topic.slice(0, 200))} has more than ${topicLevels} levels (limits.topicLevels)`,
      );
    if (retain && this.isRetainedFull(topic, payload))
      throw new HydrantError('HYD_TOO_LARGE', `no more than ${retained} retained messages are kept (limits.retained)`);
  }

  /**
   * @param from.begin it counts for events above this sequence; default: those that come
   * @param from.since it begins in the past, as does `$history/<since>/<filter>`
   * @throws HYD_FILTER, HYD_USAGE when the past cannot be read like that
   */
  subscribe(
    session: Session,
    name: string,
    options: Pick<Subscription, 'qos' | 'noLocal' | 'retainAsPublished' | 'id' | 'except'>,
    from: { begin?: number; since?: string | undefined } = {},
  ): Subscription {
    if (isShared(name)) return this.shares.subscribe(session, name, options, from);
    const { filter, since = from.since === undefined ? undefined : readSince(from.since, this.nowMs()) } = readHistoryFilter(
      name,
      this.nowMs(),
    );
    const before = session.subscriptions.get(name);
    if (before) this.#tree.remove(session, before);
    const subscription: Subscription = since
      ? { name, filter, begin: Number.MAX_SAFE_INTEGER, reading: since, ...options }
      : { name, filter, begin: from.begin ?? this.tailSeq, ...options };
    session.subscribe(subscription);
    if (!since) this.#tree.add(session, subscription);
    return subscription;
  }

  /** What a client may read of what it has subscribed to, by the rules in force now. */
  applyPermissions({ session, permissions }: Client): void {
    for (const subscription of session?.subscriptions.values() ?? []) {
      const except = permissions.subscription(subscription.name);
      if (except?.length === 0) delete subscription.except;
      else subscription.except = except ?? 'all';
    }
  }

  unsubscribe(session: Session, name: string): boolean {
    const subscription = session.unsubscribe(name);
    if (subscription) this.#leave(session, subscription);
    return subscription !== undefined;
  }

  sendRetained(session: Session, subscription: Subscription): void {
    const { filter } = subscription;
    for (const message of [...this.retained.match(filter, this), ...this.#sys.match(filter, performance.now())]) {
      const route = joinRoutes([{ ...subscription, begin: 0 }], message, session.clientId);
      if (route) session.offerRetained(message, route);
    }
  }

  /** A client's connection is gone. @param goodbye it said DISCONNECT, so there is no will */
  disconnected(session: Session, goodbye: boolean): void {
    this.sessions.release(session, goodbye ? 'goodbye' : this.#closing ? 'stop' : 'lost');
  }

  // SessionHost

  nowMs(): number {
    return this.#clock.now();
  }

  read(filters: readonly string[], fromSeq: number): EventReader {
    return this.#catchUp.read(filters, fromSeq);
  }

  startOf(since: Since): Promise<number> {
    return this.#catchUp.startOf(since);
  }

  takeTurn<T>(work: () => Promise<T>): Promise<T> {
    return this.#catchUp.takeTurn(work);
  }

  async fetch(seqs: number[]): Promise<Map<number, JournalRecord>> {
    const records = await this.#catchUp.fetch(seqs);
    const missing = new Set(seqs.filter((seq) => !records.has(seq)));
    if (missing.size > 0) for (const message of this.retained.find(missing)) records.set(message.seq, message);
    return records;
  }

  onSettled(session: Session): void {
    this.sessions.touch(session);
  }

  onDropped({ clientId }: Session, reason: string): void {
    const client = this.sessions.holder(clientId);
    if (client) client.drop(reason);
    else count(this.statistics.dropped, reason);
  }

  onReadError(session: Session, error: unknown): void {
    this.log('error', 'reading the journal for a client failed; trying again', { client: session.clientId, error: String(error) });
    setTimeout(() => session.pump(), 1000).unref();
  }

  joinLive(session: Session, subscription: Subscription): void {
    this.#tree.add(session, subscription);
  }

  leaveTree(session: Session): void {
    for (const subscription of session.subscriptions.values()) this.#leave(session, subscription);
  }

  onExpired({ clientId, user }: Session): void {
    this.statistics.sessionsExpired++;
    this.events.tell('ended', { clientId, user }, { reason: 'expired' });
  }

  // Life

  async load(): Promise<void> {
    await this.retained.load();
    const saved = await this.sessionState.load();
    for (const session of saved) {
      const { subscriptions } = this.sessions.restore(session);
      for (const subscription of subscriptions.values())
        if (!subscription.reading && !subscription.shared) this.#tree.add(this.sessions.get(session.clientId)!, subscription);
    }
    this.shares.restore();
    await this.#projections.replay(this.#journal);
    await this.wills.load(this.options.sessions.willGrace);
    this.#onTick();
  }

  stats(): Statistics {
    const { statistics, sessions } = this;
    Object.assign(statistics, this.#ended);
    for (const { connection } of this.clients) addTraffic(statistics, connection);
    statistics.connections = this.clients.size;
    statistics.connected = sessions.connected;
    statistics.connectedMax = sessions.connectedMax;
    statistics.disconnected = sessions.countAbsent();
    statistics.sessions = sessions.size;
    statistics.subscriptions = this.#tree.size - this.shares.count;
    statistics.sharedSubscriptions = this.shares.size;
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
    this.events.flush();
    this.sessions.saveAll();
    await this.#store.commit();
  }

  #leave(session: Session, subscription: Subscription): void {
    if (subscription.shared) this.shares.leave(session, subscription.name);
    else this.#tree.remove(session, subscription);
  }

  #onAccessChange(): void {
    for (const client of this.clients) {
      const { session, identity } = client;
      if (!session) continue;
      if (!this.access.isCurrent(identity)) {
        client.refuse(REASON.notAuthorized, 'the account ended');
        continue;
      }
      client.permissions = this.access.permissions(identity, session.clientId);
      this.applyPermissions(client);
    }
  }

  #onGap(events: number): void {
    this.statistics.gapEvents += events;
    this.log('warn', 'events that an absent client should have got are no longer kept', { events });
  }

  #onTick(): void {
    const nowMs = this.nowMs();
    this.sessions.tick();
    this.shares.tick();
    this.refusals.tick(nowMs);
    if (this.events.tick()) for (const client of this.clients) client.tellDrops();
    this.#sys.tick(performance.now());
    this.#admission.tick();
    this.#projections.tick();
    this.#endOldTokens(nowMs);
    const cursors = [...this.sessions].filter((session) => session.persistent).map((session) => session.neededAbove);
    const floor = backlogFloor(this.#journal, cursors, this.options.sessions, nowMs);
    this.#hold.set(Math.min(floor, this.#projections.durableSeq + 1));
    void this.#journal.trim().catch((error) => this.log('error', 'old segments could not be removed', { error: String(error) }));
  }

  /** Clients whose token has ended and was not renewed. */
  #endOldTokens(nowMs: number): void {
    for (const client of this.clients)
      if ((client.identity.expiresAtMs ?? Number.POSITIVE_INFINITY) <= nowMs) client.refuse(REASON.maximumConnectTime, 'token expired');
  }
}

function journalSize(journal: Journal): { events: number; bytes: number; head: number } {
  let [events, bytes] = [0, 0];
  for (const segment of journal.segments) {
    events += segment.last - segment.first + 1;
    bytes += segment.bytes;
  }
  return { events, bytes, head: journal.head };
}
