import { randomBytes } from 'node:crypto';
import type { Dirent } from 'node:fs';
import { type FileHandle, link, open, readdir, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, relative, resolve } from 'node:path';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder, syncFolder } from '../../core/files.ts';
import { assertKey, type ByteRange, compareKeys, type ObjectBody, type ObjectInfo, type ObjectStore } from '../store.ts';

const TEMP_PREFIX = '.put-';
const CHUNK_BYTES = 1024 * 1024;
const MKDIR_TRIES = 5;

/**
 * A folder as an object store: one file an object, mode 0600, folders 0700. An object appears by a hard link of a synced
 * temporary file, which fails when the name is taken; then the folder is synced. The file system must have hard links.
 * The folder need not exist: it is made by the first put.
 */
export function createFsStore(root: string): ObjectStore {
  return new FsStore(resolve(root));
}

class FsStore implements ObjectStore {
  readonly #root: string;
  /** Temporary files of puts under way. */
  readonly #writing = new Set<string>();

  constructor(root: string) {
    this.#root = root;
  }

  async put(key: string, body: ObjectBody): Promise<'created'> {
    const path = this.#path(key);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#makeFolder(dirname(path));
        await this.#place(path, body);
        return 'created';
      } catch (error) {
        const code = systemCode(error);
        if (code === 'EEXIST' || code === 'ENOTDIR') await this.#assertFolder();
        if (code === 'EEXIST' || code === 'EISDIR')
          throw new HydrantError('HYD_OBJECT_EXISTS', `object ${key} exists already`, { cause: error });
        if (code === 'ENOTDIR')
          throw new HydrantError('HYD_OBJECT_EXISTS', `object ${key}: a part of its path is an object`, { cause: error });
        // A delete may tidy the folder away between the two steps.
        if (code === 'ENOENT' && attempt < MKDIR_TRIES && (await stat(dirname(path)).catch(() => undefined)) === undefined) continue;
        throw failure('write', key, error);
      }
    }
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    await using file = await this.#open(key);
    try {
      const { size } = await file.stat();
      const start = Math.min(range?.start ?? 0, size);
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(range?.end ?? size, size) - start));
      return bytes.subarray(0, await readFully(file, bytes, start));
    } catch (error) {
      throw failure('read', key, error);
    }
  }

  async *stream(key: string): AsyncGenerator<Buffer> {
    await using file = await this.#open(key);
    for (let at = 0; ; ) {
      const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
      const bytes = await readFully(file, chunk, at).catch((error) => {
        throw failure('read', key, error);
      });
      if (bytes > 0) yield chunk.subarray(0, bytes);
      if (bytes < CHUNK_BYTES) return;
      at += bytes;
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    try {
      const stats = await stat(this.#path(key));
      return stats.isFile() ? { key, bytes: stats.size, modifiedMs: stats.mtimeMs } : undefined;
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error instanceof HydrantError ? error : failure('look at', key, error);
    }
  }

  async *list(prefix = ''): AsyncGenerator<ObjectInfo> {
    // What is still to be listed, in reverse order: keys of objects, and folders, which end in a slash.
    const left = [''];
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      if (next === '' || next.endsWith('/')) left.push(...(await this.#readFolder(next, prefix)).reverse());
      else {
        const stats = await stat(join(this.#root, next)).catch((error) => {
          if (isMissing(error)) return undefined;
          throw failure('look at', next!, error);
        });
        if (stats) yield { key: next, bytes: stats.size, modifiedMs: stats.mtimeMs };
      }
    }
  }

  async #readFolder(folder: string, prefix: string): Promise<string[]> {
    const entries = await readdir(join(this.#root, folder), { withFileTypes: true }).catch(async (error) => {
      if (systemCode(error) === 'ENOTDIR') await this.#assertFolder();
      if (isMissing(error)) return [];
      throw failure('list', folder, error);
    });
    const keys: string[] = [];
    for (const entry of entries) {
      if (entry.name.startsWith('.') || !(entry.isFile() || entry.isDirectory())) continue;
      const key = folder + entry.name + (entry.isDirectory() ? '/' : '');
      if (key.startsWith(prefix) || (key.endsWith('/') && prefix.startsWith(key))) keys.push(key);
    }
    return keys.sort(compareKeys);
  }

  async delete(key: string): Promise<void> {
    const path = this.#path(key);
    try {
      await unlink(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw failure('delete', key, error);
    }
    let folder = dirname(path);
    while (
      folder !== this.#root &&
      (await rmdir(folder).then(
        () => true,
        () => false,
      ))
    )
      folder = dirname(folder);
    // When another delete or put was quicker, the folder that is left is theirs to sync.
    await syncFolder(folder).catch((error) => {
      if (!isMissing(error)) throw failure('delete', key, error);
    });
  }

  async clean(): Promise<number> {
    let removed = 0;
    const folders = [this.#root];
    for (let folder = folders.pop(); folder !== undefined; folder = folders.pop()) {
      const entries = await readdir(folder, { withFileTypes: true }).catch(() => [] as Dirent[]);
      for (const entry of entries) {
        const path = join(folder, entry.name);
        if (entry.isDirectory() && !entry.name.startsWith('.')) folders.push(path);
        if (!entry.isFile() || !entry.name.startsWith(TEMP_PREFIX) || this.#writing.has(path)) continue;
        await unlink(path).catch((error) => {
          throw failure('clean', relative(this.#root, path), error);
        });
        removed++;
      }
    }
    return removed;
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #path(key: string): string {
    assertKey(key);
    return join(this.#root, key);
  }

  async #open(key: string): Promise<FileHandle> {
    const path = this.#path(key);
    try {
      const file = await open(path, 'r');
      if ((await file.stat()).isFile()) return file;
      await file.close();
    } catch (error) {
      if (!isMissing(error)) throw failure('read', key, error);
    }
    throw new HydrantError('HYD_OBJECT_MISSING', `there is no object ${key} in ${this.#root}`);
  }

  /** A folder that is not there yet is none that is wrong. */
  async #assertFolder(): Promise<void> {
    const found = await stat(this.#root).catch(() => undefined);
    if (found === undefined || found.isDirectory()) return;
    throw new HydrantError('HYD_STORE', `${this.#root} is a file, not a folder`, { fix: 'Name a folder, or move that file away.' });
  }

  /** Makes a folder and what is above it, each durable in the one above. */
  async #makeFolder(folder: string): Promise<void> {
    const firstMade = await makeFolder(folder);
    if (firstMade === undefined) return;
    for (let made = folder; made.length >= firstMade.length; made = dirname(made)) await syncFolder(dirname(made));
  }

  async #place(path: string, body: ObjectBody): Promise<void> {
    if ('path' in body && body.move && (await this.#moveIn(path, body.path))) return;
    const temporary = join(dirname(path), `${TEMP_PREFIX}${randomBytes(8).toString('hex')}`);
    this.#writing.add(temporary);
    try {
      await using file = await open(temporary, 'wx', 0o600);
      if ('path' in body) await copyInto(file, body.path);
      else await writeFully(file, body, 0);
      await file.sync();
      await this.#linkDurably(temporary, path);
    } finally {
      await unlink(temporary).catch(() => {});
      this.#writing.delete(temporary);
    }
    if ('path' in body && body.move) await unlink(body.path);
  }

  /** False when the file lies on another file system. */
  async #moveIn(path: string, source: string): Promise<boolean> {
    {
      await using file = await open(source, 'r+');
      await file.chmod(0o600);
      await file.sync();
    }
    try {
      await this.#linkDurably(source, path);
    } catch (error) {
      if (systemCode(error) === 'EXDEV') return false;
      throw error;
    }
    await unlink(source);
    return true;
  }

  async #linkDurably(source: string, path: string): Promise<void> {
    await link(source, path);
    try {
      await syncFolder(dirname(path));
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    }
  }
}

async function copyInto(file: FileHandle, path: string): Promise<void> {
  await using source = await open(path, 'r');
  const chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES);
  for (let at = 0; ; ) {
    const bytes = await readFully(source, chunk, at);
    await writeFully(file, chunk.subarray(0, bytes), at);
    if (bytes < CHUNK_BYTES) return;
    at += bytes;
  }
}

async function writeFully(file: FileHandle, bytes: Uint8Array, at: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await file.write(bytes, done, bytes.length - done, at + done)).bytesWritten;
}

/** Reads until `into` is full or the file ends. */
async function readFully(file: FileHandle, into: Buffer, at: number): Promise<number> {
  let done = 0;
  while (done < into.length) {
    const { bytesRead } = await file.read(into, done, into.length - done, at + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

function isMissing(error: unknown): boolean {
  const code = systemCode(error);
  return code === 'ENOENT' || code === 'ENOTDIR';
}

function failure(action: string, key: string, error: unknown): HydrantError {
  const what = key === '' ? 'the objects' : `object ${key}`;
  return new HydrantError('HYD_STORE', `cannot ${action} ${what}: ${errorText(error)}`, {
    cause: error,
    fix: FIXES[systemCode(error) ?? ''],
  });
}

const RIGHTS = 'Run it as the user who owns that folder, or let this one read and write there.';
const FIXES: Record<string, string> = {
  EACCES: RIGHTS,
  EPERM: RIGHTS,
  EROFS: 'Mount that file system to be written to, or name another folder.',
  ENOSPC: 'Free space on that disk.',
  EDQUOT: 'Free space on that disk, or raise the quota.',
};
