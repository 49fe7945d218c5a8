import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDataFolder } from '../../app/data-folder.ts';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { readSegmentEnds } from '../../journal/segment-files.ts';
import { archiveFiles, type BackupFile, type BackupManifest, configFiles, journalFiles, MANIFEST, readFileBytes } from './files.ts';
import type { BackupSink } from './sinks.ts';

/**
 * Saves a data folder, whether its server runs or not. The state comes first, then the journal, then the archive: so the state
 * never points ahead of the events saved, and a segment sealed meanwhile is saved as its object.
 * @param options.onProgress bytes saved so far, and of how many
 * @throws HYD_DATA_MISSING; the sink's own errors, after which the sink must be aborted
 */
export async function saveBackup(
  dataDir: string,
  sink: BackupSink,
  options: { signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<BackupManifest> {
  const { journal, format, previous } = readDataFolder(dataDir);
  const manifest: BackupManifest = { backup: 1, created: new Date().toISOString(), format, journal, previous, head: 0, files: [] };
  const scratch = await mkdtemp(join(tmpdir(), 'hydrant-backup-'));
  try {
    const state = await copyState(dataDir, scratch);
    const segments = existsSync(join(dataDir, 'journal')) ? await journalFiles(dataDir) : [];
    const config = await configFiles(dataDir);
    const files = [...state, ...segments, ...config, ...(await archiveFiles(dataDir))];
    const total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    let done = 0;
    const save = async (file: BackupFile): Promise<boolean> => {
      const bytes = await readFileBytes(file.source, file.bytes);
      if (!bytes) return false;
      const hash = createHash('sha256');
      const content = watched(bytes, (chunk) => {
        options.signal?.throwIfAborted();
        hash.update(chunk);
        done += chunk.length;
        options.onProgress?.(done, total);
      });
      await sink.add({ path: file.path, bytes: file.bytes, content });
      manifest.files.push({ path: file.path, bytes: file.bytes, sha256: hash.digest('hex') });
      return true;
    };
    for (const file of [...state, ...segments, ...config]) await save(file);
    const sealed = await saveArchive(dataDir, save);
    manifest.head = await readHead([...segments, ...sealed]);
    const text = Buffer.from(`${JSON.stringify(manifest, undefined, 1)}\n`);
    await sink.add({ path: MANIFEST, bytes: text.length, content: once(text) });
    await sink.end();
    return manifest;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** SQLite's own online copy: consistent while the server writes. */
async function copyState(dataDir: string, scratch: string): Promise<BackupFile[]> {
  const path = join(dataDir, 'state.db');
  if (!existsSync(path)) return [];
  const { backup, DatabaseSync } = await import('node:sqlite');
  const source = join(scratch, 'state.db');
  const database = new DatabaseSync(path, { readOnly: true, timeout: 10_000 });
  try {
    await backup(database, source, { rate: 1000 });
  } catch (error) {
    throw new HydrantError('HYD_STATE', `state.db cannot be copied: ${String(error)}`, { cause: error });
  } finally {
    database.close();
  }
  return [{ path: 'state.db', source, bytes: (await stat(source)).size }];
}

/** Objects move while they are copied (a day is put together of its hours): it looks again until nothing has gone meanwhile. */
async function saveArchive(dataDir: string, save: (file: BackupFile) => Promise<boolean>): Promise<BackupFile[]> {
  const saved = new Map<string, BackupFile>();
  for (let missing = true; missing; ) {
    missing = false;
    for (const file of await archiveFiles(dataDir)) {
      if (saved.has(file.path)) continue;
      if (await save(file)) saved.set(file.path, file);
      else missing = true;
    }
  }
  return [...saved.values()];
}

/** The highest sequence in what was saved: segments and sealed objects. */
async function readHead(files: BackupFile[]): Promise<number> {
  let head = 0;
  for (const { path, source, bytes } of files) {
    const sealed = /^archive\/.*[0-9a-f]{16}-[0-9a-f]{8}-\d+-(\d+)\./.exec(path);
    if (sealed) head = Math.max(head, Number(sealed[1]));
    else if (path.startsWith('journal/')) head = Math.max(head, (await readSegmentEnds(source, bytes).catch(ifRemoved))?.last ?? 0);
  }
  return head;
}

function ifRemoved(error: unknown): undefined {
  if (systemCode(error) !== 'ENOENT') throw error;
}

async function* watched(content: AsyncIterable<Buffer>, onChunk: (chunk: Buffer) => void): AsyncGenerator<Buffer> {
  for await (const chunk of content) {
    onChunk(chunk);
    yield chunk;
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes;
}
