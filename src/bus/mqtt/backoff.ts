const BASE_MS = 500;
const CAP_MS = 30_000;

/**
 * How long to wait before connecting again: nothing until every server of the list was tried once, then full jitter, from 0 up to a
 * half second that doubles with each round through the list, 30 seconds at most.
 * @param failures attempts that failed, and connections that were lost at once, since one held
 */
export function backoffMs(failures: number, servers: number, random: () => number): number {
  const round = Math.floor(failures / servers);
  return round === 0 ? 0 : random() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(round - 1, 16));
}
