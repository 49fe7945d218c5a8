import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { HydrantError } from '../core/errors.ts';
import type { Receiver, Sender } from './ends.ts';
import type { Version, Will } from './packet.ts';
import type { Sweeper } from './sweeper.ts';

export interface ClientOptions {
  /** `mqtt://host:1883`, `mqtts://…`, `ws://host/path` or `wss://…`; may carry user name and password. */
  url: string;
  /** Default: a random one. */
  clientId?: string;
  /** Begin without what the server kept for this client id. Default true. */
  clean?: boolean;
  /** Default 60, 0 for none. */
  keepAliveSeconds?: number;
  username?: string;
  password?: string | Uint8Array;
  /** 3 is MQTT 3.1, 4 is MQTT 3.1.1. Default 4. */
  version?: Version;
  /** MQTT 5 enhanced authentication, as CONNECT shows it: a method that needs no further round (MQTT 5 §4.12). */
  authentication?: { method: string; data: Uint8Array };
  will?: Will;
  /** MQTT 5: how long the server keeps the session. Default 0. */
  sessionExpirySeconds?: number;
  /** MQTT 5: messages of QoS 1 and 2 that the server may have out unacknowledged. Default 65 535. */
  receiveMaximum?: number;
  /** Publishes of QoS 1 and 2 out unacknowledged; the server's Receive Maximum lowers it. Default 1 000. */
  maxInFlight?: number;
  /** Bytes of messages that may wait for the reader before reading stops, acknowledgements of publishes included. Default 16 MiB. */
  maxQueuedBytes?: number;
  /** Longest packet taken in, bytes. Default 268 435 460. */
  maxPacketBytes?: number;
  /** For the whole of connecting, milliseconds. Default 10 000. */
  connectTimeoutMs?: number;
  /** Without an answer to a ping for this long the connection counts as lost, milliseconds. Default 10 000. */
  pingTimeoutMs?: number;
  /** Certificates for mqtts: and wss:. */
  tls?: TlsOptions;
  /** Ends connecting (HYD_ABORTED) or, later, the connection without a DISCONNECT. */
  signal?: AbortSignal;
  sweeper?: Sweeper;
  /** Default: what comes is `messages`. */
  receiver?: Receiver;
  /** Default: `publish()`. */
  sender?: Sender;
}

/** How a connection ended; nothing after `close()`. */
export interface ClientEnd {
  error?: HydrantError;
  /** MQTT 5: what the server's DISCONNECT said. */
  reasonCode?: number;
  /** The server closed it, or the network did, without a word. */
  hungUp?: boolean;
  /** When the server was last heard for certain, milliseconds since 1970, at most two sweeps early. */
  heardMs?: number;
}
