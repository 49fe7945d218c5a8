import { type FileHandle, open } from 'node:fs/promises';
import { systemCode } from '../../core/errors.ts';
import { indexPath, loadIndex } from '../../journal/index-file.ts';
import { DAMAGED, type SegmentIndex } from '../../journal/segment-index.ts';
import { type Chunk, PieceGone, type Selection, selectedOffsets, usesIndex } from '../chunks.ts';
import type { Piece } from '../pieces.ts';
import { wholeLines } from './whole-lines.ts';

const CHUNK_BYTES = 1024 * 1024;

/**
 * The lines of a segment up to the durable mark; through its index, when that reaches to there, only those that may match.
 * @throws PieceGone
 */
export async function* readSegment(piece: Piece, selection: Selection): AsyncGenerator<Chunk> {
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
    const { skipBytes = 0 } = piece;
    if (places)
      yield* readPlaces(
        file,
        places.filter((place) => place >= skipBytes),
        piece.bytes,
      );
    else yield* wholeLines(readFile(file, skipBytes, piece.bytes), skipBytes);
  } finally {
    await file.close();
  }
}

async function* readFile(file: FileHandle, start: number, limit: number): AsyncGenerator<Buffer> {
  for (let at = start; at < limit; ) {
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
