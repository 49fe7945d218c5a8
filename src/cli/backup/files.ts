import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { listSegmentFiles } from '../../journal/segment-files.ts';

/** One file of a backup, and where it comes from. */
export interface BackupFile {
  /** Inside the backup and inside the data folder: `archive/dt=…`. */
  path: string;
  source: string;
  bytes: number;
}

/** What `backup.json`, the last file of a backup, says of the others. */
export interface BackupManifest {
  backup: 1;
  /** RFC 3339. */
  created: string;
  /** Format of the data folder that was saved. */
  format: number;
  /** Journal id of the folder that was saved. */
  journal: string;
  /** Journals that it went on from, oldest first. */
  previous?: string[] | undefined;
  /** Highest sequence saved, in segments and sealed objects. */
  head: number;
  files: { path: string; bytes: number; sha256: string }[];
}

export const MANIFEST = 'backup.json';

/** Segments up to the durable mark. */
export async function journalFiles(dataDir: string): Promise<BackupFile[]> {
  const segments = await listSegmentFiles(join(dataDir, 'journal'));
  return segments.filter(({ bytes }) => bytes > 0).map(({ path, bytes }) => ({ path: `journal/${basename(path)}`, source: path, bytes }));
}

/** Sealed objects and their manifests. */
export async function archiveFiles(dataDir: string): Promise<BackupFile[]> {
  const files: BackupFile[] = [];
  const entries = await readdir(join(dataDir, 'archive'), { recursive: true, withFileTypes: true }).catch(ifMissing([]));
  for (const entry of entries) {
    const source = join(entry.parentPath, entry.name);
    const path = source.slice(dataDir.length + 1);
    if (!entry.isFile() || path.split('/').some((level) => level.startsWith('.'))) continue;
    const stats = await stat(source).catch(ifMissing(undefined));
    if (stats) files.push({ path, source, bytes: stats.size });
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Configuration and accounts. */
const CONFIG_FILES = ['hydrant.yaml', 'users'];

/** Those that lie in the data folder. */
export async function configFiles(dataDir: string): Promise<BackupFile[]> {
  const found = CONFIG_FILES.map(async (path) => {
    const source = join(dataDir, path);
    const stats = await stat(source).catch(ifMissing(undefined));
    return stats ? [{ path, source, bytes: stats.size }] : [];
  });
  return (await Promise.all(found)).flat();
}

/** The first `bytes` of a file; undefined when it has gone: sealing and retention remove files while others read. */
export async function readFileBytes(path: string, bytes: number): Promise<AsyncIterable<Buffer> | undefined> {
  const file = await open(path, 'r').catch(ifMissing(undefined));
  if (!file) return undefined;
  if (bytes > 0) return file.createReadStream({ start: 0, end: bytes - 1, highWaterMark: 256 * 1024 });
  await file.close();
  return noBytes();
}

async function* noBytes(): AsyncGenerator<Buffer> {}

/**
 * Paths that a restore writes; anything else in a backup is refused, whoever made it.
 * @throws HYD_BACKUP
 */
export function assertBackupPath(path: string): void {
  const known = path === MANIFEST || path === 'state.db' || CONFIG_FILES.includes(path) || /^(journal|archive)\/./.test(path);
  const bad = path.includes('\0') || path.split('/').some((level) => level === '' || level.startsWith('.'));
  if (!known || bad)
    throw new HydrantError('HYD_BACKUP', `the backup holds a file that does not belong into a data folder: ${JSON.stringify(path)}`);
}

function ifMissing<T>(value: T): (error: unknown) => T {
  return (error) => {
    if (systemCode(error) === 'ENOENT') return value;
    throw error;
  };
}
