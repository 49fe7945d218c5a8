import { SYSTEM_TIMING } from '../bus/mqtt/steady-link.ts';
import { HydrantError } from '../core/errors.ts';
import { createUlid } from '../core/id.ts';
import type { ChannelRequest } from './channels/channel-context.ts';
import { checkRequest } from './check-request.ts';
import type { Publication, PublishRequest } from './options.ts';
import type { ChannelBounds, Outbox, OutboxEvent } from './outbox/outbox.ts';
import type { Profile } from './profiles/profile.ts';
import type { Publications } from './publications.ts';

export interface PublisherParts {
  profile: Profile;
  outbox: Pick<Outbox, 'configure'>;
  /** As given to `openClient`, by channel; `*` for all others. */
  bounds: Readonly<Record<string, ChannelBounds>>;
  publications: Publications;
}

/** Puts what is published into the outbox, each channel under its bounds. */
export class Publisher {
  readonly #parts: PublisherParts;
  /** Channels that have their bounds. */
  readonly #bounded = new Set<string>();
  #isClosed = false;

  constructor(parts: PublisherParts) {
    this.#parts = parts;
  }

  publish(request: PublishRequest): Publication {
    const id = request?.id ?? createUlid();
    try {
      return this.#store(checkRequest(request, id, this.#parts.profile, SYSTEM_TIMING.now()));
    } catch (error) {
      return this.#parts.publications.refuse(id, error as HydrantError);
    }
  }

  /** Of a channel, which has checked it. */
  publishChecked({ topic, payload, qos = 1, retain = false, channel, ttlMs, id = createUlid(), ...more }: ChannelRequest): Publication {
    const bytes = typeof payload === 'string' ? Buffer.from(payload) : payload;
    const expiresMs = ttlMs === undefined ? undefined : SYSTEM_TIMING.now() + ttlMs;
    return this.#store({ id, channel, topic, payload: bytes, qos, retain, expiresMs, ...more });
  }

  /** Gives a channel that no bounds name those of all others, before its first event. */
  bound(channel: string): void {
    if (this.#bounded.has(channel)) return;
    this.#bounded.add(channel);
    const { outbox, bounds } = this.#parts;
    const { '*': all, [channel]: own } = bounds;
    if (all && !own) outbox.configure(channel, all);
  }

  /** `data` and `state`, once opened, have bounds of their own. */
  exempt(channel: string): void {
    this.#bounded.add(channel);
  }

  close(): void {
    this.#isClosed = true;
  }

  #store(event: OutboxEvent): Publication {
    const { id, channel, topic } = event;
    const { publications } = this.#parts;
    if (this.#isClosed)
      return publications.refuse(id, new HydrantError('HYD_CLOSED', `the client is closed: nothing was published to ${topic}`));
    this.bound(channel);
    return publications.store(event);
  }
}
