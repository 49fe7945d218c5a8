import { systemCode } from '../../core/errors.ts';
import type { TimeRange } from '../../core/time-range.ts';
import { readSegmentEnds } from '../../journal/segment-files.ts';
import type { Catalogue } from '../catalogue.ts';
import { PieceGone } from '../chunks.ts';
import { HOUR_MS } from '../keys.ts';
import type { Piece } from '../pieces.ts';
import { holdsAll, SeqSet } from '../seq-set.ts';

/** One object or segment, as `archive ls` shows it. Undefined: nobody knows without reading all of it. */
export interface ArchiveItem {
  /** Path of a segment or key of an object. */
  name: string;
  /** `open`: a segment that is not sealed yet, whether it is still written or not. */
  state: 'sealed' | 'open';
  /** `YYYY-MM-DD`, and `HH` where it is kept by the hour. UTC. */
  day: string;
  hour?: string;
  journal: string;
  epoch: string;
  firstSeq?: number;
  lastSeq?: number;
  events?: number;
  /** Sequences left out on purpose, and those that were damaged. */
  excluded: number;
  damaged: number;
  /** Stretches of time in which the broker may have dropped events, that its events tell of. */
  brokerGaps?: number;
  /** As stored, and uncompressed. */
  bytes: number;
  rawBytes?: number;
  minTs?: string;
  maxTs?: string;
}

/** What is kept of one hour (or of one day, where days are kept whole). */
export interface ArchivePeriod {
  day: string;
  hour?: string;
  sealed: number;
  open: number;
  /** Without those of objects that say no number. */
  events: number;
  brokerGaps: number;
  bytes: number;
  firstSeq?: number;
  lastSeq?: number;
  minTs?: string;
  maxTs?: string;
}

/** Every object and open segment within the time asked for, oldest first. Reads manifests, not objects. */
export async function* listItems(catalogue: Catalogue, range: TimeRange = {}): AsyncGenerator<ArchiveItem> {
  const done = { sequences: new SeqSet(), names: new Set<string>() };
  for (let look = 1; ; look++) {
    const { pieces } = await catalogue.list({ range, sealedFirst: true, done });
    let gone: PieceGone | undefined;
    for (const [i, piece] of pieces.entries()) {
      catalogue.lookAhead(pieces, i);
      try {
        const item = piece.kind === 'segment' ? await segmentItem(piece) : await objectItem(catalogue, piece);
        if (item) yield item;
      } catch (error) {
        if (!(error instanceof PieceGone)) throw error;
        gone = error;
        continue;
      }
      if (piece.journal === '') done.names.add(piece.name);
      else done.sequences.add(piece.journal, piece.epoch, piece);
    }
    // By now it is an object.
    if (!gone) return;
    if (look === TRIES) throw gone.cause;
  }
}

const TRIES = 5;

/** Sums items by hour and day, in the order of time. */
export async function summarize(items: AsyncIterable<ArchiveItem>): Promise<ArchivePeriod[]> {
  const periods = new Map<string, ArchivePeriod>();
  for await (const item of items) {
    const key = `${item.day} ${item.hour ?? ''}`;
    const period = periods.get(key) ?? { day: item.day, hour: item.hour, sealed: 0, open: 0, events: 0, brokerGaps: 0, bytes: 0 };
    periods.set(key, period);
    period[item.state]++;
    period.events += item.events ?? 0;
    period.brokerGaps += item.brokerGaps ?? 0;
    period.bytes += item.bytes;
    if (item.firstSeq !== undefined) period.firstSeq = Math.min(item.firstSeq, period.firstSeq ?? item.firstSeq);
    if (item.lastSeq !== undefined) period.lastSeq = Math.max(item.lastSeq, period.lastSeq ?? item.lastSeq);
    if (item.minTs !== undefined) period.minTs = [item.minTs, period.minTs ?? item.minTs].sort()[0]!;
    if (item.maxTs !== undefined) period.maxTs = [item.maxTs, period.maxTs ?? item.maxTs].sort()[1]!;
  }
  return [...periods].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, period]) => period);
}

async function segmentItem(piece: Piece): Promise<ArchiveItem | undefined> {
  const ends = await readSegmentEnds(piece.name, piece.bytes).catch((error) => {
    throw systemCode(error) === 'ENOENT' ? new PieceGone(piece.name, { cause: error }) : error;
  });
  if (!ends) return undefined;
  const lastSeq = Math.min(ends.last, piece.last);
  if (holdsAll(piece.told, { first: piece.first, last: lastSeq })) return undefined;
  const { day, hour } = dayAndHour(ends.minMs);
  return {
    name: piece.name,
    state: 'open',
    day,
    hour,
    journal: piece.journal,
    epoch: piece.epoch,
    firstSeq: piece.first,
    lastSeq,
    events: lastSeq - piece.first + 1,
    excluded: 0,
    damaged: 0,
    bytes: piece.bytes,
    rawBytes: piece.bytes,
    minTs: new Date(ends.minMs).toISOString(),
    maxTs: new Date(ends.maxMs).toISOString(),
  };
}

async function objectItem(catalogue: Catalogue, piece: Piece): Promise<ArchiveItem> {
  const manifest = await catalogue.manifest(piece.manifestKey);
  const { day, hour } = dayAndHour(piece.fromMs);
  const item: ArchiveItem = {
    name: piece.name,
    state: 'sealed',
    day,
    hour,
    journal: piece.journal,
    epoch: piece.epoch,
    excluded: 0,
    damaged: 0,
    bytes: piece.bytes,
  };
  if (piece.journal !== '') Object.assign(item, { firstSeq: piece.first, lastSeq: piece.last });
  const isDay = piece.untilMs - piece.fromMs > HOUR_MS;
  if (isDay) item.hour = undefined;
  // A day that the seed program wrote is looked for an hour early.
  if (isDay && piece.journal === '') item.day = dayAndHour(piece.fromMs + HOUR_MS).day;
  const part = manifest?.parts[piece.part];
  if (!manifest || !part) return item;
  const blocks = manifest.blocks.filter((block) => block.part === piece.part);
  for (const { first, last, reason } of part.absent) item[reason] += last - first + 1;
  item.events = part.count;
  item.brokerGaps = part.gaps?.length ?? 0;
  item.rawBytes = blocks.reduce((sum, block) => sum + block.rawBytes, 0);
  if (blocks.length > 0) {
    item.minTs = blocks.map((block) => block.minTs).sort()[0]!;
    item.maxTs = blocks
      .map((block) => block.maxTs)
      .sort()
      .at(-1)!;
  }
  return item;
}

function dayAndHour(ms: number): { day: string; hour: string } {
  const iso = new Date(ms).toISOString();
  return { day: iso.slice(0, 10), hour: iso.slice(11, 13) };
}
