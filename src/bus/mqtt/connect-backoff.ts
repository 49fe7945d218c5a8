import { backoffMs } from '../../core/backoff.ts';

const MIN_MS = 500;
const MAX_MS = 30_000;

/**
 * How long to wait before connecting again: nothing until every server of the list was tried once, then a pause that doubles with each
 * round through the list, `maxMs` at most.
 * @param failures attempts that failed, and connections that were lost at once, since one held
 */
export function connectBackoffMs(failures: number, servers: number, random: () => number, maxMs: number = MAX_MS): number {
  const round = Math.floor(failures / servers);
  return round === 0 ? 0 : backoffMs({ minMs: MIN_MS, maxMs }, round - 1, random);
}
