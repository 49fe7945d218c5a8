import { existsSync } from 'node:fs';
import { access, constants, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readDataFolder } from '../../app/data-folder.ts';
import type { LockHolder } from '../../app/folder-lock.ts';
import { HydrantError } from '../../core/errors.ts';
import { formatSize } from '../../core/units.ts';
import { listSegmentFiles, readSegmentEnds } from '../../journal/segment-files.ts';
import { type Finding, fail, ok, warn } from './check.ts';

const AHEAD_MS = 60_000;

/** The data folder: there, ours, private, of a format that this Hydrant reads. */
export async function checkFolder(dataDir: string): Promise<Finding> {
  const stats = await stat(dataDir).catch(() => undefined);
  if (!stats) return warn('data folder', `${dataDir} does not exist yet`, '`hydrant up` makes it.');
  if (!stats.isDirectory()) return fail('data folder', `${dataDir} is not a folder`, 'Give another one: --data DIR.');
  try {
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch {
    return fail(
      'data folder',
      `${dataDir} cannot be read and written`,
      'Run it as the user who owns the folder, or change its permissions.',
    );
  }
  try {
    const { journal, format } = readDataFolder(dataDir);
    if (stats.mode & 0o077) {
      return warn(
        'data folder',
        `${dataDir} can be read by other users (mode ${(stats.mode & 0o777).toString(8)})`,
        `chmod 700 ${dataDir}`,
      );
    }
    return ok('data folder', `${dataDir}, format ${format}, journal ${journal}`);
  } catch (error) {
    if (!(error instanceof HydrantError)) throw error;
    if (error.code === 'HYD_DATA_MISSING' && (await readdir(dataDir)).length === 0) return ok('data folder', `${dataDir} is empty`);
    return fail('data folder', error.message, error.fix);
  }
}

export function checkHolder(holder: Partial<LockHolder> | undefined): Finding {
  if (!holder) return ok('server', 'none runs on this data folder');
  return ok('server', `process ${holder.pid ?? '?'} since ${holder.since ?? '?'} (${holder.command ?? '?'})`);
}

/** Segments, what recovery kept aside, and whether the newest event lies in the future. */
export async function checkJournal(dataDir: string, nowMs: number): Promise<Finding[]> {
  const dir = join(dataDir, 'journal');
  if (!existsSync(dir)) return [];
  const findings: Finding[] = [];
  const segments = await listSegmentFiles(dir);
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const newest = segments.findLast((segment) => segment.bytes > 0);
  const ends = newest ? await readSegmentEnds(newest.path, newest.bytes) : undefined;
  findings.push(
    ok('journal', `${segments.length} segments, ${formatSize(bytes)}${ends ? `, newest event ${new Date(ends.maxMs).toISOString()}` : ''}`),
  );
  if (ends && ends.maxMs > nowMs + AHEAD_MS) {
    findings.push(
      warn(
        'journal clock',
        `the newest event arrived at ${new Date(ends.maxMs).toISOString()}, which is in the future`,
        'The clock was wrong then or is wrong now: `timedatectl`.',
      ),
    );
  }
  const torn = (await readdir(dir)).filter((name) => name.endsWith('.torn'));
  if (torn.length > 0) {
    findings.push(
      warn(
        'torn tails',
        `${torn.length} kept aside after a crash; nothing in them was acknowledged`,
        `Look into ${join(dir, torn[0]!)} if you like, then remove it.`,
      ),
    );
  }
  return findings;
}
