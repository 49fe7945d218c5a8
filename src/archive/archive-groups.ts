import type { ReadableStore } from '../storage/store.ts';
import { type ArchiveKey, HIVE_PREFIX, parseArchiveKey, widestFirst } from './keys.ts';
import type { StoredObject } from './verify/verify-content.ts';

/** The files of an archive that belong together. */
export type ArchiveGroup = ArchiveKey & { objects: StoredObject[]; manifestKey?: string; keys: string[] };

export type HourGroup = ArchiveGroup & { layout: 'hive' };

/** Those of days, in the order of their keys: first those of years, then those that lie beside them. */
export async function* listDays(store: ReadableStore): AsyncGenerator<ArchiveGroup> {
  for (const century of ['1', '2']) yield* listGroups(store, century);
}

/** Those of hours, an hour at a time; within it what was put together before what it was made of. */
export async function* listHours(store: ReadableStore, prefixes: readonly string[] = [HIVE_PREFIX]): AsyncGenerator<HourGroup> {
  let hour: HourGroup[] = [];
  for (const prefix of prefixes) {
    for await (const group of listGroups(store, prefix)) {
      if (group.layout !== 'hive') continue;
      if (hour.length > 0 && hour[0]!.fromMs !== group.fromMs) {
        yield* hour.sort(widestFirst);
        hour = [];
      }
      hour.push(group);
    }
  }
  yield* hour.sort(widestFirst);
}

/** Only one group is remembered at a time: the keys of one follow each other. */
async function* listGroups(store: ReadableStore, prefix: string): AsyncGenerator<ArchiveGroup> {
  let group: ArchiveGroup | undefined;
  for await (const { key, bytes } of store.list(prefix)) {
    const parsed = parseArchiveKey(key);
    if (!parsed) continue;
    if (group?.base !== parsed.base) {
      if (group && isArchived(group)) yield group;
      group = { ...parsed, objects: [], keys: [] };
    }
    group.keys.push(key);
    if (parsed.file === 'object') group.objects.push({ key, bytes, codec: parsed.codec });
    else if (parsed.file === 'manifest') group.manifestKey = key;
  }
  if (group && isArchived(group)) yield group;
}

/** An index, or damaged lines whose object was put together with others, say nothing by themselves. */
function isArchived(group: ArchiveGroup): boolean {
  return group.objects.length > 0 || group.manifestKey !== undefined;
}
