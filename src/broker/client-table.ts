import { type ClientStatus, readStatus, STATUS_FILTER, statusTopic } from '../wire/client-status.ts';
import type { Broker } from './broker.ts';
import { clientTopic } from './client-events.ts';
import type { Message } from './message.ts';
import { REASON } from './reasons.ts';
import type { Session } from './session.ts';
import type { Subscription } from './subscription.ts';

/** One client as operators see it: connected, or absent with a session that is kept. */
export interface ClientInfo {
  client: string;
  /** Not known of a client of which nothing but its status is left. */
  user?: string;
  connected: boolean;
  /** It is connected, or absent, since then; without a session it was heard last. RFC 3339. */
  since: string;
  /** Address and port. */
  remote?: string;
  door?: string;
  protocol?: string;
  subscriptions: number;
  /** Messages sent to it and not acknowledged. */
  inFlight: number;
  /** Messages that wait in memory. */
  queued: number;
  /** Events between its place in the journal and the end, whether they are for it or not. */
  behind: number;
  /** Its session outlives its connection that long, seconds; null = for ever. */
  sessionExpirySeconds: number | null;
  /** What waits in the client's own outbox, as it told last. */
  outbox?: ClientBacklog;
}

export type ClientBacklog = Pick<ClientStatus, 'depth' | 'bytes' | 'oldestAgeMs' | 'dropped' | 'quarantined' | 'version'> & {
  /** When it told so, RFC 3339. */
  at: string;
};

export interface ClientDetails extends ClientInfo {
  filters: ClientSubscription[];
  packetsIn?: number;
  packetsOut?: number;
  bytesIn?: number;
  bytesOut?: number;
  /** Bytes that its connection has not taken yet. */
  bufferedBytes?: number;
}

type ClientSubscription = Pick<Subscription, 'qos' | 'noLocal' | 'retainAsPublished' | 'id'> & {
  filter: string;
  /** It is still being read from the past. */
  fromHistory: boolean;
};

/** Something that happened to a client, from its event. */
export interface ClientHistoryEntry {
  seq: number;
  /** RFC 3339. */
  time: string;
  /** `connected`, `disconnected`, … */
  kind: string;
  details: Record<string, unknown>;
}

const READ_RECORDS = 256;

/** The clients of a broker, for operators. Sessions of roles and groups in this process are not among them. */
export class ClientTable {
  readonly #broker: Broker;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /**
   * Every client, in the order in which their sessions began, then those of which only a status is left. Others may come and go while this
   * is read.
   */
  *list(): Generator<ClientInfo> {
    for (const session of this.#broker.sessions) if (!session.internal) yield this.#describe(session);
    for (const { client, outbox } of this.#statuses(STATUS_FILTER)) if (!this.#get(client)) yield describeGone(client, outbox);
  }

  find(clientId: string): ClientDetails | undefined {
    const session = this.#get(clientId);
    if (!session) {
      const [told] = this.#statuses(statusTopic(clientId));
      return told && { ...describeGone(clientId, told.outbox), filters: [] };
    }
    const filters = Array.from(session.subscriptions.values(), describeSubscription);
    const connection = this.#broker.sessions.holder(clientId)?.connection;
    if (!connection) return { ...this.#describe(session), filters };
    const { packetsIn, packetsOut, bytesIn, bytesOut, bufferedBytes } = connection;
    return { ...this.#describe(session), filters, packetsIn, packetsOut, bytesIn, bytesOut, bufferedBytes };
  }

  /**
   * What the journal and the archive have of a client's events since a moment: how many, and the last `limit` of them.
   * @param options.signal ends the reading
   */
  async history(
    clientId: string,
    options: { sinceMs: number; limit: number; signal: AbortSignal },
  ): Promise<{ total: number; last: ClientHistoryEntry[] }> {
    const broker = this.#broker;
    const topic = clientTopic(clientId);
    const reader = await broker.read([`${topic}/+`], await broker.startOf({ timeMs: options.sinceMs }));
    let last: ClientHistoryEntry[] = [];
    let total = 0;
    for (;;) {
      options.signal.throwIfAborted();
      const { records, caughtUp } = await broker.takeTurn(() => reader.read(READ_RECORDS));
      total += records.length;
      for (const { seq, ts, topic: name, payload } of records) {
        const details = JSON.parse(Buffer.from(payload).toString()) as Record<string, unknown>;
        last.push({ seq, time: ts, kind: name.slice(topic.length + 1), details });
      }
      last = last.slice(Math.max(0, last.length - options.limit));
      if (caughtUp) return { total, last };
    }
  }

  /**
   * Ends a client's connection: MQTT 5 clients are told Administrative Action. With `forget` its session ends as well; else it stays as it is
   * when a connection is lost. Its will is published. Resolves once that is durable.
   * @returns what there was to end; undefined when nobody knows this client
   */
  async end(clientId: string, options: { forget: boolean }): Promise<{ connected: boolean; forgotten: boolean } | undefined> {
    const { sessions, sessionState, wills, events } = this.#broker;
    const session = this.#get(clientId);
    if (!session) return undefined;
    const client = sessions.holder(clientId);
    const { user, persistent } = session;
    if (client) {
      client.leave(REASON.administrativeAction, 'kicked');
      this.#broker.disconnected(session, false);
    }
    if (options.forget && persistent) {
      sessions.end(session);
      wills.lose(clientId, 0);
      events.tell('ended', { clientId, user }, { reason: 'forgotten' });
    }
    if (persistent) await sessionState.whenDurable();
    return { connected: client !== undefined, forgotten: options.forget || !persistent };
  }

  #get(clientId: string): Session | undefined {
    const session = this.#broker.sessions.get(clientId);
    return session?.internal ? undefined : session;
  }

  *#statuses(filter: string): Generator<{ client: string; outbox: ClientBacklog }> {
    for (const message of this.#broker.retained.match(filter, this.#broker)) {
      const told = readOwnStatus(message);
      if (told) yield told;
    }
  }

  #describe(session: Session): ClientInfo {
    const [told] = this.#statuses(statusTopic(session.clientId));
    const client = this.#broker.sessions.holder(session.clientId);
    const { clientId, user, disconnectedMs, expirySeconds } = session;
    return {
      client: clientId,
      user,
      connected: client !== undefined,
      since: new Date(client?.connectedMs ?? disconnectedMs ?? 0).toISOString(),
      ...(client ? { remote: client.connection.remote, door: client.transport.kind, protocol: client.protocol } : {}),
      subscriptions: session.subscriptions.size,
      inFlight: session.inFlight.size,
      queued: session.queued,
      behind: session.subscriptions.size > 0 ? Math.max(0, this.#broker.tailSeq - session.cursor) : 0,
      sessionExpirySeconds: Number.isFinite(expirySeconds) ? expirySeconds : null,
      ...(told ? { outbox: told.outbox } : {}),
    };
  }
}

/** What a client says of itself; what somebody else publishes there says nothing. */
function readOwnStatus(message: Message): { client: string; outbox: ClientBacklog } | undefined {
  const status = readStatus(message);
  if (!status || status.client !== message.source) return undefined;
  const { client, depth, bytes, oldestAgeMs, dropped, quarantined, version } = status;
  return { client, outbox: { depth, bytes, oldestAgeMs, dropped, quarantined, version, at: message.ts } };
}

function describeGone(client: string, outbox: ClientBacklog): ClientInfo {
  return {
    client,
    connected: false,
    since: outbox.at,
    subscriptions: 0,
    inFlight: 0,
    queued: 0,
    behind: 0,
    sessionExpirySeconds: 0,
    outbox,
  };
}

function describeSubscription({ name, qos, noLocal, retainAsPublished, id, reading }: Subscription): ClientSubscription {
  return { filter: name, qos, noLocal, retainAsPublished, ...(id === undefined ? {} : { id }), fromHistory: reading !== undefined };
}
