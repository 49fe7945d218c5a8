import { HydrantError } from '../core/errors.ts';

/** What is put: bytes, or a file. With `move` the store may take the file itself; it is gone once the object is there. */
export type ObjectBody = Uint8Array | { path: string; move?: boolean };

export interface ObjectInfo {
  key: string;
  bytes: number;
  modifiedMs: number;
  /** Hex digits that whoever put the object has left with it. Only from `head`, and only where the store keeps such notes. */
  sha256?: string;
}

/** Bytes from `start` up to and without `end`; past the object's end there is simply less. */
export interface ByteRange {
  start: number;
  end: number;
}

/**
 * The object-store port. Objects are written once, whole, and never overwritten: who sees a key sees all of it.
 * Keys are `/`-separated levels, see `assertKey`. `testing/store-contract.ts` holds every driver to this.
 */
export interface ObjectStore extends AsyncDisposable {
  /**
   * Resolves once the object is durable under its key. On failure nothing is under the key, and a moved file is still there; only a store
   * whose answer was lost on the way may hold the whole object.
   * @throws HYD_OBJECT_EXISTS when the key is taken, whatever it holds; HYD_OBJECT_KEY; HYD_STORE (retryable)
   */
  put(key: string, body: ObjectBody, options: { ifNoneMatch: true }): Promise<'created'>;
  /** @throws HYD_OBJECT_MISSING, HYD_STORE (retryable) */
  get(key: string, range?: ByteRange): Promise<Buffer>;
  /** The object in chunks of at most 1 MiB. Throws as `get` does, when first asked for a chunk. */
  stream(key: string): AsyncGenerator<Buffer>;
  /** Undefined when there is no such object. @throws HYD_STORE (retryable) */
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Every object whose key begins with `prefix` (default: all), in the order of the keys' bytes. */
  list(prefix?: string): AsyncGenerator<ObjectInfo>;
  /** A key that holds nothing is fine. */
  delete(key: string): Promise<void>;
  /** Removes what unfinished puts of a process that died have left; what this store has under way stays. Only for the one process that writes. */
  clean(): Promise<number>;
  close(): Promise<void>;
}

/** What readers need of a store: a local one, a remote one, or several as one. */
export type ReadableStore = Pick<ObjectStore, 'get' | 'stream' | 'head' | 'list' | 'close'>;

const MAX_KEY_BYTES = 1024;
const MAX_LEVEL_BYTES = 200;

/**
 * Keys that every driver can hold: levels separated by `/`, none empty, none beginning with a dot (drivers keep their own
 * files there), no NUL or backslash, at most 1 024 bytes, 200 a level.
 * @throws HYD_OBJECT_KEY naming the key
 */
export function assertKey(key: string): void {
  const why = keyFault(key);
  if (why) throw new HydrantError('HYD_OBJECT_KEY', `object key ${JSON.stringify(key)}: ${why}`);
}

/** Whether every driver can hold this key. */
export function isKey(key: string): boolean {
  return keyFault(key) === undefined;
}

function keyFault(key: string): string | undefined {
  if (Buffer.byteLength(key) > MAX_KEY_BYTES) return `it has more than ${MAX_KEY_BYTES} bytes`;
  if (/[\0\\]/.test(key) || !key.isWellFormed()) return 'NUL, backslash and broken UTF-16 are not allowed';
  for (const level of key.split('/')) {
    if (level === '') return 'a level is empty';
    if (level.startsWith('.')) return 'a level begins with a dot';
    if (Buffer.byteLength(level) > MAX_LEVEL_BYTES) return `a level has more than ${MAX_LEVEL_BYTES} bytes`;
  }
  return undefined;
}

/** The order of the keys' bytes, which UTF-16 has too, but for characters above U+FFFF. */
export function compareKeys(a: string, b: string): number {
  if (SURROGATE.test(a) || SURROGATE.test(b)) return Buffer.compare(Buffer.from(a), Buffer.from(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

const SURROGATE = /[\ud800-\udfff]/;
