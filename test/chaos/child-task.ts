import type { ChannelBounds, QoS } from '../../src/client/index.ts';

/** What the client under test is told, as JSON in its first argument. */
export interface ChildTask {
  outbox: string;
  url: string;
  /** Counts its restarts. */
  life: number;
  clientId: string;
  username: string;
  passwordFile: string;
  /** Holds by how many milliseconds the clock is wrong. */
  clockFile: string;
  eventsPerSecond: number;
}

/** Of all events `share` go to a channel. */
export const CHANNELS: Record<string, { qos: QoS; share: number; bounds: ChannelBounds }> = {
  plain: { qos: 1, share: 0.5, bounds: {} },
  patient: { qos: 1, share: 0.2, bounds: { whenFull: 'wait', waitMs: 600_000 } },
  urgent: { qos: 1, share: 0.2, bounds: { priority: 1 } },
  exact: { qos: 2, share: 0.1, bounds: {} },
};
