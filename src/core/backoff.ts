/** Bounds of the time between two attempts, milliseconds. */
export interface BackoffBounds {
  minMs: number;
  maxMs: number;
}

/**
 * How long to wait before the next attempt, milliseconds: full jitter, a random part of `minMs` that doubles with each failure, `maxMs` at
 * most. Whoever failed together does not come back together.
 * @param failures those before the one that is waited for; 0 waits up to `minMs`
 * @param random as Math.random
 */
export function backoffMs({ minMs, maxMs }: BackoffBounds, failures: number, random: () => number): number {
  return random() * Math.min(maxMs, minMs * 2 ** Math.min(failures, MOST_DOUBLINGS));
}

const MOST_DOUBLINGS = 30;
