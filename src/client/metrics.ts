import { Latency, type LatencyNow } from './latency.ts';
import type { DropReason, Outbox } from './outbox/outbox.ts';

/** What waits in one channel. */
export interface ChannelMetrics {
  events: number;
  /** Payload and topic bytes. */
  bytes: number;
  oldestAgeMs: number;
  quarantined: number;
}

/** How a client stands; counts are of this process. */
export interface ClientMetrics {
  channels: Record<string, ChannelMetrics>;
  /** In all channels. */
  depth: number;
  bytes: number;
  oldestAgeMs: number;
  quarantined: number;
  /** Publishes out and not acknowledged. */
  inFlight: number;
  stored: number;
  acked: number;
  /** Not stored: `publish()` was refused. */
  refused: number;
  dropped: Record<DropReason, number>;
  /** Connections made. */
  connects: number;
  connected: boolean;
  /** From `publish()` to disk. */
  commit: LatencyNow;
  /** From sending to the acknowledgement. */
  ack: LatencyNow;
}

/** Counts what passes a client. */
export class Metrics {
  readonly commit = new Latency();
  readonly ack = new Latency();
  stored = 0;
  acked = 0;
  refused = 0;
  readonly dropped: Record<DropReason, number> = { oldest: 0, age: 0, expired: 0, replaced: 0, operator: 0 };
  readonly #outbox: Pick<Outbox, 'channels'>;

  constructor(outbox: Pick<Outbox, 'channels'>) {
    this.#outbox = outbox;
  }

  read(nowMs: number, link: Pick<ClientMetrics, 'inFlight' | 'connects' | 'connected'>): ClientMetrics {
    const channels: Record<string, ChannelMetrics> = {};
    const all: ChannelMetrics = { events: 0, bytes: 0, oldestAgeMs: 0, quarantined: 0 };
    for (const [name, { events, bytes, oldestMs, quarantined }] of this.#outbox.channels) {
      const oldestAgeMs = oldestMs === undefined ? 0 : Math.max(0, nowMs - oldestMs);
      channels[name] = { events, bytes, oldestAgeMs, quarantined };
      all.events += events;
      all.bytes += bytes;
      all.quarantined += quarantined;
      all.oldestAgeMs = Math.max(all.oldestAgeMs, oldestAgeMs);
    }
    const { stored, acked, refused, dropped } = this;
    const { events: depth, bytes, oldestAgeMs, quarantined } = all;
    const clockMs = performance.now();
    return {
      channels,
      depth,
      bytes,
      oldestAgeMs,
      quarantined,
      ...link,
      stored,
      acked,
      refused,
      dropped: { ...dropped },
      commit: this.commit.now(clockMs),
      ack: this.ack.now(clockMs),
    };
  }
}
