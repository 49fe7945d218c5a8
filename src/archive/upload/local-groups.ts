import type { ReadableStore } from '../../storage/store.ts';
import { type ArchiveGroup, listGroups } from '../archive-groups.ts';

export type Layout = 'hive' | 'daily';

/**
 * What of a local store is to go elsewhere: objects with their manifest. With the daily layout hours stay until their day is put
 * together, but for what no day takes: objects that are not gzip, and damaged lines that a day has left behind.
 */
export async function* readyGroups(store: ReadableStore, layout: Layout): AsyncGenerator<ArchiveGroup> {
  for await (const group of listGroups(store)) if (isReady(group, layout)) yield group;
}

/** Undefined when nothing of it is there. */
export async function readGroup(store: ReadableStore, base: string): Promise<ArchiveGroup | undefined> {
  for await (const group of listGroups(store, base)) if (group.base === base) return group;
  return undefined;
}

/** Undefined when it is not there, or not whole. */
export async function readReady(store: ReadableStore, base: string, layout: Layout): Promise<ArchiveGroup | undefined> {
  const group = await readGroup(store, base);
  return group && isReady(group, layout) ? group : undefined;
}

function isReady(group: ArchiveGroup, layout: Layout): boolean {
  const { objects, damaged, manifest } = group;
  if (layout === 'hive' || group.layout === 'daily') return manifest !== undefined;
  if (!manifest) return damaged !== undefined && objects.length === 0;
  return objects.length > 0 && objects.every(({ codec }) => codec !== 'gzip');
}
