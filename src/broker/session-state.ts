import type { StateStore } from '../core/state-store.ts';
import type { Since } from './catch-up.ts';
import { type Delivery, TAKEN } from './delivery.ts';
import type { Session } from './session.ts';
import { isShared } from './shared-name.ts';
import type { Subscription } from './subscription.ts';

/** Tables of `state.db` that belong to the broker, step by step as versions added to them. Sequences are the journal's. */
export const STATE_STEPS: readonly string[] = [
  `
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
  client TEXT PRIMARY KEY, incarnation TEXT NOT NULL, reliable INTEGER NOT NULL, expiry REAL NOT NULL,
  disconnected_ms INTEGER, cursor INTEGER NOT NULL, done TEXT NOT NULL, inflight TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS subscriptions (
  client TEXT NOT NULL, name TEXT NOT NULL, begin INTEGER NOT NULL, ended INTEGER, filter TEXT NOT NULL, qos INTEGER NOT NULL,
  no_local INTEGER NOT NULL, as_published INTEGER NOT NULL, id INTEGER, PRIMARY KEY (client, name, begin));
CREATE TABLE IF NOT EXISTS outbound (client TEXT NOT NULL, seq INTEGER NOT NULL, packet INTEGER NOT NULL, stage TEXT NOT NULL,
  route TEXT NOT NULL, tracked INTEGER NOT NULL, PRIMARY KEY (client, seq, packet));
CREATE TABLE IF NOT EXISTS inbound (client TEXT NOT NULL, packet INTEGER NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (client, packet));
CREATE TABLE IF NOT EXISTS retained (topic TEXT PRIMARY KEY, seq INTEGER NOT NULL, ts TEXT NOT NULL, qos INTEGER NOT NULL, payload BLOB NOT NULL, props TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS wills (client TEXT PRIMARY KEY, event TEXT NOT NULL, payload BLOB NOT NULL, delay REAL NOT NULL);
`,
  `
ALTER TABLE sessions ADD COLUMN user TEXT NOT NULL DEFAULT 'anonymous';
UPDATE sessions SET user = '$bus' WHERE reliable = 1;
ALTER TABLE subscriptions ADD COLUMN reading TEXT;
`,
];

/** Column `tracked` of `outbound`. */
const ROW = { retained: 0, tracked: 1, past: 2, shared: 3 } as const;

/** A session as it was saved. */
export interface SavedSession {
  clientId: string;
  user: string;
  incarnation: string;
  reliable: boolean;
  expirySeconds: number;
  disconnectedMs: number | undefined;
  cursor: number;
  done: number[];
  /** Of the past, and above where its reading goes on. */
  pastDone: number[];
  deliveries: Delivery[];
  inbound: { packetId: number; seq: number }[];
  subscriptions: Subscription[];
}

/** Persistent sessions in the state store. Everything is queued in order; `onDurable` tells when it counts. */
export class SessionState {
  readonly #store: StateStore;

  constructor(store: StateStore) {
    this.#store = store;
  }

  /** Calls back when everything queued so far is durable. */
  onDurable(callback: () => void): void {
    this.#store.onDurable(callback);
  }

  whenDurable(): Promise<void> {
    return this.#store.commit();
  }

  /** Makes the session, or notes its expiry and that somebody is connected (or since when nobody is). */
  saveSession(session: Session): void {
    const { clientId, user, incarnation, reliable, expirySeconds, disconnectedMs } = session;
    this.#store.write(
      `INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, '[]', '[]', ?) ON CONFLICT DO UPDATE SET
       user = excluded.user, incarnation = excluded.incarnation, expiry = excluded.expiry, disconnected_ms = excluded.disconnected_ms`,
      clientId,
      incarnation,
      Number(reliable),
      Math.min(expirySeconds, Number.MAX_SAFE_INTEGER),
      disconnectedMs ?? null,
      session.cursor,
      user,
    );
  }

  removeSession(clientId: string): void {
    for (const table of ['sessions', 'subscriptions', 'outbound', 'inbound'])
      this.#store.write(`DELETE FROM ${table} WHERE client = ?`, clientId);
  }

  /** How far it has come. QoS 2 deliveries below the cursor are forgotten in the same commit, never before. */
  saveCursor(session: Session): void {
    const { clientId, cursor } = session;
    const sent = [...session.inFlight].filter((delivery) => delivery.qos === 1 && delivery.tracked && delivery.stage === 'sent');
    const inflight = sent.map((delivery) => [delivery.packetId, delivery.seq, delivery.route]);
    this.#store.write(
      'UPDATE sessions SET cursor = ?, done = ?, inflight = ? WHERE client = ?',
      cursor,
      JSON.stringify(session.doneAbove),
      JSON.stringify(inflight),
      clientId,
    );
    const { readings } = session;
    for (const [name, seq] of readings)
      this.#store.write('UPDATE subscriptions SET reading = ? WHERE client = ? AND name = ?', JSON.stringify({ seq }), clientId, name);
    this.#store.write(
      "DELETE FROM outbound WHERE client = ? AND stage = 'done' AND ((tracked = 1 AND seq <= ?) OR tracked IN (0, 3) OR (tracked = 2 AND seq < ?))",
      clientId,
      cursor,
      Math.min(Number.MAX_SAFE_INTEGER, ...readings.map(([, seq]) => seq)),
    );
  }

  saveSubscription(session: Session, subscription: Subscription): void {
    if (!session.persistent) return;
    const { name, begin, end, filter, qos, noLocal, retainAsPublished, id, reading } = subscription;
    this.#store.write(
      'INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)',
      session.clientId,
      name,
      begin,
      end ?? null,
      filter,
      qos,
      Number(noLocal),
      Number(retainAsPublished),
      id ?? null,
      reading ? JSON.stringify(reading) : null,
    );
  }

  removeSubscription(session: Session, subscription: Subscription): void {
    if (session.persistent)
      this.#store.write(
        'DELETE FROM subscriptions WHERE client = ? AND name = ? AND begin = ?',
        session.clientId,
        subscription.name,
        subscription.begin,
      );
  }

  /** A QoS 2 delivery: packet id → sequence, and how far the handshake is. */
  saveDelivery(session: Session, delivery: Delivery): void {
    const { packetId, seq, stage, route, tracked, retained, share } = delivery;
    this.#store.write(
      'INSERT OR REPLACE INTO outbound VALUES (?, ?, ?, ?, ?, ?)',
      session.clientId,
      seq,
      packetId,
      stage,
      JSON.stringify(route),
      tracked ? ROW.tracked : retained ? ROW.retained : share ? ROW.shared : ROW.past,
    );
  }

  removeDelivery({ clientId }: Session, { seq, packetId }: Delivery): void {
    this.#store.write('DELETE FROM outbound WHERE client = ? AND seq = ? AND packet = ?', clientId, seq, packetId);
  }

  /** What a group has given away at QoS 2 it never gives to anybody else. Forgotten as any delivery that is done, once its cursor has passed. */
  saveClaim({ clientId }: Session, seq: number): void {
    this.#store.write("INSERT OR REPLACE INTO outbound VALUES (?, ?, 0, 'done', '', ?)", clientId, seq, ROW.tracked);
  }

  saveInbound(clientId: string, packetId: number, seq: number): void {
    this.#store.write('INSERT OR REPLACE INTO inbound VALUES (?, ?, ?)', clientId, packetId, seq);
  }

  removeInbound(clientId: string, packetId: number): void {
    this.#store.write('DELETE FROM inbound WHERE client = ? AND packet = ?', clientId, packetId);
  }

  async load(): Promise<SavedSession[]> {
    const sessions = new Map<string, SavedSession>();
    for (const row of await this.#store.all('SELECT * FROM sessions')) {
      const clientId = String(row.client);
      const inflight = JSON.parse(String(row.inflight)) as [number, number, Delivery['route']][];
      sessions.set(clientId, {
        clientId,
        user: String(row.user),
        incarnation: String(row.incarnation),
        reliable: row.reliable === 1,
        expirySeconds: Number(row.expiry) >= Number.MAX_SAFE_INTEGER ? Number.POSITIVE_INFINITY : Number(row.expiry),
        disconnectedMs: row.disconnected_ms === null ? undefined : Number(row.disconnected_ms),
        cursor: Number(row.cursor),
        done: JSON.parse(String(row.done)) as number[],
        pastDone: [],
        deliveries: inflight.map(([packetId, seq, route]) =>
          restored({ packetId, seq, qos: 1, stage: 'sent', route, tracked: true, share: undefined, retained: false }),
        ),
        inbound: [],
        subscriptions: [],
      });
    }
    for (const row of await this.#store.all('SELECT * FROM subscriptions')) {
      sessions.get(String(row.client))?.subscriptions.push({
        name: String(row.name),
        filter: String(row.filter),
        qos: Number(row.qos) as Subscription['qos'],
        noLocal: row.no_local === 1,
        retainAsPublished: row.as_published === 1,
        begin: Number(row.begin),
        ...(row.ended === null ? {} : { end: Number(row.ended) }),
        ...(row.id === null ? {} : { id: Number(row.id) }),
        ...(isShared(String(row.name)) ? { shared: true } : {}),
        ...(row.reading === null ? {} : { reading: JSON.parse(String(row.reading)) as Since }),
      });
    }
    for (const row of await this.#store.all('SELECT * FROM outbound ORDER BY seq')) {
      const session = sessions.get(String(row.client));
      const seq = Number(row.seq);
      if (!session) continue;
      // What waited for this row to be durable may have been sent since: DUP says that it might be a repeat.
      const stage = row.stage === 'waiting' ? 'sent' : (String(row.stage) as Delivery['stage']);
      if (stage === 'done') {
        if (row.tracked === ROW.tracked) session.done.push(seq);
        if (row.tracked === ROW.past) session.pastDone.push(seq);
      } else {
        const [tracked, retained] = [row.tracked === ROW.tracked, row.tracked === ROW.retained];
        const share = row.tracked === ROW.shared ? TAKEN : undefined;
        session.deliveries.push(
          restored({ packetId: Number(row.packet), seq, qos: 2, stage, route: JSON.parse(String(row.route)), tracked, share, retained }),
        );
      }
    }
    for (const row of await this.#store.all('SELECT * FROM inbound')) {
      sessions.get(String(row.client))?.inbound.push({ packetId: Number(row.packet), seq: Number(row.seq) });
    }
    for (const session of sessions.values()) session.deliveries = inSendOrder(session);
    return [...sessions.values()];
  }
}

/** By sequence. A packet id that a QoS 2 delivery has taken since is not the QoS 1 delivery's any more: that one is read again. */
function inSendOrder({ deliveries, done }: SavedSession): Delivery[] {
  const taken = new Set(deliveries.filter((delivery) => delivery.qos === 2).map((delivery) => delivery.packetId));
  const past = new Set(done);
  return deliveries.filter(({ qos, packetId, seq }) => qos === 2 || !(taken.has(packetId) || past.has(seq))).sort((a, b) => a.seq - b.seq);
}

function restored(delivery: Omit<Delivery, 'message' | 'dup'>): Delivery {
  return { ...delivery, message: undefined, dup: false };
}
