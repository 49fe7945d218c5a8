import { HydrantError } from '../../core/errors.ts';
import { nearest } from '../../core/nearest.ts';
import type { ChannelBounds, FullPolicy } from '../outbox/outbox.ts';

/** Bounds as a channel takes them; its priority is an option of `openClient`. */
export type OwnBounds = Omit<ChannelBounds, 'priority'>;

const BOUNDS: readonly (keyof OwnBounds)[] = ['maxEvents', 'maxBytes', 'maxAgeMs', 'whenFull', 'waitMs'];

const POLICIES: readonly FullPolicy[] = ['reject', 'wait', 'drop-oldest'];

/** @throws HYD_USAGE, naming the option at fault */
export function assertKnown(channel: string, options: object, own: readonly string[] = []): void {
  const known = [...own, ...BOUNDS];
  for (const key of Object.keys(options)) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known);
    const fix =
      key === 'priority' ? `Give it to openClient: { channels: { ${channel}: { priority: 1 } } }.` : meant && `Did you mean ${meant}?`;
    throw new HydrantError('HYD_USAGE', `the channel ${channel} has no option ${key}`, { fix: fix ?? `Options are ${known.join(', ')}.` });
  }
  const { whenFull } = options as OwnBounds;
  if (whenFull === undefined || POLICIES.includes(whenFull)) return;
  throw new HydrantError('HYD_USAGE', `whenFull of the channel ${channel}: ${String(whenFull)}`, { fix: `Give ${POLICIES.join(', ')}.` });
}
