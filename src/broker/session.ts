import type { JournalRecord } from '../journal/record.ts';
import type { QoS } from '../wire/event.ts';
import type { EventReader } from './catch-up.ts';
import type { Delivery, DeliveryOrder, Share } from './delivery.ts';
import { HistoryFeed } from './history-feed.ts';
import { InFlight } from './in-flight.ts';
import { Message } from './message.ts';
import type { Membership, SessionHost, Sink } from './session-host.ts';
import type { SessionState } from './session-state.ts';
import { joinRoutes, matching, type Route, type Subscription } from './subscription.ts';
import { WaitingQueue } from './waiting-queue.ts';

const READ_RECORDS = 256;
const RETRY_MS = 1000;
const NO_MEMBERSHIPS: readonly Membership[] = [];

export interface SessionNames {
  clientId: string;
  user: string;
  incarnation: string;
  readFrom: number;
  persistent: boolean;
  reliable?: boolean;
  internal?: boolean;
}

/**
 * One session: a place in the journal, its subscriptions, and what is in flight. Three ways to run: `live` gets messages from the
 * tail; `behind` reads them from the journal at its own pace until it has caught up; `offline` costs nothing per message.
 */
export class Session {
  readonly clientId: string;
  /** Whose it is: nobody else may go on with it. */
  user: string;
  /** Random per session, so that packet ids of an earlier session of this client mean nothing. */
  readonly incarnation: string;
  readonly subscriptions = new Map<string, Subscription>();
  /** Removed or replaced ones that still count for events not read yet. */
  ended: Subscription[] = [];
  /** Packet ids of inbound QoS 2 publishes between PUBLISH and PUBREL. */
  readonly inbound = new Map<number, { seq: number; durable: boolean; answer: (() => void) | undefined }>();
  readonly inFlight: InFlight;
  /** Takes everything at least once, QoS 0 events too: a role on the bus, not an MQTT client. */
  readonly reliable: boolean;
  /** Not a client's: a role's on the bus, or a `$share` group's. What is in flight may be done in any order; the cursor goes on without it. */
  readonly internal: boolean;
  /** Its parts in `$share` groups. */
  memberships = NO_MEMBERSHIPS;
  persistent: boolean;
  /** Seconds it outlives its connection; infinity = for ever. */
  expirySeconds = 0;
  disconnectedMs: number | undefined;
  sink: Sink | undefined;
  readonly #host: SessionHost;
  readonly #state: SessionState | undefined;
  #mode: 'offline' | 'resuming' | 'behind' | 'live' = 'offline';
  #readFrom: number;
  #reader: EventReader | undefined;
  #reading = false;
  readonly #queue = new WaitingQueue();
  /** Done, but above where reading is: passed over. */
  readonly #skip = new Set<number>();
  readonly #feeds = new Set<HistoryFeed>();
  /** Of the past, sent before a crash: their feed passes over them. */
  readonly #pastSent = new Set<number>();

  constructor(host: SessionHost, names: SessionNames, state?: SessionState) {
    this.#host = host;
    this.#state = state;
    this.clientId = names.clientId;
    this.user = names.user;
    this.incarnation = names.incarnation;
    this.persistent = names.persistent;
    this.reliable = names.reliable ?? false;
    this.internal = names.internal ?? false;
    this.#readFrom = names.readFrom;
    this.inFlight = new InFlight(this, host, state);
  }

  /** Every event up to here that concerns this session is done with. */
  get cursor(): number {
    const unread = this.#queue.firstSeq ?? (this.#mode === 'live' ? this.#host.tailSeq + 1 : this.#readFrom);
    return Math.min(this.inFlight.order.lowest ?? unread, unread) - 1;
  }

  /** The journal is needed above here: for what is to be read, and to send again what is in flight. */
  get neededAbove(): number {
    let needed = this.cursor;
    for (const { seq, tracked, share } of this.inFlight) if (seq > 0 && seq <= needed && (tracked || share)) needed = seq - 1;
    return needed;
  }

  /** Sequences above the cursor that are done. */
  get doneAbove(): number[] {
    return [...new Set([...this.inFlight.order.doneAbove(), ...this.#skip])];
  }

  get queued(): number {
    return this.#queue.length;
  }

  /** A message from the tail for one of this session's subscriptions. */
  offer(message: Message, route: Route): void {
    const qos = this.#granted(message.qos, route.qos);
    if (qos === 0) {
      this.sink?.deliverOnce(message, route, false);
      return;
    }
    if (this.#mode === 'live') {
      if (this.queued === 0 && this.#hasRoom()) this.inFlight.send(message, route, qos);
      else if (this.#mayQueue(message)) this.#queue.push({ message, route, retained: false });
      else if (message.seq > 0) this.#fallBehind(message.seq);
      else this.#host.onDropped(this, 'queue-full');
    } else if (message.seq === 0 && this.sink) {
      if (this.#hasRoom()) this.inFlight.send(message, route, qos);
      else if (this.#mode === 'resuming' && this.#mayQueue(message)) this.#queue.push({ message, route, retained: false });
      else this.#host.onDropped(this, 'queue-full');
    }
  }

  /** A retained message because of a new subscription [MQTT-3.3.1-9]. */
  offerRetained(message: Message, route: Route): void {
    const qos = this.#granted(message.qos, route.qos);
    if (qos === 0) this.sink?.deliverOnce(message, route, true);
    else if (this.queued === 0 && this.#hasRoom()) this.inFlight.send(message, route, qos, { retained: true });
    else this.#queue.push({ message, route, retained: true });
  }

  /** Somebody is there: what is in flight is sent again, then what was missed, then what comes. */
  resume(sink: Sink): void {
    this.sink = sink;
    this.disconnectedMs = undefined;
    this.#dropReader();
    if (this.inFlight.size === 0) {
      this.#goOn();
      return;
    }
    this.#mode = 'resuming';
    const { lost } = this.inFlight;
    const fetched = lost.length > 0 ? this.#host.fetch(lost) : Promise.resolve(new Map<number, JournalRecord>());
    fetched.then(
      (records) => {
        if (this.sink !== sink) return;
        this.inFlight.prepareRepeat(records);
        this.#goOn();
      },
      (error) => {
        this.#host.onReadError(this, error);
        setTimeout(() => this.sink === sink && this.resume(sink), RETRY_MS).unref();
      },
    );
  }

  /** Nobody is there any more. What waited in memory is read from the journal next time. */
  detach(): void {
    const first = this.#queue.firstSeq;
    if (first !== undefined) this.#readFrom = first;
    else if (this.#mode === 'live') this.#readFrom = this.#host.tailSeq + 1;
    this.#queue.keepRetained();
    this.#dropReader();
    for (const feed of this.#feeds) feed.rest();
    this.#mode = 'offline';
    this.sink = undefined;
    this.disconnectedMs = this.#host.nowMs();
    this.inFlight.detach();
    for (const membership of this.memberships) membership.onAbsent();
  }

  subscribe(subscription: Subscription): void {
    const before = this.subscriptions.get(subscription.name);
    if (before) this.#end(before);
    this.subscriptions.set(subscription.name, subscription);
    this.#dropReader();
    this.#state?.saveSubscription(this, subscription);
    if (subscription.reading) this.#feed(subscription);
  }

  unsubscribe(name: string): Subscription | undefined {
    const subscription = this.subscriptions.get(name);
    if (!subscription) return undefined;
    this.subscriptions.delete(name);
    this.#end(subscription);
    this.#dropReader();
    return subscription;
  }

  /** Subscriptions that are still being read from the past: name, and where a crash would go on. */
  get readings(): [name: string, seq: number][] {
    return [...this.#feeds].flatMap(({ subscription, position }) => (position === undefined ? [] : [[subscription.name, position]]));
  }

  /** @internal a feed has caught up: its subscription is an ordinary one from here on */
  endFeed(feed: HistoryFeed): void {
    this.#feeds.delete(feed);
    const { reading: _, ...subscription } = feed.subscription;
    const live = { ...subscription, begin: this.#host.tailSeq };
    this.subscribe(live);
    this.#host.joinLive(this, live);
  }

  /** @internal sends a message of the past */
  deliverPast(record: JournalRecord, route: Route, order: DeliveryOrder): void {
    const qos = this.#granted(record.qos, route.qos);
    if (qos === 0) this.sink?.deliverOnce(Message.restored(record), route, false);
    else if (!this.#pastSent.delete(record.seq)) this.inFlight.send(Message.restored(record), route, qos, { past: order });
  }

  /** Sends what a `$share` group gives to this session; it must have room. */
  deliverShared(message: Message, route: Route, qos: 1 | 2, share: Share): void {
    this.inFlight.send(message, route, qos, { share });
  }

  /** Room for that many more deliveries now; none before what was in flight has had its turn. */
  get room(): number {
    return this.sink && !this.isResuming ? this.inFlight.room(this.sink) : 0;
  }

  /** What was in flight is yet to be sent again. */
  get isResuming(): boolean {
    return this.#mode === 'resuming';
  }

  /** @internal a delivery is acknowledged for good */
  onDone(delivery: Delivery): void {
    // Reading has yet to pass here, and the order forgets what is done.
    if (delivery.tracked && this.#mode !== 'live' && delivery.seq >= this.#readFrom) this.#skip.add(delivery.seq);
    this.inFlight.order.settle();
    delivery.share?.finish();
    this.#host.onSettled(this);
    this.pump();
  }

  /** Goes on with what waits, as far as the sink takes it. */
  pump(): void {
    if (!this.isResuming) this.inFlight.repeat();
    while (this.#hasRoom()) {
      const waiting = this.#queue.shift();
      if (!waiting) break;
      const { message, route, retained } = waiting;
      this.inFlight.send(message, route, this.#granted(message.qos, route.qos) as 1 | 2, { retained });
    }
    if (this.#mode === 'behind' && this.queued === 0) void this.#catchUp();
    for (const feed of this.#feeds) feed.pump();
    if (this.memberships.length > 0 && this.sink) for (const membership of this.memberships) membership.onRoom();
  }

  /** @internal what was in flight, and what was done above the cursor, when the state was saved */
  restore(saved: { deliveries: Delivery[]; done: number[]; pastDone: number[] }): void {
    this.inFlight.restore(saved.deliveries);
    for (const { tracked, retained, share, seq } of saved.deliveries) if (!tracked && !retained && !share) this.#pastSent.add(seq);
    for (const seq of saved.done) this.#skip.add(seq);
    for (const seq of saved.pastDone) this.#pastSent.add(seq);
    for (const subscription of this.subscriptions.values()) if (subscription.reading) this.#feed(subscription);
  }

  #feed(subscription: Subscription): void {
    const feed = new HistoryFeed(this.#host, this, subscription);
    this.#feeds.add(feed);
    feed.pump();
  }

  #granted(published: QoS, subscribed: QoS): QoS {
    if (this.reliable) return 1;
    return published < subscribed ? published : subscribed;
  }

  #hasRoom(): boolean {
    return this.room > 0;
  }

  #mayQueue(message: Message): boolean {
    const { queuedBytes, queuedMessages } = this.#host.limits;
    return this.queued < queuedMessages && this.#queue.bytes + message.payload.length <= queuedBytes;
  }

  #fallBehind(seq: number): void {
    this.#mode = 'behind';
    this.#readFrom = seq;
    this.#dropReader();
  }

  #goOn(): void {
    this.#mode = this.#readFrom > this.#host.tailSeq ? 'live' : 'behind';
    this.pump();
  }

  #end(subscription: Subscription): void {
    this.#state?.removeSubscription(this, subscription);
    for (const feed of this.#feeds) {
      if (feed.subscription !== subscription) continue;
      feed.stop();
      this.#feeds.delete(feed);
    }
    if (this.#mode === 'live' || subscription.reading || subscription.shared) return;
    const ended = { ...subscription, end: this.#host.tailSeq };
    this.ended = [...this.ended.filter((other) => other.end! >= this.#readFrom), ended];
    this.#state?.saveSubscription(this, ended);
  }

  async #catchUp(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const sink = this.sink;
    try {
      while (this.sink === sink && this.#mode === 'behind' && this.queued === 0 && this.room > 0) await this.#readOn();
    } catch (error) {
      this.#host.onReadError(this, error);
    } finally {
      this.#reading = false;
    }
    // Somebody else came while this was reading for the one before.
    if (this.sink !== sink && this.#mode === 'behind') this.pump();
  }

  async #readOn(): Promise<void> {
    const subscriptions = [...this.subscriptions.values(), ...this.ended].filter(({ shared }) => !shared);
    const reader = this.#reader ?? this.#host.read([...new Set(subscriptions.map(({ filter }) => filter))], this.#readFrom);
    this.#reader = reader;
    const result = await this.#host.takeTurn(() => reader.read(Math.max(1, Math.min(READ_RECORDS, this.room))));
    if (this.#reader !== reader) return;
    for (const record of result.records) this.#deliverMissed(record, subscriptions);
    this.#readFrom = result.next;
    if (result.caughtUp && result.next > this.#host.tailSeq) {
      this.#mode = 'live';
      this.#dropReader();
      this.#forgetEnded();
      this.#skip.clear();
    }
  }

  /** Also when the subscriptions change: what it has not handed on yet is read again with the new ones. */
  #dropReader(): void {
    this.#reader?.close();
    this.#reader = undefined;
  }

  /** Reading has passed all that they counted for. */
  #forgetEnded(): void {
    for (const ended of this.ended) {
      const current = this.subscriptions.get(ended.name);
      if (current?.begin !== ended.begin) this.#state?.removeSubscription(this, ended);
    }
    this.ended = [];
  }

  #deliverMissed(record: JournalRecord, subscriptions: Subscription[]): void {
    if (this.inFlight.order.has(record.seq) || this.#skip.delete(record.seq)) return;
    const route = joinRoutes(matching(subscriptions, record.topic), record, this.clientId);
    if (!route) return;
    const qos = this.#granted(record.qos, route.qos);
    if (qos > 0) this.inFlight.send(Message.restored(record), route, qos as 1 | 2);
  }
}
