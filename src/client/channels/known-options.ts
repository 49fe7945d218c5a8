import { assertKeys, assertNumber, shown, usage } from '../checks.ts';
import type { ChannelBounds, FullPolicy } from '../outbox/outbox.ts';

/** Bounds as a channel takes them; its priority is an option of `openClient`. */
export type OwnBounds = Omit<ChannelBounds, 'priority'>;

const BOUNDS: readonly (keyof OwnBounds)[] = ['maxEvents', 'maxBytes', 'maxAgeMs', 'whenFull', 'waitMs'];

const POLICIES: readonly FullPolicy[] = ['reject', 'wait', 'drop-oldest'];

/**
 * @param own options that this one has beside its bounds
 * @throws HYD_USAGE, naming the option at fault
 */
export function assertBounds(channel: string, options: object, own: readonly string[] = []): void {
  const of = `the channel ${channel}`;
  assertKeys(of, options, [...own, ...BOUNDS], { priority: `Give it to openClient: { channels: { ${channel}: { priority: 1 } } }.` });
  const { maxEvents, maxBytes, maxAgeMs, whenFull, waitMs, priority } = options as ChannelBounds;
  assertNumber(`maxEvents of ${of}`, maxEvents, { above: 0 });
  assertNumber(`maxBytes of ${of}`, maxBytes, { above: 0 });
  assertNumber(`maxAgeMs of ${of}`, maxAgeMs, { above: 0 });
  assertNumber(`waitMs of ${of}`, waitMs, { min: 0 });
  assertNumber(`priority of ${of}`, priority, {});
  if (whenFull === undefined || POLICIES.includes(whenFull)) return;
  throw usage(`whenFull of ${of}: ${shown(whenFull)}`, `Give ${POLICIES.join(', ')}.`);
}
