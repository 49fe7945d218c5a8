import { createHash } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../core/files.ts';
import { createHexId } from '../core/id.ts';

const HASH_BYTES = 32;
const MAX_WRITING = 16;
/** A sweep leaves this share of the bound, so that the next is not due at once. */
const SWEPT_SHARE = 0.9;
/** Temporary files of a process that died. */
const STALE_MS = 3_600_000;
/** What was used within this time counts as just used. */
const USED_MS = 60_000;

/**
 * A folder of files that can be fetched again: each holds a hash of its name and bytes, then the bytes. Several processes may use it at once:
 * files appear whole, and one that is gone or does not agree with its hash is not there.
 */
export class CacheFolder {
  readonly #dir: string;
  readonly #maxBytes: number;
  readonly #writing = new Set<Promise<void>>();
  /** Of all files, as last counted and with what was written since; undefined before the first count. */
  #bytes: number | undefined;
  /** Of those, what is not under its name yet. */
  #underWay = 0;
  #sweeping: Promise<void> | undefined;
  #broken = false;

  constructor(dir: string, maxBytes: number) {
    this.#dir = dir;
    this.#maxBytes = maxBytes;
  }

  /** Undefined when it is not there, or not whole. */
  async read(name: string): Promise<Buffer | undefined> {
    const path = this.#path(name);
    const file = await readFile(path).catch(() => undefined);
    if (!file) return undefined;
    const bytes = file.subarray(HASH_BYTES);
    if (!hashOf(name, bytes).equals(file.subarray(0, HASH_BYTES))) {
      await rm(path, { force: true }).catch(() => {});
      return undefined;
    }
    void markUsed(path);
    return bytes;
  }

  /** Resolves once it is on its way; whether it arrives is nobody's concern. */
  async write(name: string, bytes: Buffer): Promise<void> {
    if (this.#broken || bytes.length + HASH_BYTES > this.#maxBytes) return;
    while (this.#writing.size >= MAX_WRITING) await Promise.race(this.#writing);
    const writing = this.#write(name, bytes)
      .catch(() => {
        this.#broken = true;
      })
      .finally(() => this.#writing.delete(writing));
    this.#writing.add(writing);
  }

  async close(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing);
  }

  async #write(name: string, bytes: Buffer): Promise<void> {
    const path = this.#path(name);
    await makeFolder(dirname(path));
    const size = bytes.length + HASH_BYTES;
    while (this.#bytes === undefined || this.#bytes + size > this.#maxBytes) {
      this.#sweeping ??= this.#sweep(size).finally(() => {
        this.#sweeping = undefined;
      });
      await this.#sweeping;
    }
    this.#bytes += size;
    this.#underWay += size;
    const temporary = `${path}.${createHexId(6)}.tmp`;
    try {
      await writeFile(temporary, Buffer.concat([hashOf(name, bytes), bytes]), { mode: 0o600 });
      await rename(temporary, path);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    } finally {
      this.#underWay -= size;
    }
  }

  /** Counts, and removes what was used longest ago until there is room for `size` and for some more. */
  async #sweep(size: number): Promise<void> {
    const before = this.#bytes ?? 0;
    const underWay = this.#underWay;
    const files: { path: string; bytes: number; usedMs: number }[] = [];
    for (const entry of await readdir(this.#dir, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const stats = await stat(path).catch(() => undefined);
      if (!stats) continue;
      if (entry.name.endsWith('.tmp')) {
        if (stats.mtimeMs < Date.now() - STALE_MS) await rm(path, { force: true });
      } else files.push({ path, bytes: stats.size, usedMs: stats.mtimeMs });
    }
    files.sort((a, b) => a.usedMs - b.usedMs);
    let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
    const wanted = Math.min(this.#maxBytes * SWEPT_SHARE, this.#maxBytes - size) - underWay;
    for (const { path, bytes } of files) {
      if (total <= wanted) break;
      await rm(path, { force: true });
      total -= bytes;
    }
    this.#bytes = total + underWay + (this.#bytes ?? 0) - before;
  }

  #path(name: string): string {
    const hash = createHash('sha256').update(name).digest('hex');
    return join(this.#dir, hash.slice(0, 2), hash);
  }
}

function hashOf(name: string, bytes: Buffer): Buffer {
  return createHash('sha256').update(name).update('\0').update(bytes).digest();
}

async function markUsed(path: string): Promise<void> {
  const now = new Date();
  const stats = await stat(path).catch(() => undefined);
  if (stats && stats.mtimeMs < now.getTime() - USED_MS) await utimes(path, now, now).catch(() => {});
}
