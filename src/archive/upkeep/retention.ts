import { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { ObjectStore } from '../../storage/store.ts';
import { decodeManifest, type ManifestPart } from '../../wire/manifest.ts';
import { filesOf, listGroups, sizeOf } from '../archive-groups.ts';
import { DAY_MS, HOUR_MS, type Place } from '../keys.ts';

/** What is kept of the archive. Without either, everything. */
export interface RetentionOptions {
  /** Bytes of objects with all that is beside them. */
  bytes?: number;
  /** Age of the newest event of an object, milliseconds. */
  ageMs?: number;
}

export interface RetentionContext {
  nowMs: number;
  /** What the journal still holds is kept: else it would be sealed again at the next start. */
  keep: { journal: string; fromSeq: number };
  /** Ends it after the object under way. */
  signal?: AbortSignal;
  log: Log;
}

interface Group {
  place: Place;
  base: string;
  endMs: number;
  bytes: number;
  manifestKey: string | undefined;
  keys: string[];
}

/**
 * Removes the oldest objects, each with its manifest, until what is left is within bounds. Objects of a journal go in the order
 * of their sequences, so that no hole appears. Only what is sealed is ever looked at; quarantine is left alone.
 */
export async function removeOldest(
  store: ObjectStore,
  options: RetentionOptions,
  context: RetentionContext,
): Promise<{ objects: number; bytes: number }> {
  const queues = await readGroups(store);
  let total = queues.reduce((sum, queue) => sum + queue.reduce((bytes, group) => bytes + group.bytes, 0), 0);
  const removed = { objects: 0, bytes: 0 };
  while (!context.signal?.aborted) {
    const oldest = queues.filter((queue) => queue.length > 0).sort((a, b) => a[0]!.endMs - b[0]!.endMs)[0];
    const group = oldest?.[0];
    if (!oldest || !group) return removed;
    const tooOld = options.ageMs !== undefined && group.endMs <= context.nowMs - options.ageMs;
    const tooMuch = options.bytes !== undefined && total > options.bytes;
    if (!tooOld && !tooMuch) return removed;
    if (await isNeeded(store, group, context.keep)) {
      oldest.length = 0;
      continue;
    }
    for (const key of group.keys) await store.delete(key);
    oldest.shift();
    total -= group.bytes;
    removed.objects++;
    removed.bytes += group.bytes;
    context.log('info', 'removed an archive object', { object: group.base, bytes: group.bytes, reason: tooOld ? 'age' : 'bytes' });
  }
  return removed;
}

/** Objects of each journal by sequence, and days by date. */
async function readGroups(store: ObjectStore): Promise<Group[][]> {
  const queues = new Map<string, Group[]>();
  for await (const files of listGroups(store)) {
    const { base, fromMs, layout, manifest } = files;
    // The manifest goes first: what is left by a crash is an object that the next round finds.
    const keys = filesOf(files).map(({ key }) => key);
    const group: Group = {
      place: files,
      base,
      endMs: fromMs + (layout === 'hive' ? HOUR_MS : DAY_MS),
      bytes: sizeOf(files),
      manifestKey: manifest?.key,
      keys: keys.reverse(),
    };
    const journal = layout === 'hive' ? files.journal : '';
    const queue = queues.get(journal);
    if (queue) queue.push(group);
    else queues.set(journal, [group]);
  }
  return [...queues.values()].map((queue) => withLeftOver(queue.sort(inOrder)));
}

/** What was put together to a whole, and is not removed yet, goes with it and before it. */
function withLeftOver(groups: readonly Group[]): Group[] {
  const wholes = new Map<string, { group: Group; last: number }>();
  return groups.filter((group) => {
    const { place } = group;
    if (place.layout === 'daily') return true;
    const hour = `${place.fromMs} ${place.epoch}`;
    const whole = wholes.get(hour);
    if (!whole || place.last > whole.last) {
      wholes.set(hour, { group, last: place.last });
      return true;
    }
    whole.group.keys.unshift(...group.keys);
    whole.group.bytes += group.bytes;
    return false;
  });
}

/** By sequence, what was put together before its parts; days by date. */
function inOrder(a: Group, b: Group): number {
  if (a.place.layout !== 'hive' || b.place.layout !== 'hive') return orderOf(a) - orderOf(b);
  return a.place.first - b.place.first || b.place.last - a.place.last || (a.base > b.base ? -1 : 1);
}

function orderOf({ place }: Group): number {
  return place.layout === 'hive' ? place.first : place.fromMs + place.number;
}

async function isNeeded(store: ObjectStore, group: Group, keep: RetentionContext['keep']): Promise<boolean> {
  const { place } = group;
  if (place.layout === 'hive') return place.journal === keep.journal && place.last >= keep.fromSeq;
  const parts = group.manifestKey === undefined ? [] : await readParts(store, group.manifestKey);
  return parts.some((part) => part.journal === keep.journal && part.lastSeq >= keep.fromSeq);
}

/** A manifest that cannot be read says nothing: at worst the journal seals again what it still holds. */
async function readParts(store: ObjectStore, key: string): Promise<readonly ManifestPart[]> {
  try {
    return decodeManifest(await store.get(key), key).parts;
  } catch (error) {
    if (error instanceof HydrantError && error.code === 'HYD_MANIFEST') return [];
    throw error;
  }
}
