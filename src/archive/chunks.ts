import { type FileHandle, open } from 'node:fs/promises';
import { HydrantError, systemCode } from '../core/errors.ts';
import type { TimeRange } from '../core/time-range.ts';
import { decodeIndex, indexPath, loadIndex } from '../journal/index-file.ts';
import { DAMAGED, type SegmentIndex } from '../journal/segment-index.ts';
import type { ObjectStore } from '../storage/store.ts';
import type { Manifest, ManifestBlock } from '../wire/manifest.ts';
import type { Catalogue, Piece } from './catalogue.ts';
import { unpackBlock } from './codec.ts';
import { holdsAll } from './seq-set.ts';
import { mayMatch } from './topic-digest.ts';
import { unpackStream } from './unpack-stream.ts';

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

const CHUNK_BYTES = 1024 * 1024;
const MAX_LINE_BYTES = 512 * 1024 * 1024;
/** Above this share of a piece's records it is quicker to read all of it. */
const INDEX_SHARE = 0.25;

/** Undefined when the manifest says that nothing of the piece can match. */
export async function readPiece(catalogue: Catalogue, piece: Piece, selection: Selection): Promise<AsyncIterable<Chunk> | undefined> {
  if (piece.kind === 'segment') return readSegment(piece, selection);
  const manifest = await catalogue.manifest(piece);
  if (!manifest || piece.codec === 'plain') return readWhole(catalogue.store, piece);
  if (!mayMatch(manifest.topics, selection.filters)) return undefined;
  const blocks = blocksOf(manifest, piece.part).filter((block) => isWanted(block, piece, selection));
  tellDamaged(manifest, piece, selection);
  if (blocks.length === 0) return undefined;
  const index = blocks.length > 1 && usesIndex(selection) ? await objectIndex(catalogue.store, piece, manifest) : undefined;
  return readBlocks(catalogue.store, piece, manifest, blocks, selection, index);
}

/** What could not be read when the piece was sealed is in no block: it is told of, not passed over in silence. */
function tellDamaged(manifest: Manifest, piece: Piece, { fromSeq = 0, toSeq = Number.POSITIVE_INFINITY, onDamagedBlock }: Selection): void {
  for (const { reason, first, last } of manifest.parts[piece.part]?.absent ?? []) {
    if (reason !== 'damaged' || last < fromSeq || first >= toSeq) continue;
    const events = last === first ? `event ${first}` : `events ${first} to ${last}`;
    onDamagedBlock(0, last - first + 1, new HydrantError('HYD_OBJECT_DAMAGED', `${events} could not be read when this was sealed`));
  }
}

interface PlacedBlock extends ManifestBlock {
  /** Where its lines begin in the uncompressed content. */
  rawOffset: number;
  lastSeq: number;
}

function blocksOf(manifest: Manifest, part: number): PlacedBlock[] {
  const placed: PlacedBlock[] = [];
  let rawOffset = 0;
  for (const [i, block] of manifest.blocks.entries()) {
    const next = manifest.blocks[i + 1];
    const lastSeq = next?.part === block.part ? next.firstSeq - 1 : manifest.parts[block.part]!.lastSeq;
    if (block.part === part) placed.push({ ...block, rawOffset, lastSeq });
    rawOffset += block.rawBytes;
  }
  return placed;
}

function isWanted(block: PlacedBlock, piece: Piece, selection: Selection): boolean {
  if (selection.fromSeq !== undefined && block.lastSeq < selection.fromSeq) return false;
  if (selection.toSeq !== undefined && block.firstSeq >= selection.toSeq) return false;
  if (holdsAll(piece.told, { first: block.firstSeq, last: block.lastSeq })) return false;
  if (selection.sinceMs !== undefined && Date.parse(block.maxTs) < selection.sinceMs) return false;
  return selection.untilMs === undefined || Date.parse(block.minTs) < selection.untilMs;
}

function usesIndex(selection: Selection): boolean {
  return selection.filters.length > 0 && !selection.filters.includes('#');
}

async function objectIndex(store: ObjectStore, piece: Piece, manifest: Manifest): Promise<SegmentIndex | undefined> {
  if (piece.indexKey === undefined) return undefined;
  const bytes = await store.get(piece.indexKey).catch((error) => {
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_MISSING') return undefined;
    throw error;
  });
  const index = bytes && decodeIndex(bytes);
  return index?.records === manifest.count ? index : undefined;
}

async function* readBlocks(
  store: ObjectStore,
  piece: Piece,
  manifest: Manifest,
  blocks: PlacedBlock[],
  selection: Selection,
  index: SegmentIndex | undefined,
): AsyncGenerator<Chunk> {
  const places = index && selectedOffsets(index, selection.filters);
  let at = 0;
  for (const block of blocks) {
    let starts: number[] | undefined;
    if (places) {
      while (at < places.length && places[at]! < block.rawOffset) at++;
      starts = [];
      for (; at < places.length && places[at]! < block.rawOffset + block.rawBytes; at++) starts.push(places[at]! - block.rawOffset);
      if (starts.length === 0) continue;
    }
    let bytes: Buffer;
    try {
      const packed = await store.get(piece.name, { start: block.offset, end: block.offset + block.bytes });
      bytes = unpackBlock(packed, manifest.codec, block.rawBytes);
    } catch (error) {
      if (!(error instanceof HydrantError)) throw error;
      if (error.code === 'HYD_OBJECT_MISSING') throw new PieceGone(piece.name, { cause: error });
      if (error.code !== 'HYD_OBJECT_DAMAGED') throw error;
      selection.onDamagedBlock(block.rawOffset, block.count, error);
      continue;
    }
    const inTime =
      (selection.sinceMs === undefined || Date.parse(block.minTs) >= selection.sinceMs) &&
      (selection.untilMs === undefined || Date.parse(block.maxTs) < selection.untilMs);
    yield { bytes, offset: block.rawOffset, starts, trusted: true, ends: false, through: block.lastSeq, readBytes: block.bytes, inTime };
  }
}

/** Ascending; undefined when so many match that reading everything is quicker. */
function selectedOffsets(index: SegmentIndex, filters: readonly string[]): number[] | undefined {
  const limit = Math.ceil(index.records * INDEX_SHARE) + 1;
  const ordinals = index.select(filters, 0, limit);
  if (ordinals.length >= limit) return undefined;
  return Array.from(ordinals, (ordinal) => index.offset(ordinal)).filter((offset) => offset !== DAMAGED);
}

async function* readWhole(store: ObjectStore, piece: Piece): AsyncGenerator<Chunk> {
  try {
    yield* wholeLines(unpackStream(store.stream(piece.name), piece.codec));
  } catch (error) {
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_MISSING') throw new PieceGone(piece.name, { cause: error });
    throw error;
  }
}

/** Cuts a stream at newlines. What was read before the source fails is given first. */
export async function* wholeLines(source: AsyncIterable<Buffer>): AsyncGenerator<Chunk> {
  let parts: Buffer[] = [];
  let held = 0;
  let offset = 0;
  const chunk = (bytes: Buffer, ends: boolean): Chunk => ({ bytes, offset, trusted: false, ends, readBytes: bytes.length, inTime: false });
  let failure: unknown;
  try {
    for await (const bytes of source) {
      parts.push(bytes);
      held += bytes.length;
      const newline = bytes.lastIndexOf(10);
      if (held > MAX_LINE_BYTES) throw new HydrantError('HYD_OBJECT_DAMAGED', `a line has more than ${MAX_LINE_BYTES} bytes`);
      if (newline === -1 || held < CHUNK_BYTES) continue;
      const all = parts.length === 1 ? bytes : Buffer.concat(parts);
      const end = held - bytes.length + newline + 1;
      yield chunk(all.subarray(0, end), false);
      offset += end;
      parts = end < held ? [all.subarray(end)] : [];
      held -= end;
    }
  } catch (error) {
    failure = error;
  }
  if (held > 0) yield chunk(Buffer.concat(parts), failure === undefined);
  if (failure) throw failure;
}

async function* readSegment(piece: Piece, selection: Selection): AsyncGenerator<Chunk> {
  let file: FileHandle;
  try {
    file = await open(piece.name, 'r');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') throw new PieceGone(piece.name, { cause: error });
    throw error;
  }
  try {
    const saved = piece.bytes > CHUNK_BYTES && usesIndex(selection) ? await loadIndex(indexPath(piece.name)) : undefined;
    const index = saved && (await endsWith(file, saved, piece.bytes)) ? saved : undefined;
    const places = index && selectedOffsets(index, selection.filters);
    if (places) yield* readPlaces(file, places, piece.bytes);
    else yield* wholeLines(readFile(file, piece.bytes));
  } finally {
    await file.close();
  }
}

async function* readFile(file: FileHandle, limit: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < limit; ) {
    const wanted = Math.min(CHUNK_BYTES, limit - at);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(wanted), 0, wanted, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

/** Whether the last record of an index is the last line that may be read: an index of less would hide events. */
async function endsWith(file: FileHandle, index: SegmentIndex, limit: number): Promise<boolean> {
  const from = index.records > 0 ? index.offset(index.records - 1) : DAMAGED;
  if (from >= limit || limit - from > CHUNK_BYTES) return false;
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(limit - from), 0, limit - from, from);
  return bytesRead === limit - from && buffer.indexOf(10) === bytesRead - 1;
}

const GAP_BYTES = 32 * 1024;

/** Reads the lines that begin at these offsets, those near each other together. */
async function* readPlaces(file: FileHandle, places: number[], limit: number): AsyncGenerator<Chunk> {
  for (let i = 0; i < places.length; ) {
    const from = places[i]!;
    const starts: number[] = [];
    let to = from;
    for (; i < places.length && places[i]! < limit && places[i]! - to < GAP_BYTES && to - from < CHUNK_BYTES; i++) {
      starts.push(places[i]! - from);
      to = places[i]!;
    }
    if (starts.length === 0) return;
    const bytes = await readThroughNewline(file, from, to, limit);
    yield { bytes, offset: from, starts, trusted: false, ends: true, readBytes: bytes.length, inTime: false };
  }
}

async function readThroughNewline(file: FileHandle, from: number, last: number, limit: number): Promise<Buffer> {
  for (let span = last - from + 16 * 1024; ; span *= 4) {
    const wanted = Math.min(span, limit - from);
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(wanted), 0, wanted, from);
    if (buffer.indexOf(10, last - from) !== -1 || from + bytesRead >= limit || bytesRead < wanted) return buffer.subarray(0, bytesRead);
  }
}
