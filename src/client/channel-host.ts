import type { Timing } from '../bus/mqtt/options.ts';
import type { Log } from '../core/log.ts';
import type { Event } from '../wire/event.ts';
import type { Publication } from './options.ts';
import type { Outbox, OutboxEvent, OutboxRecord } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';

/** What is sent in the place of the first `count` events that wait in a channel; they leave the outbox with its acknowledgement. */
export interface Gathered {
  readonly count: number;
  readonly event: Event;
}

/**
 * Makes one publish of several events of a channel. Asked when it is the channel's turn, with what waits (at least one, the oldest first, some
 * MB at most); while a publish of the channel is out it is not asked. After a restart it gets the same events again, in the same order.
 */
export interface Gatherer {
  /**
   * @returns milliseconds after which to ask again, where it is not time yet; `wake` asks sooner
   * @throws what is not retryable: the first event can never be sent and goes into quarantine
   */
  gather(waiting: readonly OutboxRecord[], nowMs: number): Gathered | number;
}

/** What a channel of a client is made of. */
export interface ChannelHost {
  readonly profile: Profile;
  readonly outbox: Outbox;
  readonly timing: Timing;
  readonly log: Log;
  /** Aborts when the client closes. */
  readonly signal: AbortSignal;
  /** Stores and sends, without asking the profile for limits. */
  publish(event: OutboxEvent): Publication;
  /** From now on the channel's events are sent as the gatherer says. */
  gather(channel: string, gatherer: Gatherer): void;
  /** Asks the channel's gatherer now. */
  wake(channel: string): void;
  /** Called after each connect. */
  onLinkUp(listener: () => void): void;
}
