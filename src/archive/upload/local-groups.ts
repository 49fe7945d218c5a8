import type { ObjectInfo, ReadableStore } from '../../storage/store.ts';
import { type ArchiveKey, parseArchiveKey } from '../keys.ts';

/** The files of one archive object that are here. */
export interface LocalGroup {
  base: string;
  objects: ObjectInfo[];
  damaged?: ObjectInfo;
  index?: ObjectInfo;
  /** Written last: without it the others are not whole yet. */
  manifest?: ObjectInfo;
  /** Of all files. */
  bytes: number;
}

export type Layout = 'hive' | 'daily';

/**
 * What of a local store is to go elsewhere: objects with their manifest. With the daily layout hours stay until their day is put
 * together, but for what no day takes: objects that are not gzip, and damaged lines that a day has left behind.
 */
export async function* readyGroups(store: ReadableStore, layout: Layout): AsyncGenerator<LocalGroup> {
  for await (const [group, place] of listGroups(store, '')) if (isReady(group, place, layout)) yield group;
}

/** Undefined when it is not there, or not whole. */
export async function readGroup(store: ReadableStore, base: string, layout: Layout): Promise<LocalGroup | undefined> {
  for await (const [group, place] of listGroups(store, base)) {
    if (group.base === base) return isReady(group, place, layout) ? group : undefined;
  }
  return undefined;
}

/** In the order in which they are to be removed: while the manifest is there it can be found out what the others were. */
export async function groupKeys(store: ReadableStore, base: string): Promise<string[]> {
  const keys: string[] = [];
  let manifest: string | undefined;
  for await (const { key } of store.list(base)) {
    const parsed = parseArchiveKey(key);
    if (parsed?.base !== base) continue;
    if (parsed.file === 'manifest') manifest = key;
    else if (parsed.file === 'object') keys.unshift(key);
    else keys.push(key);
  }
  return manifest === undefined ? keys : [...keys, manifest];
}

/** Only one group is remembered at a time: the keys of one follow each other. */
async function* listGroups(store: ReadableStore, prefix: string): AsyncGenerator<[LocalGroup, ArchiveKey]> {
  let current: [LocalGroup, ArchiveKey] | undefined;
  for await (const info of store.list(prefix)) {
    const parsed = parseArchiveKey(info.key);
    if (!parsed) continue;
    if (current?.[0].base !== parsed.base) {
      if (current) yield current;
      current = [{ base: parsed.base, objects: [], bytes: 0 }, parsed];
    }
    const [group] = current;
    group.bytes += info.bytes;
    if (parsed.file === 'object') group.objects.push(info);
    else group[parsed.file] = info;
  }
  if (current) yield current;
}

function isReady({ objects, damaged, manifest }: LocalGroup, place: ArchiveKey, layout: Layout): boolean {
  if (layout === 'hive' || place.layout === 'daily') return manifest !== undefined;
  if (!manifest) return damaged !== undefined && objects.length === 0;
  return objects.length > 0 && objects.every(({ key }) => parseArchiveKey(key)?.codec !== 'gzip');
}
