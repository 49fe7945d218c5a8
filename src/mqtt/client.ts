import { HydrantError } from '../core/errors.ts';
import { createHexId } from '../core/id.ts';
import type { QoS } from '../wire/event.ts';
import { assertFilter, assertTopic } from '../wire/topic.ts';
import type { ClientEnd, ClientOptions } from './client-options.ts';
import { dial, plainUrl } from './dial.ts';
import type { Message } from './incoming.ts';
import { Link } from './link.ts';
import type { ConnackPacket, PublishPacket, UserProperties } from './packet.ts';
import { reasonText } from './reason.ts';

export type { ClientOptions } from './client-options.ts';

export interface PublishRequest {
  topic: string;
  payload: Uint8Array | string;
  /** Default 0. */
  qos?: QoS;
  /** Default false. */
  retain?: boolean;
  /** MQTT 5 only. */
  properties?: PublishPacket['properties'];
  /** MQTT 5 only. */
  userProperties?: UserProperties;
}

export interface FilterRequest {
  filter: string;
  /** Default 0. */
  qos?: QoS;
  /** MQTT 5: not what this client published. */
  noLocal?: boolean;
  /** MQTT 5: keep the retain flag as published. */
  retainAsPublished?: boolean;
  /** MQTT 5: retained messages always (0, default), for a new subscription (1), never (2). */
  retainHandling?: 0 | 1 | 2;
}

/**
 * One MQTT connection of our own programs: it does not reconnect. Every promise settles when it ends.
 * Made by `connectClient`.
 */
export class Client implements AsyncDisposable {
  readonly clientId: string;
  readonly sessionPresent: boolean;
  /** The server's CONNACK. */
  readonly connack: ConnackPacket;
  /** Batches of messages in order, for one reader; throws HYD_CONNECT when the connection is lost, ends after `close()`. */
  readonly messages: AsyncIterable<Message[]>;
  /** Resolves when the connection has ended; never rejects. */
  readonly closed: Promise<ClientEnd>;
  readonly #link: Link;

  constructor(link: Link, connack: ConnackPacket, clientId: string) {
    this.#link = link;
    this.connack = connack;
    this.sessionPresent = connack.sessionPresent;
    this.clientId = connack.properties?.assignedClientIdentifier ?? clientId;
    this.messages = link.incoming;
    this.closed = link.ended.promise;
  }

  /**
   * Resolves on PUBACK (QoS 1) or PUBCOMP (QoS 2); at QoS 0 once it is written, or buffered below 1 MiB. Beyond the window publishes
   * wait in order.
   * @throws HYD_TOPIC, HYD_REFUSED with the standard's text, HYD_CONNECT when the connection ended first, HYD_USAGE
   */
  async publish(request: PublishRequest): Promise<void> {
    assertTopic(request.topic);
    const { topic, payload, qos = 0, retain = false, properties, userProperties } = request;
    await this.#link.outgoing.publish({
      cmd: 'publish',
      topic,
      payload: payload as Buffer,
      qos,
      retain,
      dup: false,
      properties,
      userProperties,
    });
  }

  /**
   * Resolves with the granted QoS of each filter, in order.
   * @param options.subscriptionIdentifier MQTT 5, 1 to 268 435 455
   * @throws HYD_FILTER, HYD_REFUSED when a filter was refused (the others stand), HYD_CONNECT
   */
  async subscribe(
    filters: readonly (string | FilterRequest)[],
    options: { subscriptionIdentifier?: number; userProperties?: UserProperties } = {},
  ): Promise<number[]> {
    const wanted = filters.map((each): FilterRequest => (typeof each === 'string' ? { filter: each } : each));
    for (const { filter } of wanted) assertFilter(filter);
    const { subscriptionIdentifier, userProperties } = options;
    const codes = await this.#link.outgoing.request({
      cmd: 'subscribe',
      subscriptions: wanted.map(({ filter, qos = 0, noLocal = false, retainAsPublished = false, retainHandling = 0 }) => {
        return { topic: filter, qos, nl: noLocal, rap: retainAsPublished, rh: retainHandling };
      }),
      properties: subscriptionIdentifier === undefined ? undefined : { subscriptionIdentifier },
      userProperties,
    });
    assertGranted(
      wanted.map((each) => each.filter),
      codes,
    );
    return codes;
  }

  /** @throws HYD_FILTER, HYD_REFUSED, HYD_CONNECT */
  async unsubscribe(filters: readonly string[]): Promise<void> {
    for (const filter of filters) assertFilter(filter);
    assertGranted(filters, await this.#link.outgoing.request({ cmd: 'unsubscribe', unsubscriptions: [...filters] }));
  }

  /**
   * Shows the server new authentication data of the method that CONNECT named; the session goes on meanwhile (MQTT 5 §4.12.1). Resolves when
   * it has accepted them; one that does not hangs up, and without an answer in time the connection counts as lost.
   * @throws HYD_CONNECT, HYD_USAGE when CONNECT named no method
   */
  reauthenticate(data: Uint8Array, timeoutMs = 10_000): Promise<void> {
    return this.#link.reauthenticate(data, timeoutMs);
  }

  /** Resolves when the server has answered. @throws HYD_CONNECT */
  ping(): Promise<void> {
    return this.#link.ping();
  }

  /**
   * Waits until every publish has settled, sends DISCONNECT and closes. Twice is fine.
   * @param options.timeoutMs for the publishes, default 5 000; what has not settled then is rejected with HYD_CONNECT
   * @param options.sessionExpirySeconds MQTT 5: in place of what CONNECT asked for
   */
  async close(options: { timeoutMs?: number; sessionExpirySeconds?: number } = {}): Promise<void> {
    await this.#link.close(options.timeoutMs ?? 5_000, options.sessionExpirySeconds);
  }

  /** Cuts the connection without a DISCONNECT, as a crash would: the server sends the will. */
  destroy(): void {
    this.#link.lose('it was cut by this program');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/**
 * Connects and waits for CONNACK.
 * @throws HYD_CONNECT naming the URL, HYD_REFUSED with the standard's text, HYD_ABORTED, HYD_USAGE
 */
export async function connectClient(options: ClientOptions): Promise<Client> {
  const { url, connectTimeoutMs = 10_000, clientId = `hydrant-${createHexId(6)}` } = options;
  const giveUp = new AbortController();
  const abort = (): void => giveUp.abort(new HydrantError('HYD_ABORTED', `connecting to ${plainUrl(url)} was stopped`));
  const timer = setTimeout(() => {
    giveUp.abort(new HydrantError('HYD_CONNECT', `no connection to ${plainUrl(url)}: no answer within ${connectTimeoutMs / 1000} s`));
  }, connectTimeoutMs);
  try {
    if (options.signal?.aborted) abort();
    options.signal?.addEventListener('abort', abort, { once: true });
    giveUp.signal.throwIfAborted();
    const link = new Link(await dial(url, { signal: giveUp.signal, tls: options.tls }), options);
    giveUp.signal.addEventListener('abort', () => link.lose('connecting was given up', giveUp.signal.reason));
    return new Client(link, await link.connect(clientId, options), clientId);
  } finally {
    clearTimeout(timer);
    options.signal?.removeEventListener('abort', abort);
  }
}

function assertGranted(filters: readonly string[], codes: readonly number[]): void {
  const refused = filters.flatMap((filter, at) => ((codes[at] ?? 0) >= 0x80 ? [`${filter}: ${reasonText(codes[at]!)}`] : []));
  if (refused.length > 0) throw new HydrantError('HYD_REFUSED', `the server refused ${refused.join(', ')}`);
}
