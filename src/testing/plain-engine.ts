import type { Capabilities } from '../bus/bus.ts';

/** What an engine in memory can do: it carries properties, and nobody reads the past or in a group. */
export const PLAIN: Capabilities = Object.freeze({
  nakDelay: false,
  startAt: false,
  outOfOrderAck: true,
  group: false,
  handOver: false,
  properties: true,
  exactlyOnce: false,
});
