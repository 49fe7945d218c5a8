import { createHash } from 'node:crypto';
import { errorText, HydrantError } from '../../core/errors.ts';
import { readSegmentEnds } from '../../journal/segment-files.ts';
import type { ReadableStore } from '../../storage/store.ts';
import { decodeLine } from '../../wire/line.ts';
import type { Manifest } from '../../wire/manifest.ts';
import type { StoredObject } from '../archive-groups.ts';
import type { Catalogue } from '../catalogue.ts';
import type { Piece } from '../pieces.ts';
import { readAhead } from '../read/read-ahead.ts';
import { readPiece } from '../read/read-piece.ts';
import { createUnpack, unpackObject } from '../read/unpack-object.ts';
import { wholeLines } from '../read/whole-lines.ts';
import { LineChecker, type LineFault, type OnLine } from './line-checker.ts';
import type { VerifyNotes } from './verify-notes.ts';
import { dayText, type VerifyReport } from './verify-report.ts';

/** Where findings go, and who is told of each stretch that was read. */
export interface VerifyContext {
  report: VerifyReport;
  /** Undefined where the same lines are read a second time. */
  notes?: VerifyNotes;
  /** What findings call an object, when that is not its key. */
  nameOf?: (key: string) => string;
  onRead: (bytes: number) => void;
}

/**
 * Reads an object with its manifest: sizes, both hashes, each block, each line's crc, each sequence. Returns how many lines it could read.
 * @throws HYD_OBJECT_MISSING when it goes meanwhile
 */
export async function verifyObject(
  store: ReadableStore,
  object: StoredObject,
  manifest: Manifest,
  day: string,
  context: VerifyContext,
): Promise<number> {
  const { report, onRead } = context;
  const { key, bytes } = object;
  const name = context.nameOf?.(key) ?? key;
  if (bytes !== manifest.bytes) report.problem('size', day, name, `it has ${bytes} bytes, its manifest says ${manifest.bytes}`);
  const hash = createHash('sha256');
  const rawHash = createHash('sha256');
  const unpack = createUnpack(store, key, manifest);
  let at = 0;
  let offset = 0;
  let lines = 0;
  /** What is stored between blocks and around them: a Parquet file has a beginning and a footer. */
  const hashUpTo = async (end: number): Promise<void> => {
    if (end > at) hash.update(await store.get(key, { start: at, end }));
  };
  for (const [part, { firstSeq, lastSeq, absent }] of manifest.parts.entries()) {
    const checker = createChecker(firstSeq, absent, day, name, context);
    const stored = readAhead(
      store,
      key,
      manifest.blocks.filter((own) => own.part === part),
    );
    for await (const { block, packed } of stored) {
      await hashUpTo(block.offset);
      hash.update(packed);
      at = block.offset + block.bytes;
      onRead(packed.length);
      try {
        const raw = await unpack(packed, block);
        rawHash.update(raw);
        checker.check(raw, offset);
      } catch (error) {
        checker.skipDamaged();
        report.problem('unreadable', day, name, `the block at ${block.offset}: ${errorText(error)}`, block.firstSeq);
      }
      offset += block.rawBytes;
    }
    checker.finish(lastSeq, offset);
    lines += checker.lines;
  }
  await hashUpTo(manifest.bytes);
  if (lines !== manifest.count) report.problem('count', day, name, `it has ${lines} readable lines, its manifest says ${manifest.count}`);
  if (hash.digest('hex') !== manifest.sha256) report.problem('hash', day, name, 'its sha256 is not the one in its manifest');
  else if (rawHash.digest('hex') !== manifest.rawSha256) {
    report.problem('hash', day, name, 'the sha256 of its lines is not the one in its manifest');
  }
  return lines;
}

/** Reads an object without a manifest to its end. Returns whether its lines have sequences, as only ours do. */
export async function verifyPlain(
  store: ReadableStore,
  object: StoredObject,
  day: string,
  { report, onRead }: VerifyContext,
): Promise<boolean> {
  const { key, bytes, codec } = object;
  report.count(day, { objects: 1, bytes });
  let events = 0;
  let sequenced = false;
  try {
    for await (const chunk of wholeLines(unpackObject(store, key, codec))) {
      for (let start = 0; start < chunk.bytes.length; ) {
        const newline = chunk.bytes.indexOf(10, start);
        const end = newline === -1 ? chunk.bytes.length : newline;
        try {
          if (decodeLine(chunk.bytes, start, end).seq > 0) sequenced = true;
          events++;
        } catch (error) {
          report.problem('damaged', day, key, `at ${chunk.offset + start}: ${errorText(error)}`);
        }
        start = end + 1;
      }
    }
  } catch (error) {
    if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_DAMAGED') throw error;
    report.problem('unreadable', day, key, error.message);
  }
  onRead(bytes);
  report.count(day, { events });
  return sequenced;
}

/**
 * Reads a segment up to the durable mark: each line's crc, each sequence. Returns its last sequence, its day and its readable lines.
 * @throws PieceGone
 */
export async function verifySegment(
  catalogue: Catalogue,
  piece: Piece,
  context: VerifyContext,
): Promise<{ last: number; dayMs: number; lines: number }> {
  const { report, onRead } = context;
  const ends = await readSegmentEnds(piece.name, piece.bytes).catch(() => undefined);
  const last = Math.min(ends?.last ?? piece.first - 1, piece.last);
  const day = dayText(ends?.minMs ?? Number.NaN);
  const checker = createChecker(piece.first, [], day, piece.name, context);
  const chunks = await readPiece(catalogue, piece, { filters: [], onDamagedBlock: () => {} });
  for await (const chunk of chunks ?? []) {
    const start = chunk.offset === 0 ? chunk.bytes.indexOf(10) + 1 : 0;
    checker.check(chunk.bytes, chunk.offset, start, piece.last);
    onRead(chunk.readBytes);
  }
  checker.finish(last, piece.bytes);
  report.count(day, { segments: 1, bytes: piece.bytes });
  return { last, dayMs: Date.parse(day), lines: checker.lines };
}

function createChecker(
  firstSeq: number,
  absent: Manifest['parts'][number]['absent'],
  day: string,
  name: string,
  { report, notes }: VerifyContext,
): LineChecker {
  const onLine: OnLine | undefined = notes && ((view, bytes, start, end) => notes.look(view, bytes, start, end, name));
  const onFault = ({ kind, offset, first, last }: LineFault): void => {
    const what = {
      damaged: `the line at ${offset} has no good crc`,
      gap: `sequences ${first} to ${last} are missing before ${offset}`,
      order: `sequence ${first} at ${offset} comes late or twice`,
    }[kind];
    report.problem(kind, day, name, what, first, last);
  };
  return new LineChecker(firstSeq, absent, onFault, onLine);
}
