import type { CredentialProvider } from '../../bus/mqtt/options.ts';
import type { QoS } from '../../wire/event.ts';

/** What a service allows; checked before an event is stored, so that no server has to hang up over it. */
export interface ServiceLimits {
  /** Payload bytes of one event of the data channel. */
  readonly maxEventBytes: number;
  /** Payload bytes of one publish of the state channel. */
  readonly maxStateBytes: number;
  /** The state channel gathers for this long. */
  readonly stateIntervalMs: number;
  /** The service takes no two publishes of the state channel within this time, also not by `publishNow()`; 0 when it does not mind. */
  readonly minStateIntervalMs: number;
  readonly maxQos: QoS;
  readonly retain: boolean;
  /** Publishes out unacknowledged. */
  readonly maxInFlight?: number;
  readonly eventsPerSecond?: number;
  /** Of payload. */
  readonly bytesPerSecond?: number;
}

/** What the state channel of a service looks like. */
export interface StateShape {
  /** Which modes the service can make sense of. */
  readonly modes: readonly StateMode[];
  /** What `last` and `merge` send: the document, the document as the one element of an array, or only what has changed (RFC 7396). */
  readonly form: StateForm;
  /** Text before and after the JSON in the payload. */
  readonly wrap?: readonly [before: string, after: string];
}

export type StateMode = 'collect' | 'last' | 'merge';
export type StateForm = 'object' | 'array' | 'changes';

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
  readonly state: StateShape;
  /** Default credentials of the service. */
  readonly credentials?: CredentialProvider;
  /** Of `data`, `data/sub/…` or `state`. @throws HYD_USAGE for another channel, naming those there are */
  topicOf(channel: string): string;
  /** Whether the service takes publishes on a topic. @throws HYD_TOPIC */
  assertTopic?(topic: string): void;
  readonly configFilter?: string;
  readonly commandFilter?: string;
  readonly errorFilter?: string;
}
