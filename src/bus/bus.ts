import type { Event, StoredEvent } from '../wire/event.ts';

/** What an engine can do. Frozen; the contract suite asserts the behaviour or the coded refusal (HYD_UNSUPPORTED). */
export interface Capabilities {
  /** `nak(delayMs)` delivers again no earlier than the delay. */
  readonly nakDelay: boolean;
  /** `startAt` reads history first, then goes live without a gap. */
  readonly startAt: boolean;
  /** Deliveries may be acknowledged in any order. */
  readonly outOfOrderAck: boolean;
  /** `group` shares a subscription's work between instances. */
  readonly group: boolean;
  /** What a member of a group naks, or has when it closes, goes to another. Else a nak comes back to it, and the engine decides about the rest. */
  readonly handOver: boolean;
  /** Events keep id, source, content type and properties on their way. */
  readonly properties: boolean;
  /** A durable subscriber sees a QoS 2 event once, also across crashes: on an engine that wants it, with an `inbox`. */
  readonly exactlyOnce: boolean;
}

/** Where the engine put an event that it has taken responsibility for. */
export interface Receipt {
  /** The event's id: the publisher's own, or the record's identity `journal-epoch-seq`. */
  id: string;
  /** Sequence in the engine's journal; where it tells none, a count of what this bus published. */
  seq: number;
}

export interface PublishOptions {
  signal?: AbortSignal;
  /**
   * Told each time that the engine ended the connection (not this side, nor silence, nor for a reason that is of no event) while the event was
   * out; `others` more were. The first sent is told first. Where it returns true the event is given back: it is not sent again, and `publish` rejects with HYD_ABORTED.
   */
  onCut?: (others: number) => boolean;
}

/** Where a subscription begins: only what comes, a moment (milliseconds since 1970), or a sequence (first one delivered). */
export type StartAt = 'live' | { timeMs: number } | { seq: number };

/** A stretch of time of which a subscriber may have missed events; milliseconds since 1970. */
export interface Gap {
  /** `session-lost`: the engine had forgotten the subscriber when it came back. */
  reason: 'session-lost';
  /** The last sign of the engine before; undefined when this process had none: what the subscriber stored last says more. */
  fromMs: number | undefined;
  untilMs: number;
}

/**
 * What a durable subscriber keeps of its session on an engine that numbers deliveries (MQTT packet identifiers), so that QoS 2 is exactly once
 * across crashes. Deliveries carry `inbound`, `incarnation:packetId`; whoever stores the event with it before `ack()` knows which are out.
 */
export interface Inbox {
  /** The session as records name it; undefined before there was one. */
  readonly incarnation: string | undefined;
  /** Filters that the engine has for this subscriber, as last noted. */
  readonly filters: readonly string[];
  /** Whether a delivery with this packet identifier was stored and not released yet. */
  has(packetId: number): boolean;
  /** Resolves once it is forgotten durably: only then may PUBCOMP leave (MQTT 5 §4.3.3). */
  release(packetId: number): Promise<void>;
  /** Another session begins: packet identifiers of the one before mean nothing. Resolves once that is durable. */
  begin(incarnation: string): Promise<void>;
  /** Resolves once durable. */
  noteFilters(filters: readonly string[]): Promise<void>;
}

export interface SubscribeOptions {
  /** Name of a durable subscriber: its place survives restarts. Default: none, it ends with the iterator. */
  durable?: string;
  /**
   * Share the work with every other subscriber of this group, all with the same filters: each event goes to one of them. Where
   * `capabilities.handOver`, what one naks, or leaves unacknowledged when it closes, goes to another, and a `durable` is the whole group's;
   * elsewhere it is each member's own.
   */
  group?: string;
  /** Deliveries out and not yet acknowledged, at most. Default 1 000. */
  maxInFlight?: number;
  /** Default `live`. Counts only when the durable is made. */
  startAt?: StartAt;
  /** What the engine retains when the subscription is made: `skip` (default) or `keep`. */
  retained?: 'skip' | 'keep';
  /** Only with `durable`; an engine that needs none ignores it. Default: none, then QoS 2 is exactly once within this process. */
  inbox?: Inbox;
  /** Told when events may have been missed. Deliveries that follow it come after the gap. */
  onGap?: (gap: Gap) => void;
  signal?: AbortSignal;
}

export interface Delivery {
  readonly event: StoredEvent;
  /** True when this delivery was made before and not acknowledged. */
  readonly redelivered: boolean;
  /** Done with it: a durable subscriber never sees it again. */
  ack(): void;
  /** Deliver it again, no earlier than `delayMs` from now (default 0). */
  nak(delayMs?: number): void;
}

/** Batches of deliveries in order. Leaving the loop or `close()` ends it; what is unacknowledged stays with the durable. */
export interface Subscription extends AsyncIterable<Delivery[]>, AsyncDisposable {
  close(): Promise<void>;
}

/**
 * The port every role sees, whatever engine is behind it.
 */
export interface Bus extends AsyncDisposable {
  readonly capabilities: Capabilities;
  /**
   * Resolves once the engine has taken responsibility (embedded: the journal's fsync). Always settles.
   * @throws HYD_TOPIC, HYD_TOO_LARGE, HYD_JOURNAL_FULL (retryable), HYD_JOURNAL_FAILED (retryable), HYD_CLOSED
   */
  publish(event: Event, options?: PublishOptions): Promise<Receipt>;
  /**
   * Resolves once the subscription stands.
   * @throws HYD_FILTER, HYD_UNSUPPORTED, HYD_CLOSED, HYD_REFUSED (the durable is being read by others)
   */
  subscribe(filters: string[], options?: SubscribeOptions): Promise<Subscription>;
  /** Drains: publishes settle, subscriptions end. Twice is fine. */
  close(): Promise<void>;
}
