import type { Journal } from '../journal/journal.ts';

/**
 * The lowest sequence that absent clients may keep in the journal: the lowest cursor, but no more than `maxBacklogBytes` and
 * `maxBacklogAge` of segments. What goes is read from the archive, else counted as a gap.
 */
export function backlogFloor(
  journal: Journal,
  cursors: number[],
  bounds: { maxBacklogBytes: number; maxBacklogAge: number },
  nowMs: number,
): number {
  let wanted = Number.POSITIVE_INFINITY;
  for (const cursor of cursors) if (cursor + 1 < wanted) wanted = cursor + 1;
  if (wanted === Number.POSITIVE_INFINITY) return wanted;
  let bytes = 0;
  let floor = Number.POSITIVE_INFINITY;
  for (const segment of journal.segments.toReversed()) {
    bytes += segment.bytes;
    if (bytes > bounds.maxBacklogBytes || (segment.closed && nowMs - segment.maxMs > bounds.maxBacklogAge)) break;
    floor = segment.first;
  }
  return Math.max(wanted, floor === Number.POSITIVE_INFINITY ? wanted : floor);
}
