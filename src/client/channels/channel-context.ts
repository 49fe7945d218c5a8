import type { Log } from '../../core/log.ts';
import type { Publication, PublishRequest } from '../options.ts';
import type { ChannelBounds, Outbox } from '../outbox/outbox.ts';
import type { Profile } from '../profiles/profile.ts';
import type { Gatherer } from './gatherer.ts';

/** A publish of a channel: what it is checked for the channel has checked. */
export interface ChannelRequest extends PublishRequest {
  channel: string;
  /** See `OutboxEvent.key`. */
  key?: string;
}

/** What a channel sees of its client. */
export interface ChannelContext {
  readonly profile: Profile;
  readonly outbox: Pick<Outbox, 'channels' | 'configure' | 'read' | 'getNote' | 'setNote'>;
  /** As given to `openClient`, by channel; `*` for all others. */
  readonly bounds: Readonly<Record<string, ChannelBounds>>;
  readonly log: Log;
  /** Stores and sends without looking at the profile; never throws. */
  publish(request: ChannelRequest): Publication;
  /** Before anything of the channel is sent. */
  gatherWith(channel: string, gatherer: Gatherer): void;
  /** Told of each connection that stands. */
  onUp(listener: () => void): void;
  /** Milliseconds since 1970. */
  now(): number;
}
