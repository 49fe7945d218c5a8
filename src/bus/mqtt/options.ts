import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Log } from '../../core/log.ts';
import type { ConnectRefused } from '../../mqtt/connect-refused.ts';
import type { Bus, SubscribeOptions, Subscription } from '../bus.ts';

export interface MqttBusOptions {
  /** `mqtt://host:1883`, `mqtts://…`, `ws://host/path` or `wss://…`, at least one; after a failure the next one is tried. May carry user name and password. */
  urls: readonly string[];
  username?: string;
  password?: string | Uint8Array;
  /** Asked before every connect, in place of `username` and `password`. */
  credentials?: CredentialProvider;
  /** All goes over one connection under this client id. Default: one connection for publishing and one of each subscription. */
  clientId?: string;
  /** Only with `clientId`: whether the server keeps subscriptions, and what comes for them, over a lost connection. Default true. */
  persistentSession?: boolean;
  /** What no attempt mends (a login refused, somebody else under the client id) is tried again all the same, at the longest delay. Default false. */
  neverGiveUp?: boolean;
  /** Told when a connection stands, and when it ended or an attempt failed. */
  onLink?: (change: LinkChange) => void;
  /** 5 (default): falls back to 4 when the server refuses it. 4 is MQTT 3.1.1: no event properties, no groups. */
  version?: 4 | 5;
  /** Before the random client ids of what is not durable. Default `hydrant-`. */
  clientIdPrefix?: string;
  /** Default 60. A link that is half open is found within 1.5 times this. */
  keepAliveSeconds?: number;
  /** MQTT 5: how long the server keeps what a durable has not fetched. Default 7 days: a long weekend and the repair after it. */
  sessionExpirySeconds?: number;
  /** Publishes of QoS 1 and 2 out at once; the server's Receive Maximum lowers it. Default 1 000. */
  maxInFlight?: number;
  /** Bytes of messages that wait for a slow reader before nothing more is read. Default 16 MiB. */
  maxQueuedBytes?: number;
  /** Between two attempts at most, milliseconds: the delay is random from 0 up to a bound that doubles to this. Default 30 000. */
  maxBackoffMs?: number;
  /** For asking for credentials, and for the whole of one attempt to connect, milliseconds. Default 10 000. */
  connectTimeoutMs?: number;
  /** For `close()` to settle what was published, milliseconds. Default 5 000; the rest is rejected with HYD_CLOSED. */
  closeTimeoutMs?: number;
  /** Certificates for mqtts: and wss:. */
  tls?: TlsOptions;
  log?: Log;
  /** Of a test: what backing off is made of. */
  timing?: Partial<Timing>;
}

/** What a client shows a server. */
export interface Credentials {
  username?: string;
  password?: string | Uint8Array;
  /** MQTT 5 enhanced authentication, where the server offers it; then renewing needs no other connection. */
  authentication?: { method: string; data: Uint8Array };
  /** Valid in this time, milliseconds since 1970 by this machine's clock: renewed at 80 % of it. Default: for ever. */
  validFromMs?: number;
  validUntilMs?: number;
  /** Told when a server has let the client in with them. */
  onAccepted?: () => void;
}

/** Why credentials are asked for. */
export interface CredentialRequest {
  /** Where to; without user name and password. */
  url: string;
  /** How often in a row the server has refused the login, 0 when it has not. */
  refusals: number;
  /** What the last of these refusals said. */
  refusal?: ConnectRefused;
  signal: AbortSignal;
}

/** What it rejects with counts as a failed attempt to connect: it is asked again after the delay. */
export type CredentialProvider = (request: CredentialRequest) => Promise<Credentials>;

export interface LinkChange {
  readonly link: LinkStatus;
  readonly kind: 'up' | 'down' | 'failed' | 'refused' | 'taken-over';
  readonly error?: Error;
}

/** What time and chance the driver sees. */
export interface Timing {
  /** Milliseconds since 1970. */
  now(): number;
  /** From 0 up to 1. */
  random(): number;
  /** Resolves after the time, and when the signal aborts; never rejects. */
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

/** One connection of the bus, for logs and metrics. */
export interface LinkStatus {
  readonly clientId: string;
  /** Where it is connected; undefined while it is not. User name and password are left out. */
  readonly url: string | undefined;
  /** When that began, milliseconds since 1970. */
  readonly sinceMs: number;
  /** Why the last attempt failed or the last connection ended. */
  readonly lastError: Error | undefined;
  /** Connections made so far. */
  readonly connects: number;
  /** How many publishes the server of the newest connection lets be out at once (MQTT 5 Receive Maximum); undefined when it does not say. */
  readonly receiveMaximum: number | undefined;
}

export interface MqttSubscription extends Subscription {
  readonly status: LinkStatus;
}

/** A bus over somebody else's MQTT broker. */
export interface MqttBus extends Bus {
  /** The connections open or being opened: one to publish, once something was, and one of each subscription; with `clientId` one for all. */
  readonly links: readonly LinkStatus[];
  /**
   * Asks for credentials now and goes on with them, as at 80 % of their time: for who knows that the old ones are no good any more. Resolves
   * when the server has them, or was left to go on with them, and at once where nothing is connected.
   * @throws HYD_CREDENTIALS, the connections then stay as they are
   */
  renew(): Promise<void>;
  /** What was published and is not on its way yet, for want of a connection or of room in the server's window, rejects with HYD_ABORTED. */
  withdraw(): void;
  /**
   * Resolves once the subscription stands, however long the server cannot be reached; `signal` ends the wait. A durable is a session of the
   * server under exactly that client id; each member of a group has a `durable` of its own, if any. The iterator throws HYD_TAKEN_OVER when
   * somebody else connects under that client id.
   *
   * With `clientId` all subscriptions share its session, so acknowledgements leave in the order of arrival over all of them: what one does not
   * acknowledge holds back the others. `durable` is then the client id or nothing (HYD_UNSUPPORTED otherwise, and without
   * `persistentSession`), any number of subscriptions have it, and it means that the server keeps its filters when it is closed; the next
   * durable that shares a filter with it goes on for it.
   * @throws HYD_REFUSED (login or filters refused, or the durable is being read here), HYD_UNSUPPORTED (`startAt`; `group` where the server
   * has no shared subscriptions), HYD_CONNECT when TLS fails, HYD_FILTER, HYD_ABORTED, HYD_CLOSED
   */
  subscribe(filters: string[], options?: SubscribeOptions): Promise<MqttSubscription>;
}
