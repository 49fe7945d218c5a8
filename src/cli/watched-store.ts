import { DAY_PREFIXES, listGroups } from '../archive/archive-groups.ts';
import { HIVE_PREFIX } from '../archive/keys.ts';
import type { ObjectInfo, ReadableStore } from '../storage/store.ts';

/** A store that is asked in the end whether there is an archive in it at all. */
export interface WatchedStore extends ReadableStore {
  /** Whether it was listed, nothing came of it, and there is no object of any other time either. */
  isBare(): Promise<boolean>;
}

export function watchStore(store: ReadableStore): WatchedStore {
  let seen: 'nothing' | 'something' | undefined;
  return {
    get: (key, range) => store.get(key, range),
    stream: (key) => store.stream(key),
    head: (key) => store.head(key),
    async *list(prefix?: string): AsyncGenerator<ObjectInfo> {
      for await (const info of store.list(prefix)) {
        seen = 'something';
        yield info;
      }
      seen ??= 'nothing';
    },
    close: () => store.close(),
    async isBare() {
      if (seen !== 'nothing') return false;
      for (const prefix of [HIVE_PREFIX, ...DAY_PREFIXES]) for await (const _ of listGroups(store, prefix)) return false;
      return true;
    },
  };
}
