import { setTimeout as delay } from 'node:timers/promises';
import type { ArchivePlace } from './archive-place.ts';

const LOCAL_MS = 1000;
const REMOTE_MS = 10_000;
/** Looking takes at most this share of the time. */
const SHARE = 0.05;

/**
 * Waits until it is time to look again at an archive that is followed: after a second, after ten where a store is asked too, and after more
 * where looking takes long.
 */
export function createPolling(place: Pick<ArchivePlace, 'remote'>, signal: AbortSignal): () => Promise<void> {
  let lookedMs = performance.now();
  return async () => {
    const tookMs = performance.now() - lookedMs;
    await delay(Math.max(place.remote ? REMOTE_MS : LOCAL_MS, tookMs / SHARE), undefined, { signal }).catch(() => signal.throwIfAborted());
    lookedMs = performance.now();
  };
}
