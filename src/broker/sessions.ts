import { createHexId } from '../core/id.ts';
import type { Client } from './client.ts';
import { REASON } from './reasons.ts';
import { Session, type SessionNames } from './session.ts';
import type { SessionHost } from './session-host.ts';
import type { SavedSession, SessionState } from './session-state.ts';
import { isShared } from './shared-name.ts';
import type { Wills } from './wills.ts';

/** What the table of sessions needs of the broker. */
export interface SessionsHost extends SessionHost {
  readonly maxExpiryMs: number;
  readonly wills: Wills;
  /** The session's subscriptions count no more. */
  leaveTree(session: Session): void;
  onExpired(session: Session): void;
}

/** Every session by client id: who has it, how long it lives, and its end. */
export class Sessions implements Iterable<Session> {
  readonly #byId = new Map<string, Session>();
  /** The connection that has each client id, from its CONNECT on. */
  readonly #holders = new Map<string, Client>();
  readonly #dirty = new Set<Session>();
  #internal = 0;
  /** The most clients that were ever connected at once. */
  connectedMax = 0;
  readonly #host: SessionsHost;
  readonly #state: SessionState;

  constructor(host: SessionsHost, state: SessionState) {
    this.#host = host;
    this.#state = state;
  }

  /** Sessions of clients: those of roles on the bus and of groups are not counted. */
  get size(): number {
    return this.#byId.size - this.#internal;
  }

  get(clientId: string): Session | undefined {
    return this.#byId.get(clientId);
  }

  /** The connection that has a client id now. */
  holder(clientId: string): Client | undefined {
    return this.#holders.get(clientId);
  }

  /** Clients that are connected. */
  get connected(): number {
    return this.#holders.size;
  }

  /** Sessions whose client is not connected. */
  countAbsent(): number {
    let absent = 0;
    for (const { sink, internal } of this.#byId.values()) if (!sink && !internal) absent++;
    return absent;
  }

  [Symbol.iterator](): Iterator<Session> {
    return this.#byId.values();
  }

  /** @param names.readFrom default: what comes */
  create(names: Omit<SessionNames, 'incarnation' | 'readFrom'> & { readFrom?: number }): Session {
    const { readFrom = this.#host.tailSeq + 1 } = names;
    return this.#add(new Session(this.#host, { ...names, incarnation: createHexId(8), readFrom }, this.#state));
  }

  /** As the state has it, after a start. */
  restore(saved: SavedSession): Session {
    const { clientId, user, incarnation, cursor, reliable } = saved;
    const internal = reliable || isShared(clientId);
    const names = { clientId, user, incarnation, readFrom: cursor + 1, persistent: true, reliable, internal };
    const session = new Session(this.#host, names, this.#state);
    session.expirySeconds = saved.expirySeconds;
    session.disconnectedMs = saved.disconnectedMs ?? this.#host.nowMs();
    for (const subscription of saved.subscriptions) {
      if (subscription.end === undefined) session.subscriptions.set(subscription.name, subscription);
      else session.ended.push(subscription);
    }
    for (const { packetId, seq } of saved.inbound) session.inbound.set(packetId, { seq, durable: true, answer: undefined });
    session.restore(saved);
    return this.#add(session);
  }

  /**
   * A connection has this client id from now on; whoever had it is sent away [MQTT-3.1.4-3].
   * @param goesOn the session does too, so a will that has a delay waits for it
   */
  takeOver(clientId: string, client: Client, goesOn: boolean): void {
    const old = this.#holders.get(clientId);
    this.#holders.set(clientId, client);
    this.connectedMax = Math.max(this.connectedMax, this.#holders.size);
    if (!old?.session) return;
    const { session } = old;
    old.leave(REASON.sessionTakenOver, 'taken-over');
    session.detach();
    this.#host.wills.lose(clientId, goesOn ? session.expirySeconds : 0);
  }

  /** Whether a user may have this client id: nobody else has it. What `anonymous` left behind is anybody's. */
  isFree(clientId: string, user: string): boolean {
    const session = this.#byId.get(clientId);
    return !session || session.user === user || this.isExpired(session) || (session.user === 'anonymous' && !session.sink);
  }

  isExpired(session: Session): boolean {
    const { disconnectedMs, expirySeconds, reliable } = session;
    return !reliable && disconnectedMs !== undefined && this.#host.nowMs() - disconnectedMs >= expirySeconds * 1000;
  }

  /** A client's connection is gone. @param ending `goodbye`: it said DISCONNECT, so there is no will; `stop`: the server stops, and the will stays */
  release(session: Session, ending: 'goodbye' | 'lost' | 'stop'): void {
    session.detach();
    this.#holders.delete(session.clientId);
    if (ending === 'goodbye') this.#host.wills.remove(session.clientId);
    else if (ending === 'lost') this.#host.wills.lose(session.clientId, session.expirySeconds);
    if (!session.persistent) {
      this.end(session);
      return;
    }
    this.#state.saveSession(session);
    this.#state.saveCursor(session);
  }

  end(session: Session): void {
    this.#host.leaveTree(session);
    if (this.#byId.delete(session.clientId) && session.internal) this.#internal--;
    this.#dirty.delete(session);
    if (session.persistent) this.#state.removeSession(session.clientId);
  }

  /** Seconds a session may outlive its connection, at most `sessions.maxExpiry`. */
  boundExpiry(seconds: number): number {
    return Math.min(seconds, Math.floor(this.#host.maxExpiryMs / 1000));
  }

  setExpiry(session: Session, seconds: number): void {
    session.expirySeconds = seconds;
    if (session.persistent && seconds === 0) this.#state.removeSession(session.clientId);
    session.persistent = seconds > 0;
  }

  /** Its cursor has moved: saved with the next tick. */
  touch(session: Session): void {
    if (session.persistent) this.#dirty.add(session);
  }

  /** Saves the cursors that have moved, and ends sessions whose time is over. */
  tick(): void {
    for (const session of this.#dirty) this.#state.saveCursor(session);
    this.#dirty.clear();
    for (const session of this.#byId.values()) {
      if (!this.isExpired(session)) continue;
      this.end(session);
      this.#host.onExpired(session);
    }
  }

  saveAll(): void {
    for (const session of this.#byId.values()) if (session.persistent) this.#state.saveCursor(session);
  }

  #add(session: Session): Session {
    this.#byId.set(session.clientId, session);
    if (session.internal) this.#internal++;
    return session;
  }
}
