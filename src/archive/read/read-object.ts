import { HydrantError } from '../../core/errors.ts';
import type { SegmentIndex } from '../../journal/segment-index.ts';
import type { ReadableStore } from '../../storage/store.ts';
import type { Manifest, ManifestBlock } from '../../wire/manifest.ts';
import { type Chunk, PieceGone, type Selection, selectedOffsets, usesIndex } from '../chunks.ts';
import { unpackIndex } from '../object-index.ts';
import type { Piece } from '../pieces.ts';
import { holdsAll } from '../seq-set.ts';
import { mayMatch } from '../topic-digest.ts';
import { readAhead } from './read-ahead.ts';
import { createUnpack, unpackObject } from './unpack-object.ts';
import { wholeLines } from './whole-lines.ts';

/** The blocks of an object that may hold what is asked for. Undefined when its manifest says that nothing of it can match. */
export async function readObject(
  store: ReadableStore,
  piece: Piece,
  manifest: Manifest,
  selection: Selection,
): Promise<AsyncIterable<Chunk> | undefined> {
  if (!mayMatch(manifest.topics, selection.filters)) return undefined;
  const blocks = blocksOf(manifest, piece.part).filter((block) => isWanted(block, piece, selection));
  tellDamaged(manifest, piece, selection);
  if (blocks.length === 0) return undefined;
  const index = blocks.length > 1 && usesIndex(selection) ? await objectIndex(store, piece, manifest) : undefined;
  const wanted = index ? withStarts(blocks, index, selection) : blocks;
  return readBlocks(store, piece, manifest, readAhead(store, piece.name, wanted), selection);
}

/**
 * All lines of an object of which nothing is known but its name.
 * @throws PieceGone
 */
export async function* readWhole(store: ReadableStore, piece: Piece): AsyncGenerator<Chunk> {
  try {
    yield* wholeLines(unpackObject(store, piece.name, piece.codec));
  } catch (error) {
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_MISSING') throw new PieceGone(piece.name, { cause: error });
    throw error;
  }
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
  /** Where in it the lines to look at begin; undefined: all of it. */
  starts?: number[];
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

async function objectIndex(store: ReadableStore, piece: Piece, manifest: Manifest): Promise<SegmentIndex | undefined> {
  if (piece.indexKey === undefined) return undefined;
  const bytes = await store.get(piece.indexKey).catch((error) => {
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_MISSING') return undefined;
    throw error;
  });
  const index = bytes && unpackIndex(bytes);
  return index?.records === manifest.count ? index : undefined;
}

/** The blocks in which an index knows lines that may match; all of them when there are many. */
function withStarts(blocks: PlacedBlock[], index: SegmentIndex, selection: Selection): PlacedBlock[] {
  const places = selectedOffsets(index, selection.filters);
  if (!places) return blocks;
  const wanted: PlacedBlock[] = [];
  let at = 0;
  for (const block of blocks) {
    while (at < places.length && places[at]! < block.rawOffset) at++;
    const starts: number[] = [];
    for (; at < places.length && places[at]! < block.rawOffset + block.rawBytes; at++) starts.push(places[at]! - block.rawOffset);
    if (starts.length > 0) wanted.push({ ...block, starts });
  }
  return wanted;
}

async function* readBlocks(
  store: ReadableStore,
  piece: Piece,
  manifest: Manifest,
  stored: AsyncIterable<{ block: PlacedBlock; packed: Buffer }>,
  selection: Selection,
): AsyncGenerator<Chunk> {
  const unpack = createUnpack(store, piece.name, manifest);
  try {
    for await (const { block, packed } of stored) {
      let bytes: Buffer;
      try {
        bytes = await unpack(packed, block);
      } catch (error) {
        if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_DAMAGED') throw error;
        selection.onDamagedBlock(block.rawOffset, block.count, error);
        continue;
      }
      const { rawOffset: offset, starts, lastSeq: through, bytes: readBytes } = block;
      yield { bytes, offset, starts, trusted: true, ends: false, through, readBytes, inTime: isInTime(block, selection) };
    }
  } catch (error) {
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_MISSING') throw new PieceGone(piece.name, { cause: error });
    throw error;
  }
}

/** Whether all of a block arrived in the time asked for, for sure: a millisecond of which only a part is wanted is looked at line by line. */
function isInTime(block: PlacedBlock, { sinceMs, untilMs, sinceNs = 0, untilNs }: Selection): boolean {
  if (sinceMs !== undefined && Date.parse(block.minTs) < sinceMs + (sinceNs > 0 ? 1 : 0)) return false;
  return untilMs === undefined || Date.parse(block.maxTs) < untilMs - (untilNs === undefined ? 0 : 1);
}
