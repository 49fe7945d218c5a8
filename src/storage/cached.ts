import { CacheFolder } from './cache-folder.ts';
import type { ByteRange, ObjectInfo, ReadableStore } from './store.ts';

/** What of an object is kept under one name: pieces of it at multiples of this size, the last one shorter. */
const PIECE_BYTES = 128 * 1024;
const STREAM_BYTES = 4 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;

export interface CacheOptions {
  /** Folder of the cache, made when it is missing. Any number of processes and stores may share it. */
  dir: string;
  /** Tells stores apart that share the folder. */
  id: string;
  /** Size of the folder, roughly at most; what was used longest ago goes first. */
  maxBytes: number;
}

/**
 * A store whose objects, once read, are kept on the local disk. Objects never change, so nothing is asked again but `list` and `head`; what
 * was not listed before is not kept, so that a key taken anew by other content is seen. What is kept carries a hash and is fetched again
 * when that does not agree. A cache that cannot be written is done without.
 */
export function createCachedStore(store: ReadableStore, options: CacheOptions): ReadableStore {
  return new CachedStore(store, options);
}

class CachedStore implements ReadableStore {
  readonly #store: ReadableStore;
  readonly #folder: CacheFolder;
  readonly #id: string;
  readonly #listed = new Map<string, { bytes: number; modifiedMs: number }>();

  constructor(store: ReadableStore, options: CacheOptions) {
    this.#store = store;
    this.#id = options.id;
    this.#folder = new CacheFolder(options.dir, options.maxBytes);
  }

  async get(key: string, range?: ByteRange): Promise<Buffer> {
    const listed = this.#listed.get(key);
    if (!listed) return this.#store.get(key, range);
    const start = Math.min(range?.start ?? 0, listed.bytes);
    const end = Math.min(range?.end ?? listed.bytes, listed.bytes);
    if (start >= end) return this.#store.get(key, range);
    const first = Math.floor(start / PIECE_BYTES);
    const last = Math.ceil(end / PIECE_BYTES);
    const pieces = await Promise.all(Array.from({ length: last - first }, (_, i) => this.#folder.read(this.#name(key, listed, first + i))));
    for (let i = 0; i < pieces.length; i++) {
      if (pieces[i]) continue;
      let next = i + 1;
      while (next < pieces.length && !pieces[next]) next++;
      await this.#fetch(key, listed, { pieces, first, from: i, to: next });
    }
    const all = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces as Buffer[]);
    return all.subarray(start - first * PIECE_BYTES, end - first * PIECE_BYTES);
  }

  /** Pieces that are missing side by side come in one request. */
  async #fetch(
    key: string,
    listed: { bytes: number; modifiedMs: number },
    { pieces, first, from, to }: { pieces: (Buffer | undefined)[]; first: number; from: number; to: number },
  ): Promise<void> {
    const start = (first + from) * PIECE_BYTES;
    const bytes = await this.#store.get(key, { start, end: Math.min((first + to) * PIECE_BYTES, listed.bytes) });
    for (let i = from; i < to; i++) {
      const piece = bytes.subarray((i - from) * PIECE_BYTES, (i - from + 1) * PIECE_BYTES);
      pieces[i] = piece;
      const wanted = Math.min(PIECE_BYTES, listed.bytes - (first + i) * PIECE_BYTES);
      if (piece.length === wanted) await this.#folder.write(this.#name(key, listed, first + i), piece);
    }
  }

  /** The next stretch is fetched while this one is used. */
  async *stream(key: string): AsyncGenerator<Buffer> {
    const size = this.#listed.get(key)?.bytes;
    if (size === undefined) return yield* this.#store.stream(key);
    const read = (start: number): Promise<Buffer> => {
      const reading = this.get(key, { start, end: start + STREAM_BYTES });
      reading.catch(() => {});
      return reading;
    };
    let next = read(0);
    for (let at = 0; at === 0 || at < size; at += STREAM_BYTES) {
      const bytes = await next;
      if (at + STREAM_BYTES < size) next = read(at + STREAM_BYTES);
      for (let start = 0; start < bytes.length; start += CHUNK_BYTES) yield bytes.subarray(start, start + CHUNK_BYTES);
    }
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#store.head(key);
  }

  async *list(prefix?: string): AsyncGenerator<ObjectInfo> {
    for await (const info of this.#store.list(prefix)) {
      this.#listed.set(info.key, { bytes: info.bytes, modifiedMs: info.modifiedMs });
      yield info;
    }
  }

  async close(): Promise<void> {
    await this.#folder.close();
    await this.#store.close();
  }

  #name(key: string, { bytes, modifiedMs }: { bytes: number; modifiedMs: number }, piece: number): string {
    return `${this.#id} ${key} ${bytes} ${modifiedMs} ${piece}`;
  }
}
