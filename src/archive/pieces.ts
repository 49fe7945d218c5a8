import { systemCode } from '../core/errors.ts';
import type { TimeRange } from '../core/time-range.ts';
import { readSegmentEnds, type SegmentFile } from '../journal/segment-files.ts';
import type { ArchiveGroup, StoredObject } from './archive-groups.ts';
import { DAY_MS, HOUR_MS, type ObjectCodec } from './keys.ts';
import type { SeqRange } from './seq-set.ts';

/** One thing to read: a segment, an object, or one part of a day's object. */
export interface Piece {
  /** Path of a segment or key of an object. */
  name: string;
  kind: 'segment' | 'object';
  codec: ObjectCodec | 'plain';
  /** Empty when nobody knows: a day that the seed program wrote. */
  journal: string;
  epoch: string;
  first: number;
  /** Of the newest segment: no bound. */
  last: number;
  /** Arrival of its events lies in `[fromMs, untilMs)`. */
  fromMs: number;
  untilMs: number;
  /** To be read at most. For a segment: up to the durable mark. */
  bytes: number;
  /** Sequences of it that another piece tells. */
  told: SeqRange[];
  manifestKey?: string;
  indexKey?: string;
  /** Which of the manifest's parts. */
  part: number;
  /** No event is added to this segment any more. */
  closed?: boolean;
  /** Of a segment: so much of it, whole lines, was read before. */
  skipBytes?: number;
}

export function boundsOf({ layout, fromMs }: ArchiveGroup): { fromMs: number; untilMs: number } {
  return { fromMs, untilMs: fromMs + (layout === 'daily' ? DAY_MS : HOUR_MS) };
}

export function objectPiece(group: ArchiveGroup, object: StoredObject): Piece {
  return {
    name: object.key,
    kind: 'object',
    codec: object.codec,
    journal: '',
    epoch: '',
    first: 0,
    last: 0,
    fromMs: group.fromMs,
    untilMs: group.fromMs + HOUR_MS,
    bytes: object.bytes,
    told: [],
    manifestKey: group.manifest?.key,
    indexKey: group.index?.key,
    part: 0,
  };
}

export function hourPieces(group: ArchiveGroup): Piece[] {
  if (group.layout !== 'hive') return [];
  const { journal, epoch, first, last } = group;
  return group.objects.map((object) => ({ ...objectPiece(group, object), journal, epoch, first, last }));
}

/** The seed program takes the time when an event arrives and the file when it is written: near midnight they differ. */
export function seedBounds(dayMs: number): { fromMs: number; untilMs: number } {
  return { fromMs: dayMs - HOUR_MS, untilMs: dayMs + DAY_MS + HOUR_MS };
}

/** Undefined when it is gone or nothing of it may be read. */
export async function segmentPiece(file: SegmentFile, closed: boolean): Promise<Piece | undefined> {
  if (file.bytes === 0) return undefined;
  const ends = await readSegmentEnds(file.path, file.bytes).catch((error) => {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (ends === null) return undefined;
  // A segment holds one hour unless that is turned off; then its ends say nothing sure of what is between.
  const hourMs = ends ? Math.floor(ends.minMs / HOUR_MS) * HOUR_MS : Number.NaN;
  const oneHour = ends !== undefined && ends.maxMs >= hourMs && ends.maxMs < hourMs + HOUR_MS;
  return {
    name: file.path,
    kind: 'segment',
    codec: 'plain',
    journal: file.journal,
    epoch: file.epoch,
    first: file.first,
    last: file.last,
    fromMs: oneHour ? hourMs : Number.NEGATIVE_INFINITY,
    untilMs: oneHour ? hourMs + HOUR_MS : Number.POSITIVE_INFINITY,
    bytes: file.bytes,
    told: [],
    part: 0,
    closed,
  };
}

export function isInRange(piece: { fromMs: number; untilMs: number }, range: TimeRange | undefined): boolean {
  return piece.untilMs > (range?.sinceMs ?? Number.NEGATIVE_INFINITY) && piece.fromMs < (range?.untilMs ?? Number.POSITIVE_INFINITY);
}

export function inOrder(pieces: Piece[]): Piece[] {
  const begun = new Map<string, number>();
  for (const { journal, fromMs } of pieces) {
    if (journal !== '' && Number.isFinite(fromMs)) begun.set(journal, Math.min(fromMs, begun.get(journal) ?? Number.POSITIVE_INFINITY));
  }
  const rank = (piece: Piece): number => (piece.journal === '' ? piece.fromMs : (begun.get(piece.journal) ?? Number.MAX_SAFE_INTEGER));
  return pieces.sort((a, b) => rank(a) - rank(b) || compare(a.journal, b.journal) || a.first - b.first || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
