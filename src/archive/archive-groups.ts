import type { ObjectInfo, ReadableStore } from '../storage/store.ts';
import type { Manifest } from '../wire/manifest.ts';
import { type ArchiveKey, HIVE_PREFIX, type HivePlace, type ObjectCodec, type Place, parseArchiveKey, widestFirst } from './keys.ts';

export type StoredObject = ObjectInfo & { codec: ObjectCodec | 'plain' };

/** The files of an archive that belong together, as a listing shows them. */
export type ArchiveGroup = Place & {
  base: string;
  /** One, or none where every sequence is absent; more when it was sealed twice, or the seed program wrote that day too. */
  objects: StoredObject[];
  /** Lines that were damaged when they were sealed. */
  damaged?: ObjectInfo;
  index?: ObjectInfo;
  /** Written last: without it the others are not whole yet. */
  manifest?: ObjectInfo;
};

export type HourGroup = ArchiveGroup & HivePlace;

/** All of them, in the order of their keys. Only one is remembered at a time: its keys follow each other. */
export async function* listGroups(store: Pick<ReadableStore, 'list'>, prefix = ''): AsyncGenerator<ArchiveGroup> {
  let group: ArchiveGroup | undefined;
  for await (const info of store.list(prefix)) {
    const parsed = parseArchiveKey(info.key);
    if (!parsed) continue;
    if (group?.base !== parsed.base) {
      if (group) yield group;
      group = emptyGroup(parsed);
    }
    if (parsed.file === 'object') group.objects.push({ ...info, codec: parsed.codec });
    else group[parsed.file] = info;
  }
  if (group) yield group;
}

function emptyGroup({ file: _, codec: __, ...place }: ArchiveKey): ArchiveGroup {
  return { ...place, objects: [] };
}

/** Those of days, in the order of their keys: first those of years, then those that lie beside them. */
export async function* listDays(store: ReadableStore): AsyncGenerator<ArchiveGroup> {
  for (const prefix of DAY_PREFIXES) for await (const group of listGroups(store, prefix)) if (isArchived(group)) yield group;
}

/** Years begin with 1 or 2. */
export const DAY_PREFIXES = ['1', '2'];

/** Those of hours, an hour at a time; within it what was put together before what it was made of. */
export async function* listHours(store: ReadableStore, prefixes: readonly string[] = [HIVE_PREFIX]): AsyncGenerator<HourGroup> {
  let hour: HourGroup[] = [];
  for (const prefix of prefixes) {
    for await (const group of listGroups(store, prefix)) {
      if (group.layout !== 'hive' || !isArchived(group)) continue;
      if (hour.length > 0 && hour[0]!.fromMs !== group.fromMs) {
        yield* hour.sort(widestFirst);
        hour = [];
      }
      hour.push(group);
    }
  }
  yield* hour.sort(widestFirst);
}

/** An index, or damaged lines whose object was put together with others, say nothing by themselves. */
export function isArchived({ objects, manifest }: ArchiveGroup): boolean {
  return objects.length > 0 || manifest !== undefined;
}

/** All that is there of a group, its manifest last: while that is there it can be found out what the others are. */
export function filesOf({ objects, damaged, index, manifest }: ArchiveGroup): ObjectInfo[] {
  return [...objects, damaged, index, manifest].filter((file) => file !== undefined);
}

/** Bytes of all that is there of a group. */
export function sizeOf(group: ArchiveGroup): number {
  return filesOf(group).reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Whether an object that was put together holds a sealed part, which it does as a whole or not at all. */
export function covers(joined: Manifest, part: Pick<HivePlace, 'journal' | 'epoch' | 'first' | 'last'>): boolean {
  return joined.parts.some(
    ({ journal, epoch, firstSeq, lastSeq }) =>
      journal === part.journal && epoch === part.epoch && firstSeq <= part.first && part.last <= lastSeq,
  );
}
