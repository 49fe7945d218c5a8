import assert from 'node:assert/strict';
import type { Delivery } from '../broker/delivery.ts';
import { Message } from '../broker/message.ts';
import type { Session } from '../broker/session.ts';
import type { Sink } from '../broker/session-host.ts';
import { SessionState } from '../broker/session-state.ts';
import { Sessions, type SessionsHost } from '../broker/sessions.ts';
import { SharedGroups, type SharedGroupsHost } from '../broker/shared-groups.ts';
import { joinRoutes, type Subscription } from '../broker/subscription.ts';
import type { JournalRecord } from '../journal/record.ts';
import { HandStore } from './hand-store.ts';

const GROUP = '$share/g/a';
export const PEERS = 4;

/** One client: its connection, and the QoS 2 packet ids that its session knows. */
class Peer {
  readonly id: string;
  readonly known = new Set<number>();
  session: Session | undefined;
  link: Link | undefined;

  constructor(id: string) {
    this.id = id;
  }
}

/** One connection of a client, and what is open on it. */
class Link implements Sink {
  readonly window: number;
  writable = true;
  readonly open = new Map<number, { seq: number; qos: 1 | 2; released: boolean }>();
  readonly #world: SharedWorld;
  readonly #peer: Peer;
  readonly #session: Session;

  constructor(world: SharedWorld, peer: Peer, session: Session, window: number) {
    this.#world = world;
    this.#peer = peer;
    this.#session = session;
    this.window = window;
  }

  deliverOnce(): void {}

  deliver({ packetId, seq, qos, dup }: Delivery): void {
    const { id, known } = this.#peer;
    assert.ok(!this.open.has(packetId), `${id} has packet id ${packetId} twice on one connection`);
    this.open.set(packetId, { seq, qos, released: false });
    assert.ok(this.open.size <= this.window, `${id} has ${this.open.size} of ${this.window} in flight`);
    if (qos === 1) this.#world.held(seq, this.#peer);
    else if (!known.has(packetId)) this.#world.taken(seq, this.#peer);
    else assert.ok(dup, `${id} got packet id ${packetId} again without DUP`);
    if (qos === 2) known.add(packetId);
  }

  release({ packetId, seq }: Delivery): void {
    this.#peer.known.delete(packetId);
    this.open.set(packetId, { seq, qos: 2, released: true });
  }

  /** Answers one open delivery. */
  answer(which: number): void {
    const [packetId, delivery] = [...this.open][which % this.open.size] ?? [];
    if (packetId === undefined) return;
    if (delivery!.qos === 2 && !delivery!.released) {
      assert.ok(this.#session.inFlight.received(packetId));
      return;
    }
    this.open.delete(packetId);
    if (delivery!.qos === 2) assert.ok(this.#session.inFlight.completed(packetId));
    else {
      this.#world.acknowledged(delivery!.seq);
      assert.ok(this.#session.inFlight.acknowledge(packetId));
    }
  }
}

/** Sessions and groups on a journal and a state of their own, and what a group promises, checked at every step. */
export class SharedWorld {
  readonly peers = Array.from({ length: PEERS }, (_, i) => new Peer(`c${i}`));
  #store = new HandStore();
  readonly #records: JournalRecord[] = [];
  #sessions!: Sessions;
  #shares!: SharedGroups;
  #tailSeq = 0;
  #nowMs = 0;
  /** QoS 1: who has it now. */
  #holders = new Map<number, Peer>();
  #acknowledged = new Set<number>();
  /** Since the last crash. */
  #acknowledgedSince = new Set<number>();
  #taken = new Set<number>();
  /** Published while the group had members, and so owed to it. */
  #owed = new Set<number>();

  constructor() {
    this.#begin();
  }

  held(seq: number, peer: Peer): void {
    const holder = this.#holders.get(seq);
    assert.ok(!holder, `${seq} goes to ${peer.id} while ${holder?.id} has it`);
    assert.ok(!this.#acknowledgedSince.has(seq), `${seq} goes to ${peer.id} although it was acknowledged`);
    this.#holders.set(seq, peer);
  }

  acknowledged(seq: number): void {
    this.#holders.delete(seq);
    this.#acknowledged.add(seq);
    this.#acknowledgedSince.add(seq);
  }

  taken(seq: number, peer: Peer): void {
    assert.ok(!this.#taken.has(seq), `${seq} at QoS 2 goes to ${peer.id} as well`);
    this.#taken.add(seq);
  }

  /** @param expires after a second; nobody is owed it */
  publish(qos: 1 | 2, expires: boolean): void {
    const seq = ++this.#tailSeq;
    const props = expires ? { expiry: 1 } : undefined;
    const record: JournalRecord = {
      topic: 'a',
      payload: Buffer.from(`${seq}`),
      qos,
      retain: false,
      props,
      seq,
      ts: '',
      arrivalMs: this.#nowMs,
    };
    this.#records.push(record);
    if (this.#shares.size > 0 && !expires) this.#owed.add(seq);
    for (const session of this.#sessions) {
      const route = joinRoutes(session.subscriptions.values(), record, session.clientId);
      if (route) session.offer(Message.restored(record), route);
    }
  }

  connect(peer: Peer, persistent: boolean, window: number): void {
    this.disconnect(peer);
    let session = this.#sessions.get(peer.id);
    if (session && !persistent) {
      this.end(peer);
      session = undefined;
    }
    if (!session) {
      peer.known.clear();
      session = this.#sessions.create({ clientId: peer.id, user: 'u', persistent });
      session.expirySeconds = persistent ? Number.POSITIVE_INFINITY : 0;
      if (persistent) new SessionState(this.#store.asStore).saveSession(session);
      this.#store.commit();
    }
    peer.session = session;
    peer.link = new Link(this, peer, session, window);
    session.resume(peer.link);
  }

  disconnect(peer: Peer): void {
    if (!peer.link) return;
    for (const { seq } of peer.link.open.values()) if (this.#holders.get(seq) === peer) this.#holders.delete(seq);
    peer.link = undefined;
    this.#sessions.release(peer.session!, 'lost');
    this.#noteEnd();
    if (this.peers.every(({ link }) => !link))
      assert.ok(!this.#sessions.get(GROUP)?.sink, 'nobody is there, and the group still takes events');
  }

  /** Its session is over, as when it expires. */
  end(peer: Peer): void {
    const session = this.#sessions.get(peer.id);
    if (!session || session.sink) return;
    this.#sessions.end(session);
    this.#store.commit();
    this.#noteEnd();
  }

  subscribe(peer: Peer, qos: 1 | 2): void {
    if (!peer.link) return;
    this.#shares.subscribe(peer.session!, GROUP, { qos, noLocal: false, retainAsPublished: false });
    this.#store.commit();
  }

  unsubscribe(peer: Peer): void {
    if (!peer.link || !peer.session!.unsubscribe(GROUP)) return;
    this.#shares.leave(peer.session!, GROUP);
    this.#store.commit();
    this.#noteEnd();
  }

  commit(): void {
    this.#store.commit();
  }

  pass(ms: number): void {
    this.#nowMs += ms;
  }

  /** Cursors are saved, as every half second. */
  tick(): void {
    this.#sessions.tick();
    this.#shares.tick();
  }

  async crash(): Promise<void> {
    this.#store = this.#store.crash();
    this.#holders.clear();
    this.#acknowledgedSince.clear();
    for (const peer of this.peers) {
      if (peer.link) peer.link.writable = false;
      peer.session = peer.link = undefined;
    }
    this.#begin();
    for (const saved of await new SessionState(this.#store.asStore).load()) this.#sessions.restore(saved);
    this.#shares.restore();
    this.#noteEnd();
  }

  /** Everybody comes back and answers everything: nothing that is owed may be missing. */
  async finish(): Promise<void> {
    for (const peer of this.peers) if (this.#sessions.get(peer.id)) this.connect(peer, this.#sessions.get(peer.id)!.persistent, 3);
    for (let quiet = 0; quiet < 3; quiet++) {
      await settle();
      this.#store.commit();
      for (const peer of this.peers) {
        if (!peer.link) continue;
        peer.link.writable = true;
        peer.session!.pump();
        while (peer.link.open.size > 0) {
          quiet = 0;
          peer.link.answer(0);
          this.#store.commit();
        }
      }
    }
    for (const session of this.#sessions) assert.deepEqual([...session.inFlight], [], `${session.clientId} still waits`);
    const missing = [...this.#owed].filter((seq) => !this.#acknowledged.has(seq) && !this.#taken.has(seq));
    assert.deepEqual(this.#shares.size > 0 ? missing : [], [], 'events that nobody in the group got');
  }

  #begin(): void {
    const store = this.#store;
    const state = new SessionState(store.asStore);
    const world = this;
    const unlessDead = <T>(work: Promise<T>): Promise<T> =>
      work.then((result) => (world.#store === store ? result : new Promise(() => {})));
    const host = {
      get tailSeq() {
        return world.#tailSeq;
      },
      limits: { queuedBytes: 1000, queuedMessages: 2 },
      maxExpiryMs: Number.POSITIVE_INFINITY,
      wills: { lose() {}, remove() {} },
      sessionState: state,
      get sessions() {
        return sessions;
      },
      nowMs: () => world.#nowMs,
      read: (_filters: string[], fromSeq: number) => {
        let next = fromSeq;
        return {
          read: async (most: number) => {
            const records = world.#records.slice(next - 1, next - 1 + most);
            next += records.length;
            return { records, next, caughtUp: next > world.#tailSeq };
          },
          close() {},
        };
      },
      takeTurn: <T>(work: () => Promise<T>) => unlessDead(work()),
      fetch: (seqs: number[]) => unlessDead(Promise.resolve(new Map(seqs.map((seq) => [seq, world.#records[seq - 1]!])))),
      onSettled: (session: Session) => sessions.touch(session),
      onDropped: (_session: Session, reason: string) => assert.equal(reason, 'expired'),
      onReadError: (_session: Session, error: unknown) => assert.fail(String(error)),
      leaveTree: (session: Session) => {
        if (session.subscriptions.has(GROUP)) shares.leave(session, GROUP);
      },
      subscribe: (session: Session, filter: string, options: Omit<Subscription, 'name' | 'filter' | 'begin'>) => {
        const subscription: Subscription = { name: filter, filter, begin: world.#tailSeq, ...options };
        session.subscribe(subscription);
        return subscription;
      },
    };
    const sessions = new Sessions(host as unknown as SessionsHost, state);
    const shares = new SharedGroups(host as unknown as SharedGroupsHost);
    this.#sessions = sessions;
    this.#shares = shares;
  }

  /** A group that has lost its last member owes nothing to the next. */
  #noteEnd(): void {
    if (this.#shares.size === 0) this.#owed.clear();
  }
}

/** Lets everything go on that waits for nothing but its turn. */
export const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
