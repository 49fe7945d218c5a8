import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import type { QoS } from '../../wire/event.ts';

/** What a service allows; checked before an event is stored, so that no server has to hang up over it. */
export interface ServiceLimits {
  /** Payload bytes of one event of the data channel. */
  readonly maxEventBytes: number;
  /** Payload bytes of one publish of the state channel. */
  readonly maxStateBytes: number;
  /** At most one publish of the state channel in this time. */
  readonly stateIntervalMs: number;
  readonly maxQos: QoS;
  readonly retain: boolean;
  /** Publishes out unacknowledged. */
  readonly maxInFlight?: number;
  readonly eventsPerSecond?: number;
  readonly bytesPerSecond?: number;
}

/** How a service wants to be spoken to: topics, limits, who the client is. */
export interface Profile {
  readonly name: string;
  /** Default brokers. */
  readonly urls?: readonly string[];
  readonly clientId?: string;
  readonly version: 4 | 5;
  /** The server keeps subscriptions, and what comes meanwhile, over a lost connection. */
  readonly persistentSession: boolean;
  readonly limits: ServiceLimits;
  /** Default credentials of the service. */
  readonly credentials?: CredentialProvider;
  /** Of `data`, `data/sub/…` or `state`. @throws HYD_USAGE for another channel, naming those there are */
  topicOf(channel: string): string;
  readonly configFilter?: string;
  readonly commandFilter?: string;
  readonly errorFilter?: string;
}
