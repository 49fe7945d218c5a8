import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { createIdentity } from '../../app/data-folder.ts';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder, syncFolder } from '../../core/files.ts';
import { encodeMark, markPath } from '../../journal/mark.ts';
import { listSegmentFiles } from '../../journal/segment-files.ts';
import { assertBackupPath, type BackupManifest, MANIFEST, readFileBytes } from './files.ts';
import { folderSink } from './sinks.ts';
import { readTar, type TarEntry } from './tar.ts';

export interface Restored {
  manifest: BackupManifest;
  /** The journal id that the folder has from now on. */
  journal: string;
}

/**
 * Makes a data folder of a backup. Every file is checked against its hash. The folder gets a journal id of its own, so that
 * what it writes can never be taken for what the saved one wrote since; numbering goes on above the last saved event, and the
 * saved segments stay under their old id as history.
 * @param source a folder or a tar file made by `hydrant backup`, or a stream of such a tar
 * @throws HYD_BACKUP when it is not whole; HYD_USAGE when the target holds something. Then the target is as it was.
 */
export async function restoreBackup(
  source: string | Readable,
  dataDir: string,
  options: { signal?: AbortSignal; onProgress?: (done: number, total?: number) => void } = {},
): Promise<Restored> {
  const existed = await stat(dataDir).then(
    () => true,
    () => false,
  );
  const sink = await folderSink(dataDir);
  try {
    const manifest = await copyChecked(source, sink, options);
    await sink.end();
    await rm(join(dataDir, MANIFEST));
    const journal = await beginAnew(dataDir, manifest);
    return { manifest, journal };
  } catch (error) {
    await sink.abort();
    if (!existed) await rm(dataDir, { recursive: true, force: true });
    throw error;
  }
}

async function copyChecked(
  source: string | Readable,
  sink: Awaited<ReturnType<typeof folderSink>>,
  options: Parameters<typeof restoreBackup>[2] & object,
): Promise<BackupManifest> {
  const found = new Map<string, { bytes: number; sha256: string }>();
  let text = '';
  let done = 0;
  for await (const entry of await openBackup(source)) {
    assertBackupPath(entry.path);
    if (found.has(entry.path)) throw new HydrantError('HYD_BACKUP', `the backup holds ${entry.path} twice`);
    const hash = createHash('sha256');
    let bytes = 0;
    const content = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of entry.content) {
        options.signal?.throwIfAborted();
        hash.update(chunk);
        bytes += chunk.length;
        done += chunk.length;
        if (entry.path === MANIFEST) text += Buffer.from(chunk).toString('latin1');
        options.onProgress?.(done);
        yield chunk;
      }
    };
    await sink.add({ path: entry.path, bytes: entry.bytes, content: content() });
    found.set(entry.path, { bytes, sha256: hash.digest('hex') });
  }
  return checkManifest(text, found);
}

function checkManifest(text: string, found: Map<string, { bytes: number; sha256: string }>): BackupManifest {
  if (!found.delete(MANIFEST)) throw new HydrantError('HYD_BACKUP', `the backup has no ${MANIFEST}, so it was never finished`);
  let manifest: BackupManifest;
  try {
    manifest = JSON.parse(Buffer.from(text, 'latin1').toString()) as BackupManifest;
  } catch (error) {
    throw new HydrantError('HYD_BACKUP', `${MANIFEST} of the backup is not JSON`, { cause: error });
  }
  if (manifest.backup !== 1 || !Array.isArray(manifest.files))
    throw new HydrantError('HYD_BACKUP', `${MANIFEST} states version ${manifest.backup}, not 1`);
  for (const { path, bytes, sha256 } of manifest.files) {
    const got = found.get(path);
    if (!got) throw new HydrantError('HYD_BACKUP', `the backup lacks ${path}`);
    if (got.bytes !== bytes || got.sha256 !== sha256)
      throw new HydrantError('HYD_BACKUP', `${path} is damaged in the backup: its hash is ${got.sha256}, not ${sha256}`);
    found.delete(path);
  }
  const [extra] = found.keys();
  if (extra !== undefined) throw new HydrantError('HYD_BACKUP', `the backup holds ${extra}, which its ${MANIFEST} does not name`);
  return manifest;
}

/** A new journal id, numbered on from what was saved; `hydrant.json` comes last, so that half a restore is no data folder. */
async function beginAnew(dataDir: string, manifest: BackupManifest): Promise<string> {
  const journalDir = join(dataDir, 'journal');
  await makeFolder(journalDir);
  const newest = (await listSegmentFiles(journalDir)).sort((a, b) => a.first - b.first).at(-1);
  if (newest) {
    // As after an orderly close: everything saved was durable.
    const mark = encodeMark({ segment: basename(newest.path), offset: newest.bytes, seq: manifest.head, next: manifest.head + 1 });
    await writeFile(markPath(journalDir), mark, { mode: 0o600, flush: true });
  }
  await syncFolder(journalDir);
  const { journal } = await createIdentity(dataDir, manifest.format, [...(manifest.previous ?? []), manifest.journal]);
  return journal;
}

async function openBackup(source: string | Readable): Promise<AsyncIterable<TarEntry>> {
  if (typeof source !== 'string') return readTar(source);
  const stats = await stat(source).catch((error) => {
    if (systemCode(error) === 'ENOENT')
      throw new HydrantError('HYD_USAGE', `there is no backup ${source}`, { fix: 'Give the folder or file that `hydrant backup` made.' });
    throw error;
  });
  if (stats.isDirectory()) return readFolder(source);
  const file = createReadStream(source);
  const decoder = /\.(tar\.gz|tgz)$/.test(source) ? createGunzip() : source.endsWith('.tar.zst') ? createZstdDecompress() : undefined;
  if (!decoder) return readTar(file);
  file.on('error', (error) => decoder.destroy(error));
  return readTar(wrapped(file.pipe(decoder)));
}

async function* wrapped(stream: Readable): AsyncGenerator<Buffer> {
  try {
    yield* stream;
  } catch (error) {
    throw new HydrantError('HYD_BACKUP', `the backup cannot be decompressed: ${String(error)}`, { cause: error });
  }
}

async function* readFolder(dir: string): AsyncGenerator<TarEntry> {
  const manifest = await readFile(join(dir, MANIFEST)).catch(() => undefined);
  if (!manifest) throw new HydrantError('HYD_BACKUP', `${dir} has no ${MANIFEST}, so it is no finished backup`);
  for (const entry of await readdir(dir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const { size } = await stat(source);
    const content = await readFileBytes(source, size);
    if (content) yield { path: source.slice(dir.length + 1), bytes: size, content };
  }
}
