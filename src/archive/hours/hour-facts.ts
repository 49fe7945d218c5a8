import { readSegmentHeader } from '../../journal/segment-files.ts';
import { decodeGap, GAP_TOPIC } from '../../wire/gap.ts';
import { checkLineCrc, decodeLine } from '../../wire/line.ts';
import type { Manifest, ManifestGap, ManifestPart } from '../../wire/manifest.ts';
import type { EpochStart } from '../../wire/segment.ts';
import { HOUR_MS } from '../keys.ts';
import { LineView } from '../line-view.ts';
import type { Piece } from '../pieces.ts';
import { readSegment } from '../read/read-segment.ts';
import type { SeqRange } from '../seq-set.ts';

/** What is known of a run of sequences that arrived within one hour. */
export interface HourFact {
  journal: string;
  epoch: string;
  first: number;
  last: number;
  /** Begin of the hour, milliseconds since 1970. */
  hourMs: number;
  events: number;
  /** Uncompressed. */
  bytes: number;
  excluded: number;
  damaged: number;
  dup: number;
  /** Arrival of its earliest and latest event; the begin of the hour when it has none. */
  minMs: number;
  maxMs: number;
}

/** When an epoch ran, as far as it is known. */
export interface EpochFact {
  journal: string;
  epoch: string;
  openedMs?: number;
  /** The last sign of it. */
  aliveMs?: number;
  closedMs?: number;
}

/** Time that the clock passed and an epoch did not: somebody set it forward, or the machine slept. */
export interface PauseFact {
  journal: string;
  epoch: string;
  fromMs: number;
  untilMs: number;
}

export interface GapFact extends ManifestGap {
  journal: string;
  epoch: string;
}

/** What objects and segments tell, for each hour. */
export interface Facts {
  hours: HourFact[];
  epochs: EpochFact[];
  gaps: GapFact[];
}

/** @param fromMs begin of the hour or day that it lies under */
export function factsOfManifest(manifest: Manifest, fromMs: number): Facts {
  const facts: Facts = { hours: [], epochs: [], gaps: [] };
  for (const [i, part] of manifest.parts.entries()) {
    const { journal, epoch, gaps = [], start } = part;
    facts.hours.push(
      ...hoursOf(
        part,
        manifest.blocks.filter((block) => block.part === i),
        fromMs,
      ),
    );
    for (const gap of gaps) facts.gaps.push({ journal, epoch, ...gap });
    facts.epochs.push(...epochsOf(journal, epoch, start));
  }
  return facts;
}

/** Blocks of one hour follow each other; which sequences have no line is put where they would stand, repeats into the first hour. */
function hoursOf(part: ManifestPart, blocks: Manifest['blocks'], fromMs: number): HourFact[] {
  const { journal, epoch, firstSeq: first, lastSeq: last, dup = 0 } = part;
  const empty = { events: 0, bytes: 0, excluded: 0, damaged: 0, dup: 0 };
  const hours: HourFact[] = [];
  for (const block of blocks) {
    const [minMs, maxMs] = [Date.parse(block.minTs), Date.parse(block.maxTs)];
    const hourMs = hourOf(minMs);
    let hour = hours.at(-1);
    if (hour?.hourMs !== hourMs) {
      if (hour) hour.last = block.firstSeq - 1;
      hour = { journal, epoch, first: hour ? block.firstSeq : first, last, hourMs, ...empty, minMs, maxMs };
      hours.push(hour);
    }
    hour.events += block.count;
    hour.bytes += block.rawBytes;
    hour.minMs = Math.min(hour.minMs, minMs);
    hour.maxMs = Math.max(hour.maxMs, maxMs);
  }
  if (hours.length === 0) hours.push({ journal, epoch, first, last, hourMs: hourOf(fromMs), ...empty, minMs: fromMs, maxMs: fromMs });
  hours[0]!.dup = dup;
  for (const absent of part.absent) {
    const hour = hours.findLast((own) => own.first <= absent.first) ?? hours[0]!;
    hour[absent.reason] += absent.last - absent.first + 1;
  }
  return hours;
}

/** The first object of an epoch also says when the one before was closed. */
function epochsOf(journal: string, epoch: string, start: EpochStart | undefined): EpochFact[] {
  if (!start) return [];
  const { opened, previous } = start;
  const facts: EpochFact[] = [{ journal, epoch, openedMs: Date.parse(opened) }];
  if (previous?.closed !== undefined) facts.push({ journal, epoch: previous.epoch, closedMs: Date.parse(previous.closed) });
  return facts;
}

/**
 * Reads a segment that is not sealed. Damaged lines are counted.
 * @param told sequences that are known already, in order
 * @throws PieceGone
 */
export async function factsOfSegment(piece: Piece, told: readonly SeqRange[]): Promise<Facts> {
  const { journal, epoch, name } = piece;
  const header = await readSegmentHeader(name).catch(() => ({ header: undefined }));
  const facts: Facts = { hours: [], epochs: epochsOf(journal, epoch, header.header?.start), gaps: [] };
  const view = new LineView();
  let next = piece.first;
  for await (const { bytes, offset } of readSegment(piece, { filters: [], onDamagedBlock: () => {} })) {
    let start = offset === 0 ? bytes.indexOf(10) + 1 : 0;
    for (let end = bytes.indexOf(10, start); end !== -1; start = end + 1, end = bytes.indexOf(10, start)) {
      const seq = checkLineCrc(bytes, start, end) === 'good' && view.read(bytes, start, end) ? view.seq() : 0;
      for (const range of told) if (range.first <= next) next = Math.max(next, range.last + 1);
      if (seq < next || seq > piece.last) continue;
      const ms = view.tsMs();
      const hour = hourFor(facts.hours, piece, next, ms);
      hour.damaged += seq - next;
      hour.last = seq;
      hour.events++;
      hour.bytes += end + 1 - start;
      hour.minMs = Math.min(hour.minMs, ms);
      hour.maxMs = Math.max(hour.maxMs, ms);
      if (view.isDup()) hour.dup++;
      if (view.isInternal && view.topic() === GAP_TOPIC) noteGap(facts, piece, bytes, start, end);
      next = seq + 1;
    }
  }
  return facts;
}

function hourFor(hours: HourFact[], { journal, epoch }: Piece, first: number, ms: number): HourFact {
  const hourMs = hourOf(ms);
  const own = hours.at(-1);
  if (own?.hourMs === hourMs) return own;
  const hour = { journal, epoch, first, last: first, hourMs, events: 0, bytes: 0, excluded: 0, damaged: 0, dup: 0, minMs: ms, maxMs: ms };
  hours.push(hour);
  return hour;
}

function noteGap(facts: Facts, { journal, epoch }: Piece, bytes: Buffer, start: number, end: number): void {
  const event = decodeLine(bytes, start, end);
  const gap = decodeGap(event);
  if (gap) facts.gaps.push({ journal, epoch, seq: event.seq, ...gap });
}

function hourOf(ms: number): number {
  return Math.floor(ms / HOUR_MS) * HOUR_MS;
}
