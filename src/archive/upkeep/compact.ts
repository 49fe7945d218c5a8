import { basename } from 'node:path';
import { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import { covers, type HourGroup, isArchived, listGroups } from '../archive-groups.ts';
import { HIVE_PREFIX, HOUR_MS, type ObjectCodec, objectEnding, PARQUET, placeBase } from '../keys.ts';
import { type JoinContext, joinParts, publishJoined, removePart, type SealedPart } from '../seal/join.ts';
import type { CompactOptions } from './compact-options.ts';
import { planHour } from './compact-plan.ts';

export interface CompactContext extends Omit<JoinContext, 'name'> {
  /** Objects of other journals are somebody else's. */
  journal: string;
  options: CompactOptions;
  /** How long after the whole its parts are removed, so that nobody who has listed them misses both. Milliseconds. */
  graceMs: number;
  /** Segments of the journal that are not sealed yet: an hour they have events of waits. */
  unsealed: readonly SegmentInfo[];
  log: Log;
  /** Hours, as they begin, that are not to be looked at. */
  skip: ReadonlySet<number>;
  /** One hour that cannot be put together does not keep the others from it. */
  onFailure: (hourMs: number, error: unknown) => void;
}

export interface Compacted {
  /** Objects that were made, and of how many. */
  made: number;
  parts: number;
  /** Something is to be done that is not possible yet. */
  waiting: boolean;
}

/**
 * Puts the small objects of each hour that is over together: those of one epoch whose sequences follow each other become one. The whole is
 * published first, and its parts are removed a while later; until then readers tell each event once.
 */
export async function compactHours(context: CompactContext): Promise<Compacted> {
  const done: Compacted = { made: 0, parts: 0, waiting: false };
  for (const hourMs of await hoursToDo(context)) {
    if (context.signal?.aborted) break;
    if (context.skip.has(hourMs)) continue;
    try {
      await new HourCompaction(context, hourMs, done).run();
    } catch (error) {
      context.onFailure(hourMs, error);
    }
  }
  return done;
}

/** One pass over the names in the store, of which only those of one hour are in memory at a time. */
async function hoursToDo({ store, journal, options, nowMs }: CompactContext): Promise<number[]> {
  const hours: number[] = [];
  let hourMs = Number.NaN;
  let groups: HourGroup[] = [];
  const end = (): void => {
    if (hourMs + HOUR_MS + options.afterMs > nowMs) return;
    const { runs, leftOver, unfinished } = planHour(groups, options);
    if (runs.length + leftOver.length + unfinished.length > 0) hours.push(hourMs);
  };
  for await (const group of listGroups(store, HIVE_PREFIX)) {
    if (group.layout !== 'hive' || group.journal !== journal || !isArchived(group)) continue;
    if (group.fromMs !== hourMs) {
      end();
      groups = [];
      hourMs = group.fromMs;
    }
    groups.push(group);
  }
  end();
  return hours;
}

class HourCompaction {
  readonly #context: CompactContext;
  readonly #join: JoinContext;
  readonly #hourMs: number;
  readonly #done: Compacted;
  readonly #manifests = new Map<string, Manifest>();

  constructor(context: CompactContext, hourMs: number, done: Compacted) {
    this.#context = context;
    this.#join = { ...context, name: 'compact' };
    this.#hourMs = hourMs;
    this.#done = done;
  }

  async run(): Promise<void> {
    const { store, read, options, unsealed } = this.#context;
    const groups = await this.#groups(store);
    const plan = planHour(groups, options);
    for (const { group, whole } of plan.leftOver) await this.#removeLeftOver(group, whole);
    for (const { base } of plan.unfinished) await removePart(this.#join, base, []);
    if (plan.runs.length === 0) return;
    const isComplete = read === store || isSubset(await this.#groups(read), groups);
    if (!isComplete || unsealed.some((segment) => this.#hasEventsOf(segment))) {
      this.#done.waiting = true;
      return;
    }
    for (const run of plan.runs) {
      if (this.#context.signal?.aborted) return;
      await this.#compact(run);
    }
  }

  async #groups(store: CompactContext['read']): Promise<HourGroup[]> {
    const groups: HourGroup[] = [];
    const { journal } = this.#context;
    const folder = placeBase({ layout: 'hive', fromMs: this.#hourMs, journal, epoch: '', first: 0, last: 0 });
    for await (const group of listGroups(store, folder.slice(0, folder.lastIndexOf('/') + 1) + journal)) {
      if (group.layout === 'hive' && isArchived(group)) groups.push(group);
    }
    return groups;
  }

  #hasEventsOf(segment: SegmentInfo): boolean {
    return segment.last >= segment.first && segment.minMs < this.#hourMs + HOUR_MS && segment.maxMs >= this.#hourMs;
  }

  async #compact(run: readonly HourGroup[]): Promise<void> {
    const { store, publisher, options, log } = this.#context;
    const parts: SealedPart[] = [];
    for (const group of run) parts.push(await this.#readPart(group));
    const codec = options.format === 'parquet' ? 'parquet' : (run.flatMap(({ objects }) => objects)[0]!.codec as ObjectCodec);
    const joined = await joinParts(this.#join, parts, codec);
    const place = placeBase({ ...run[0]!, last: run.at(-1)!.last });
    const base = codec === 'parquet' ? place + PARQUET : place;
    const key = place + objectEnding('hive', codec);
    // A crash may have left what goes before the object, made when there were fewer parts or by another version.
    for (const ending of ['.manifest.json', '.idx']) await store.delete(base + ending);
    const { count, bytes } = await publishJoined(this.#join, joined, {
      base,
      key,
      put: (body, manifest) => publisher.object(key, body, manifest),
    });
    this.#done.made++;
    this.#done.parts += run.length;
    this.#done.waiting = true;
    log('info', 'put objects of an hour together', { object: key, objects: run.length, events: count, bytes });
  }

  /** @throws HYD_MANIFEST when the manifest does not describe what is there */
  async #readPart(group: HourGroup): Promise<SealedPart> {
    const manifest = await this.#manifest(group);
    const { base } = group;
    const [object] = group.objects;
    const isSame = object ? manifest.object === basename(object.key) && manifest.bytes === object.bytes : manifest.object === null;
    if (isSame && manifest.parts.length === 1 && covers(manifest, group)) return { place: group, base, manifest };
    throw new HydrantError('HYD_MANIFEST', `manifest ${group.manifest?.key} does not describe what is beside it`);
  }

  async #removeLeftOver(group: HourGroup, whole: HourGroup): Promise<void> {
    const manifest = await this.#manifest(whole);
    const ageMs = Math.abs(this.#context.nowMs - Date.parse(manifest.sealedAt));
    if (!covers(manifest, group) || !whole.objects.some(({ key, bytes }) => basename(key) === manifest.object && bytes === manifest.bytes))
      return;
    if (ageMs < this.#context.graceMs) {
      this.#done.waiting = true;
      return;
    }
    await removePart(
      this.#join,
      group.base,
      group.objects.map(({ key }) => key),
    );
  }

  async #manifest({ base, manifest: file }: HourGroup): Promise<Manifest> {
    const known = this.#manifests.get(base);
    if (known) return known;
    const manifest = decodeManifest(await this.#context.read.get(file!.key), file!.key);
    this.#manifests.set(base, manifest);
    return manifest;
  }
}

/** Whether all that can be read is in the home store too, or in an object that was put together there. */
function isSubset(all: readonly HourGroup[], stored: readonly HourGroup[]): boolean {
  const wholes = stored.filter(({ objects, manifest }) => objects.length > 0 && manifest !== undefined);
  return all.every((group) => {
    const own = stored.find(({ base }) => base === group.base);
    if (own?.manifest !== undefined && own.objects.length >= group.objects.length) return true;
    return wholes.some((whole) => whole.epoch === group.epoch && whole.first <= group.first && whole.last >= group.last);
  });
}
