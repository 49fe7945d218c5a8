import { HydrantError, systemCode } from '../core/errors.ts';
import { escapeText } from './escape.ts';
import type { Io } from './io.ts';
import { paint } from './style.ts';

/** Prints what happened, why, and the exact fix. `HYDRANT_DEBUG=1` adds the stack and every cause. */
export function printError(io: Pick<Io, 'stderr' | 'env'>, command: string, error: unknown): void {
  const bad = paint(io.stderr, io.env, 'red', `${command}:`);
  io.stderr.write(`${bad} ${messageOf(error)}\n`);
  const fix = fixOf(error);
  if (fix) io.stderr.write(`  fix: ${fix}\n`);
  if (io.env.HYDRANT_DEBUG === '1') {
    for (let at: unknown = error, depth = 0; at instanceof Error && depth < 8; at = at.cause, depth++) {
      io.stderr.write(`${depth === 0 ? '' : 'caused by '}${at.stack ?? at.message}\n`);
    }
  } else if (!(error instanceof HydrantError) && systemCode(error) === undefined) {
    io.stderr.write('  This should not happen; run it again with HYDRANT_DEBUG=1 to see where.\n');
  }
}

function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return escapeText(text, { lines: true });
}

function fixOf(error: unknown): string | undefined {
  if (error instanceof HydrantError) return error.fix;
  return SYSTEM_FIXES[systemCode(error) ?? ''];
}

const SYSTEM_FIXES: Record<string, string> = {
  ENOENT: 'Check the path named above.',
  EACCES: 'Run it as the user who owns that file, or change its permissions.',
  EPERM: 'Run it as the user who owns that file, or change its permissions.',
  ENOSPC: 'Free space on that disk.',
  EISDIR: 'Give a file, not a folder.',
  ENOTDIR: 'Give a folder, not a file.',
  EEXIST: 'Give a folder, not a file.',
  EROFS: 'Give a folder that can be written to, or mount that file system so.',
};
