import { errorText, HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ReadableStore } from '../../storage/store.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import { covers } from '../archive-groups.ts';
import { DAY_MS, HIVE_PREFIX, parseArchiveKey, placeBase } from '../keys.ts';
import type { SeqPart } from '../sealer-options.ts';

interface SealedContext {
  /** Sequences that have left the store for another one. */
  uploaded?: readonly SeqPart[];
  log: Log;
}

/** Which of a journal's segments are sealed as a whole: manifests cover them, and the objects are in the store in full size, or uploaded. */
export async function findSealed(
  store: ReadableStore,
  segments: readonly SegmentInfo[],
  { uploaded = [], log }: SealedContext,
): Promise<SegmentInfo[]> {
  if (segments.length === 0) return [];
  const sizes = new Map<string, number>();
  const places: (SeqPart & { base?: string })[] = [...uploaded];
  for await (const { key, bytes } of store.list(HIVE_PREFIX)) {
    const parsed = parseArchiveKey(key);
    if (parsed?.layout !== 'hive') continue;
    sizes.set(key, bytes);
    if (parsed.file === 'manifest') places.push(parsed);
  }
  places.sort((a, b) => a.first - b.first || b.last - a.last);
  const days = new Map<number, Manifest[]>();
  const found: SegmentInfo[] = [];
  for (const segment of segments) {
    let next = segment.first;
    for (const place of places) {
      if (place.journal !== segment.journal || place.epoch !== segment.epoch || place.first > next || place.last < next) continue;
      if (place.base === undefined || (await isWhole(store, place.base, sizes, log))) next = place.last + 1;
    }
    let isSealed = next > segment.last;
    for (let dayMs = dayOf(segment.minMs); !isSealed && dayMs <= segment.maxMs; dayMs += DAY_MS) {
      const manifests = days.get(dayMs) ?? (await readDays(store, dayMs, log));
      days.set(dayMs, manifests);
      isSealed = manifests.some((day) => covers(day, segment));
    }
    if (isSealed) found.push(segment);
  }
  return found;
}

function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS) * DAY_MS;
}

async function isWhole(store: ReadableStore, base: string, sizes: Map<string, number>, log: Log): Promise<boolean> {
  const manifest = await readManifest(store, `${base}.manifest.json`, log);
  if (!manifest) return false;
  return manifest.object === null || sizes.get(base.slice(0, base.lastIndexOf('/') + 1) + manifest.object) === manifest.bytes;
}

/** Manifests of the objects of a day that are there; one without its object is what a crash has left. */
export async function readDays(store: ReadableStore, dayMs: number, log: Log): Promise<Manifest[]> {
  const manifests: Manifest[] = [];
  for await (const { key } of store.list(placeBase({ layout: 'daily', fromMs: dayMs, number: 1 }))) {
    if (parseArchiveKey(key)?.file !== 'manifest') continue;
    const manifest = await readManifest(store, key, log);
    const object = manifest && (await store.head(key.slice(0, key.lastIndexOf('/') + 1) + manifest.object));
    if (manifest && object?.bytes === manifest.bytes) manifests.push(manifest);
  }
  return manifests;
}

/** Undefined when it cannot be read: what it covers counts as not sealed. */
async function readManifest(store: ReadableStore, key: string, log: Log): Promise<Manifest | undefined> {
  try {
    return decodeManifest(await store.get(key), key);
  } catch (error) {
    if (!(error instanceof HydrantError) || error.code !== 'HYD_MANIFEST') throw error;
    log('error', 'a manifest cannot be used', { key, error: errorText(error) });
    return undefined;
  }
}
