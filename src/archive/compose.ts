import { type FileHandle, open } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { crashPoint } from '../core/crash-point.ts';
import type { Log } from '../core/log.ts';
import type { SegmentInfo } from '../journal/segment.ts';
import type { ObjectStore, ReadableStore } from '../storage/store.ts';
import { decodeManifest, extendPart, type Manifest, type ManifestPart } from '../wire/manifest.ts';
import type { CheckedDay } from './check-day.ts';
import { covers, readDays } from './find-sealed.ts';
import { DAY_MS, HIVE_PREFIX, type HivePlace, parseArchiveKey, placeBase } from './keys.ts';
import type { Publisher } from './publish.ts';
import type { SealThread } from './seal-thread.ts';

export interface ComposeContext {
  store: ObjectStore;
  /** Where days may be already: `store`, and where its objects go from there. */
  stored: ReadableStore;
  publisher: Publisher;
  thread: SealThread;
  workDir: string;
  nowMs: number;
  /** Segments of the journal that are not in the store yet: a day they have events of is not put together. */
  unsealed: readonly SegmentInfo[];
  maxTopics?: number;
  log: Log;
  /** One day that cannot be put together does not keep the others from it. */
  onFailure: (day: string, error: unknown) => void;
}

interface SealedPart {
  place: HivePlace;
  base: string;
  manifest: Manifest;
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
  readonly #dayMs: number;

  constructor(context: ComposeContext, dayMs: number) {
    this.#context = context;
    this.#dayMs = dayMs;
  }

  async compose(bases: string[]): Promise<number> {
    const done = await readDays(this.#context.stored, this.#dayMs, this.#context.log);
    const waiting: SealedPart[] = [];
    for (const base of bases) {
      const part = await this.#readPart(base);
      if (done.some((manifest) => covers(manifest, part.place))) await this.#remove(part);
      else if (part.manifest.codec === 'gzip') waiting.push(part);
    }
    const days = byJournal(waiting).filter((parts) => parts.some(({ manifest }) => manifest.object !== null));
    for (const parts of days) await this.#composeOne(parts);
    return days.length;
  }

  /** The manifest goes before the object: as soon as the object can be seen, everybody knows which sequences it tells. */
  async #composeOne(parts: SealedPart[]): Promise<void> {
    const { store, publisher, nowMs, log } = this.#context;
    const staged = await this.#stage(parts);
    const base = await this.#freeBase();
    const manifest = dayManifest(base, parts, staged.checked, nowMs);
    if (staged.checked.hasIndex) await publisher.derived(`${base}.idx`, { path: staged.indexPath, move: true });
    await publisher.manifest(`${base}.manifest.json`, manifest);
    crashPoint('compose.manifest');
    await store.put(`${base}.json.gz`, { path: staged.path, move: true }, { ifNoneMatch: true });
    crashPoint('compose.put');
    for (const part of parts) await this.#remove(part);
    log('info', 'put a day together', { object: `${base}.json.gz`, events: manifest.count, bytes: manifest.bytes });
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

  async #stage(parts: SealedPart[]): Promise<Staged> {
    const { store, workDir, thread, maxTopics } = this.#context;
    const path = join(workDir, 'day.json.gz');
    const indexPath = join(workDir, 'day.idx');
    {
      await using file = await open(path, 'w', 0o600);
      for (const { base, manifest } of parts) {
        if (manifest.object !== null) await append(file, store.stream(`${base}.ndjson.gz`));
      }
      await file.sync();
    }
    crashPoint('compose.staged');
    const objects = parts.map(({ base, manifest }) => ({ ...manifest, codec: 'gzip' as const, name: base }));
    return { path, indexPath, checked: await thread.run({ kind: 'day', path, objects, indexPath, maxTopics }) };
  }

  async #readPart(base: string): Promise<SealedPart> {
    const key = `${base}.manifest.json`;
    const place = parseArchiveKey(key) as HivePlace;
    return { place, base, manifest: decodeManifest(await this.#context.store.get(key), key) };
  }

  /** The damaged lines stay: they are nowhere else. */
  async #remove(part: SealedPart): Promise<void> {
    for (const ending of ['.ndjson.gz', '.idx', '.manifest.json']) await this.#context.store.delete(part.base + ending);
    crashPoint('compose.removed');
  }
}

interface Staged {
  path: string;
  indexPath: string;
  checked: CheckedDay;
}

async function append(file: FileHandle, chunks: AsyncIterable<Buffer>): Promise<void> {
  for await (const chunk of chunks) await file.appendFile(chunk);
}

function byJournal(parts: SealedPart[]): SealedPart[][] {
  const journals = Map.groupBy(parts, ({ place }) => place.journal);
  return [...journals.values()].map((own) => own.sort((a, b) => a.place.first - b.place.first));
}

/** Parts of one epoch that follow each other become one. */
function dayManifest(base: string, sealed: SealedPart[], checked: CheckedDay, nowMs: number): Manifest {
  const parts: ManifestPart[] = [];
  const blocks: Manifest['blocks'] = [];
  let offset = 0;
  for (const { manifest } of sealed) {
    const own = manifest.parts[0]!;
    const before = parts.at(-1);
    if (!before || !extendPart(before, own)) parts.push(structuredClone(own));
    for (const block of manifest.blocks) blocks.push({ ...block, part: parts.length - 1, offset: offset + block.offset });
    offset += manifest.bytes;
  }
  const held = sealed.map(({ manifest }) => manifest).filter(({ count }) => count > 0);
  return {
    v: 1,
    object: `${basename(base)}.json.gz`,
    codec: 'gzip',
    parts,
    count: parts.reduce((sum, part) => sum + part.count, 0),
    minTs: held.map(({ minTs }) => minTs).sort()[0] ?? '',
    maxTs:
      held
        .map(({ maxTs }) => maxTs)
        .sort()
        .at(-1) ?? '',
    rawBytes: held.reduce((sum, { rawBytes }) => sum + rawBytes, 0),
    bytes: offset,
    rawSha256: checked.rawSha256,
    sha256: checked.sha256,
    blocks,
    topics: checked.topics,
    sealedAt: new Date(nowMs).toISOString(),
  };
}
