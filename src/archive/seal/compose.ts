import type { Log } from '../../core/log.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ReadableStore } from '../../storage/store.ts';
import { decodeManifest } from '../../wire/manifest.ts';
import { covers } from '../archive-groups.ts';
import { DAY_MS, HIVE_PREFIX, type HivePlace, parseArchiveKey, placeBase } from '../keys.ts';
import { readDays } from './find-sealed.ts';
import { type JoinContext, joinParts, objectKey, publishJoined, removePart, type SealedPart } from './join.ts';

export interface ComposeContext extends Omit<JoinContext, 'read' | 'name'> {
  /** Where days may be already: `store`, and where its objects go from there. */
  stored: ReadableStore;
  /** Segments of the journal that are not in the store yet: a day they have events of is not put together. */
  unsealed: readonly SegmentInfo[];
  log: Log;
  /** One day that cannot be put together does not keep the others from it. */
  onFailure: (day: string, error: unknown) => void;
}

/**
 * Puts the gzip objects of each day that is over together as one, `YYYY/YYYYMMDD.json.gz`, member after member, and removes them
 * once the day's manifest is there. When the name is taken by other content (the clock stepped back, or the seed program wrote that
 * day) the object is `YYYYMMDD-2`, `-3` and so on: nothing is overwritten.
 * @returns how many were made
 */
export async function composeDays(context: ComposeContext): Promise<number> {
  const days = new Map<number, string[]>();
  for await (const { key } of context.store.list(HIVE_PREFIX)) {
    const parsed = parseArchiveKey(key);
    if (parsed?.layout !== 'hive' || parsed.file !== 'manifest') continue;
    const dayMs = Math.floor(parsed.fromMs / DAY_MS) * DAY_MS;
    const bases = days.get(dayMs);
    if (bases) bases.push(parsed.base);
    else days.set(dayMs, [parsed.base]);
  }
  let made = 0;
  for (const [dayMs, bases] of days) {
    if (context.signal?.aborted) break;
    if (dayMs + DAY_MS > context.nowMs || context.unsealed.some((segment) => hasEventsOf(segment, dayMs))) continue;
    try {
      made += await new DayComposer(context, dayMs).compose(bases);
    } catch (error) {
      context.onFailure(new Date(dayMs).toISOString().slice(0, 10), error);
    }
  }
  return made;
}

function hasEventsOf(segment: SegmentInfo, dayMs: number): boolean {
  return segment.last >= segment.first && segment.minMs < dayMs + DAY_MS && segment.maxMs >= dayMs;
}

class DayComposer {
  readonly #context: ComposeContext;
  readonly #join: JoinContext;
  readonly #dayMs: number;

  constructor(context: ComposeContext, dayMs: number) {
    this.#context = context;
    this.#join = { ...context, read: context.store, name: 'compose' };
    this.#dayMs = dayMs;
  }

  async compose(bases: string[]): Promise<number> {
    const done = await readDays(this.#context.stored, this.#dayMs, this.#context.log);
    const waiting: SealedPart[] = [];
    for (const base of bases) {
      if (this.#context.signal?.aborted) return 0;
      const part = await this.#readPart(base);
      if (done.some((manifest) => covers(manifest, part.place))) await this.#remove(part);
      else if (part.manifest.codec === 'gzip') waiting.push(part);
    }
    const days = byJournal(waiting).filter((parts) => parts.some(({ manifest }) => manifest.object !== null));
    for (const parts of days) await this.#composeOne(parts);
    return days.length;
  }

  async #composeOne(parts: SealedPart[]): Promise<void> {
    const joined = await joinParts(this.#join, parts, 'gzip');
    const base = await this.#freeBase();
    const { count, bytes } = await publishJoined(this.#join, joined, { base, key: `${base}.json.gz` });
    this.#context.log('info', 'put a day together', { object: `${base}.json.gz`, events: count, bytes });
    for (const part of parts) if (!this.#context.signal?.aborted) await this.#remove(part);
  }

  /** The first name of the day under which there is no object; what a crash left beside it is removed. */
  async #freeBase(): Promise<string> {
    const { store, stored } = this.#context;
    for (let number = 1; ; number++) {
      const base = placeBase({ layout: 'daily', fromMs: this.#dayMs, number });
      if ((await stored.head(`${base}.json.gz`)) || (await stored.head(`${base}.json`))) continue;
      for (const ending of ['.manifest.json', '.idx']) await store.delete(base + ending);
      return base;
    }
  }

  async #readPart(base: string): Promise<SealedPart> {
    const key = `${base}.manifest.json`;
    const place = parseArchiveKey(key) as HivePlace;
    return { place, base, manifest: decodeManifest(await this.#context.store.get(key), key) };
  }

  async #remove({ base, manifest }: SealedPart): Promise<void> {
    await removePart(this.#join, base, manifest.object === null ? [] : [objectKey(base, manifest.object)]);
  }
}

function byJournal(parts: SealedPart[]): SealedPart[][] {
  const journals = Map.groupBy(parts, ({ place }) => place.journal);
  return [...journals.values()].map((own) => own.sort((a, b) => a.place.first - b.place.first));
}
