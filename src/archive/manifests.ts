import { HydrantError } from '../core/errors.ts';
import type { ReadableStore } from '../storage/store.ts';
import { decodeManifest, type Manifest } from '../wire/manifest.ts';
import type { Piece } from './pieces.ts';

const MAX_CACHED_BYTES = 32 * 1024 * 1024;
const MANIFESTS_AHEAD = 32;

/** Reads manifests of a store; those that were wanted last stay in memory, within a bound. */
export class Manifests {
  readonly #store: Pick<ReadableStore, 'get'>;
  readonly #manifests = new Map<string, { manifest: Manifest; bytes: number }>();
  readonly #loading = new Map<string, Promise<Manifest | undefined>>();
  #cachedBytes = 0;

  constructor(store: Pick<ReadableStore, 'get'>) {
    this.#store = store;
  }

  /** From memory when it was read before. Undefined without one, or with one that cannot be read. */
  async get(key: string | undefined): Promise<Manifest | undefined> {
    if (key === undefined) return undefined;
    const cached = this.#manifests.get(key);
    if (cached) {
      this.#manifests.delete(key);
      this.#manifests.set(key, cached);
      return cached.manifest;
    }
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = this.#load(key).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** Begins to read the manifests that are wanted after `at`, a bounded number: a store far away does not set the pace then. */
  lookAhead(pieces: readonly Pick<Piece, 'manifestKey'>[], at: number, count = MANIFESTS_AHEAD): void {
    for (const piece of pieces.slice(at + 1, at + 1 + count)) this.get(piece.manifestKey).catch(() => {});
  }

  async #load(key: string): Promise<Manifest | undefined> {
    let bytes: Buffer;
    let manifest: Manifest;
    try {
      bytes = await this.#store.get(key);
      manifest = decodeManifest(bytes, key);
    } catch (error) {
      if (error instanceof HydrantError && (error.code === 'HYD_MANIFEST' || error.code === 'HYD_OBJECT_MISSING')) return undefined;
      throw error;
    }
    this.#manifests.set(key, { manifest, bytes: bytes.length });
    this.#cachedBytes += bytes.length;
    for (const [oldest, { bytes: size }] of this.#manifests) {
      if (this.#cachedBytes <= MAX_CACHED_BYTES || oldest === key) break;
      this.#manifests.delete(oldest);
      this.#cachedBytes -= size;
    }
    return manifest;
  }
}
