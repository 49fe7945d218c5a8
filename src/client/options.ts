import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Bus, Receipt } from '../bus/bus.ts';
import type { CredentialProvider, Credentials } from '../bus/mqtt/options.ts';
import type { Log } from '../core/log.ts';
import type { EventProps, QoS } from '../wire/event.ts';
import type { ChannelBounds } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';

export interface ClientOptions {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`, one or several of one cluster. Default: the profile's. */
  url?: string | readonly string[];
  /** Another engine behind the same port, in place of `url`; it stays the caller's to close. */
  bus?: Bus;
  /** Topics, limits and identity of a service. Default: `generic()`. */
  profile?: Profile;
  /** A folder, made when missing, or `:memory:` for nothing kept. */
  outbox: string;
  /** Default: the profile's, else one that stays with the outbox. */
  clientId?: string;
  /** Fixed, or asked before every connect. */
  credentials?: Credentials | CredentialProvider;
  /** 5 (default; falls back to 4) or 4, which is MQTT 3.1.1. */
  version?: 4 | 5;
  /** Default 60; a link that is half open is found within 1.5 times this. */
  keepAliveSeconds?: number;
  /** Between two attempts to connect at most, milliseconds: the delay is random from 0 up to a bound that doubles to this. Default 30 000. */
  maxBackoffMs?: number;
  tls?: TlsOptions;
  /** Bounds, policy and priority by channel; `*` for all others. */
  channels?: Record<string, ChannelBounds>;
  /** Publishes out unacknowledged. Default 1 000; server and profile lower it. */
  maxInFlight?: number;
  /** Events and payload bytes a second, at most. Default: the profile's, else none. */
  rate?: { eventsPerSecond?: number; bytesPerSecond?: number };
  /** How often the server may hang up on one event before it is quarantined. Default 3. */
  maxAttempts?: number;
  /** A retained event that says how the outbox stands. Default: none. `true`: to `hydrant/status/<client id>` each 30 s and on change. */
  status?: boolean | { topic?: string; intervalMs?: number };
  log?: Log;
}

export interface PublishRequest {
  /** A topic, sent as it is. */
  topic: string;
  payload: Uint8Array | string;
  /** Default 1. At QoS 0 nobody acknowledges: `acked` resolves when it was sent. */
  qos?: QoS;
  /** Default false. */
  retain?: boolean;
  contentType?: string;
  /** Default: a new ULID. */
  id?: string;
  props?: EventProps;
  /** Milliseconds after which nobody wants it; MQTT 5 servers are told too. Default: never. */
  ttlMs?: number;
  /** Default `events`. */
  channel?: string;
}

/** What becomes of one event. Both promises always settle, and neither has to be listened to. */
export interface Publication {
  readonly id: string;
  /** On disk: it survives a crash from now on. @throws HYD_OUTBOX_FULL, HYD_OUTBOX, HYD_TOO_LARGE, HYD_CLOSED */
  readonly stored: Promise<void>;
  /** The bus has it. @throws what `stored` throws, HYD_DROPPED, HYD_QUARANTINED; HYD_CLOSED: it stays in the outbox, the next start sends it */
  readonly acked: Promise<Receipt>;
}
