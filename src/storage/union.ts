import { HydrantError } from '../core/errors.ts';
import { type ByteRange, compareKeys, type ObjectInfo, type ReadableStore } from './store.ts';

/** A store of a union, and what an error calls it: its URL or folder. */
export interface NamedStore {
  name: string;
  store: ReadableStore;
}

/**
 * Several stores read as one. The first that has a key answers for it. Objects may move from an earlier store to a later one
 * while they are read, never back: the later is asked last, so what moves is seen.
 * @throws HYD_STORE naming the store that failed; HYD_OBJECT_MISSING when none has the key
 */
export function createUnionStore(stores: readonly NamedStore[]): ReadableStore {
  return new UnionStore(stores);
}

class UnionStore implements ReadableStore {
  readonly #stores: readonly NamedStore[];

  constructor(stores: readonly NamedStore[]) {
    this.#stores = stores;
  }

  get(key: string, range?: ByteRange): Promise<Buffer> {
    return this.#first(key, (store) => store.get(key, range));
  }

  async *stream(key: string): AsyncGenerator<Buffer> {
    const { chunks, first } = await this.#first(key, async (store) => {
      const chunks = store.stream(key);
      return { chunks, first: await chunks.next() };
    });
    try {
      if (first.done) return;
      yield first.value;
      yield* chunks;
    } finally {
      await chunks.return(undefined);
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    for (const { name, store } of this.#stores) {
      const info = await naming(name, () => store.head(key));
      if (info) return info;
    }
    return undefined;
  }

  /** The keys of all stores but the last are in memory meanwhile: they are looked at before the last one is. */
  async *list(prefix?: string): AsyncGenerator<ObjectInfo> {
    const last = this.#stores.at(-1);
    if (!last) return;
    const early = new Map<string, ObjectInfo>();
    for (const { name, store } of this.#stores.slice(0, -1)) {
      for await (const info of named(name, store.list(prefix))) if (!early.has(info.key)) early.set(info.key, info);
    }
    const waiting = [...early.values()].sort((a, b) => compareKeys(a.key, b.key)).reverse();
    for await (const info of named(last.name, last.store.list(prefix))) {
      while (waiting.length > 0 && compareKeys(waiting.at(-1)!.key, info.key) < 0) yield waiting.pop()!;
      if (waiting.at(-1)?.key === info.key) yield waiting.pop()!;
      else yield info;
    }
    yield* waiting.reverse();
  }

  async close(): Promise<void> {
    await Promise.all(this.#stores.map(({ store }) => store.close()));
  }

  async #first<T>(key: string, read: (store: ReadableStore) => Promise<T>): Promise<T> {
    let missing: unknown;
    for (const { name, store } of this.#stores) {
      try {
        return await naming(name, () => read(store));
      } catch (error) {
        if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_MISSING') throw error;
        missing = error;
      }
    }
    const names = this.#stores.map(({ name }) => name).join(' or ');
    throw new HydrantError('HYD_OBJECT_MISSING', `there is no object ${key} in ${names}`, { cause: missing });
  }
}

async function naming<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw withName(name, error);
  }
}

async function* named(name: string, infos: AsyncIterable<ObjectInfo>): AsyncGenerator<ObjectInfo> {
  try {
    yield* infos;
  } catch (error) {
    throw withName(name, error);
  }
}

function withName(name: string, error: unknown): unknown {
  if (!(error instanceof HydrantError) || error.code !== 'HYD_STORE') return error;
  return new HydrantError('HYD_STORE', `${name}: ${error.message}`, { cause: error, fix: error.fix });
}
