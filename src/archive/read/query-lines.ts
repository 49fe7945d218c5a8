import { appendFile } from 'node:fs/promises';
import { HydrantError } from '../../core/errors.ts';
import type { Catalogue } from '../catalogue.ts';
import type { Piece } from '../pieces.ts';
import { LineMatcher } from './line-matcher.ts';
import type { QueryFilesOptions } from './query-files.ts';
import { readPiece } from './read-piece.ts';

/** What was written of a piece so far. */
export interface LineFiles {
  paths: string[];
  maxLineBytes: number;
}

const NEWLINE = Buffer.from('\n');

/**
 * Copies the good lines of a piece that may match, to a file for each day of arrival.
 * @param pathOf gives the file of a day
 * @throws PieceGone, HYD_ABORTED, HYD_STORE
 */
export async function copyLines(
  catalogue: Catalogue,
  piece: Piece,
  options: QueryFilesOptions,
  pathOf: (day: string) => Promise<string>,
  written: LineFiles,
): Promise<void> {
  const { range, filters, signal, onDamaged } = options;
  const tell = (offset: number, lines: number, reason: string): void => onDamaged?.({ name: piece.name, offset, lines, reason });
  const matcher = new LineMatcher({ ...range, filters }, { linesScanned: 0, linesMatched: 0 }, (_, offset, reason) =>
    tell(offset, 1, reason),
  );
  const paths = new Map<string, string>();
  try {
    const onDamagedBlock = (offset: number, lines: number, error: HydrantError): void => tell(offset, lines, error.message);
    for await (const chunk of (await readPiece(catalogue, piece, { filters, ...range, onDamagedBlock })) ?? []) {
      if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the search was stopped', { cause: signal.reason });
      const days = Map.groupBy(matcher.match(piece, chunk), (record) => dayOf(record.line) ?? record.event.ts.slice(0, 10));
      for (const [day, records] of days) {
        const path = paths.get(day) ?? (await pathOf(day));
        if (!paths.has(day)) written.paths.push(path);
        paths.set(day, path);
        for (const { line } of records) written.maxLineBytes = Math.max(written.maxLineBytes, line.length);
        await appendFile(path, Buffer.concat(records.flatMap(({ line }) => [line, NEWLINE])), { mode: 0o600 });
      }
    }
  } catch (error) {
    if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_DAMAGED') throw error;
    tell(0, 0, error.message);
  }
}

/** From a line in the usual form, without parsing it. */
function dayOf(line: Buffer): string | undefined {
  return line.toString('latin1', 0, TS.length) === TS ? line.toString('latin1', TS.length, TS.length + 10) : undefined;
}

const TS = '{"v":1,"ts":"';
