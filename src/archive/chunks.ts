import type { HydrantError } from '../core/errors.ts';
import type { TimeRange } from '../core/time-range.ts';
import { DAMAGED, type SegmentIndex } from '../journal/segment-index.ts';

/** Lines to look at. */
export interface Chunk {
  bytes: Buffer;
  /** Offset of `bytes` in the uncompressed content. */
  offset: number;
  /** Where the lines to look at begin in `bytes`; undefined: all of it. */
  starts?: number[];
  /** Whether a checksum over all of it was good, so that only what is shown needs its own. */
  trusted: boolean;
  /** What follows the last newline is a line too: there is no more of it. */
  ends: boolean;
  /** Sequences that are done with once this chunk is, when they are known. */
  through?: number;
  /** Stored bytes that were read for it, for progress. */
  readBytes: number;
  /** Every line arrived within the time asked for. */
  inTime: boolean;
}

export interface Selection extends TimeRange {
  /** Empty: every topic. */
  filters: readonly string[];
  fromSeq?: number;
  toSeq?: number;
  /** Told of a block that cannot be read, and of how many lines it held. */
  onDamagedBlock: (offset: number, lines: number, error: HydrantError) => void;
}

/** The piece was sealed, put together or removed while it was to be read: list again. */
export class PieceGone extends Error {}

/** Above this share of a piece's records it is quicker to read all of it. */
const INDEX_SHARE = 0.25;

export function usesIndex(selection: Selection): boolean {
  return selection.filters.length > 0 && !selection.filters.includes('#');
}

/** Ascending; undefined when so many match that reading everything is quicker. */
export function selectedOffsets(index: SegmentIndex, filters: readonly string[]): number[] | undefined {
  const limit = Math.ceil(index.records * INDEX_SHARE) + 1;
  const ordinals = index.select(filters, 0, limit);
  if (ordinals.length >= limit) return undefined;
  return Array.from(ordinals, (ordinal) => index.offset(ordinal)).filter((offset) => offset !== DAMAGED);
}
