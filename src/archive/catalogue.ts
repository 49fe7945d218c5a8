import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HydrantError } from '../core/errors.ts';
import type { TimeRange } from '../core/time-range.ts';
import { listSegmentFiles } from '../journal/segment-files.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import type { ReadableStore } from '../storage/store.ts';
import { createUnionStore, type NamedStore } from '../storage/union.ts';
import type { Manifest } from '../wire/manifest.ts';
import { type ArchiveGroup, DAY_PREFIXES, listDays, listGroups, listHours } from './archive-groups.ts';
import { DAY_MS, HIVE_PREFIX, widestFirst } from './keys.ts';
import { Manifests } from './manifests.ts';
import { boundsOf, hourPieces, inOrder, isInRange, objectPiece, type Piece, seedBounds, segmentPiece } from './pieces.ts';
import { holdsAll, SeqSet } from './seq-set.ts';

export interface Listing {
  /** Oldest journal first, each in the order of its sequences; days without sequences by date. */
  pieces: Piece[];
  /** Objects and segments that were seen and lie outside the time asked for. */
  outside: number;
  /** Objects of which only the manifest is there, and nothing else has their sequences. */
  missing: Piece[];
}

export interface CatalogueOptions {
  store: ReadableStore;
  journalDir?: string;
}

/** Days that are listed one by one. */
const MAX_DAYS = 40;
const LISTS_AT_ONCE = 8;

/**
 * The catalogue of a data folder, of a running or a stopped server; only ever reads. A folder of days that the seed program left is taken
 * as it is.
 * @param remote where objects of the folder go, or with an undefined folder the whole archive; both are read as one
 * @throws HYD_DATA_MISSING when the folder is not there, or has neither a journal nor an archive and there is no remote store
 */
export async function openCatalogue(dataDir: string | undefined, remote?: NamedStore): Promise<Catalogue> {
  if (dataDir === undefined) return new Catalogue({ store: createUnionStore(remote ? [remote] : []) });
  const [journalDir, archiveDir] = [join(dataDir, 'journal'), join(dataDir, 'archive')];
  const [own, ...found] = await Promise.all([dataDir, journalDir, archiveDir].map((dir) => stat(dir).catch(() => undefined)));
  const isData = found.some((folder) => folder !== undefined);
  if (!own || (!isData && !remote && !(await holdsAny(listDays(createFsStore(dataDir)))))) {
    const isCopy = own?.isDirectory() && (await holdsAny(listHours(createFsStore(dataDir))));
    const fix = isCopy ? `There are objects of an archive in it: give it with --from ${dataDir}.` : undefined;
    throw new HydrantError('HYD_DATA_MISSING', `${dataDir} has neither a journal nor an archive`, { fix });
  }
  const folder = isData ? archiveDir : dataDir;
  const local = createFsStore(folder);
  const store = remote ? createUnionStore([{ name: folder, store: local }, remote]) : local;
  return new Catalogue({ store, journalDir });
}

async function holdsAny(groups: AsyncIterable<ArchiveGroup>): Promise<boolean> {
  for await (const _ of groups) return true;
  return false;
}

/** What there is to read: sealed objects and the segments that are not sealed yet, each event once. */
export class Catalogue {
  readonly store: ReadableStore;
  readonly #journalDir: string | undefined;
  readonly #manifests: Manifests;

  constructor(options: CatalogueOptions) {
    this.store = options.store;
    this.#manifests = new Manifests(options.store);
    this.#journalDir = options.journalDir;
  }

  /**
   * Everything that is there now. Where a segment and its sealed object both exist, the segment is told, or the object with `sealedFirst`.
   * @param options.done sequences and names that the caller has read already
   * @throws HYD_MANIFEST is not thrown: an object whose manifest cannot be read is listed without it
   */
  async list(
    options: { range?: TimeRange; sealedFirst?: boolean; done?: { sequences: SeqSet; names: Set<string> } } = {},
  ): Promise<Listing> {
    // Segments before objects, and objects of hours before those of days: what moves on while we look is then seen twice, never missed.
    const segments = await this.segments();
    const all = await this.#groups(options.range);
    const groups = all.filter((group) => group.objects.length > 0);
    const told = new SeqSet();
    const pieces: Piece[] = [];
    const inRange: Piece[] = [];
    const add = (piece: Piece): void => {
      if (options.done?.names.has(piece.name) && piece.journal === '') return;
      const range = { first: piece.first, last: piece.last };
      if (piece.journal !== '') {
        const read = options.done?.sequences.overlap(piece.journal, piece.epoch, range) ?? [];
        for (const done of read) told.add(piece.journal, piece.epoch, done);
        piece.told = told.overlap(piece.journal, piece.epoch, range);
        if (holdsAll(piece.told, range)) return;
        told.add(piece.journal, piece.epoch, range);
      }
      pieces.push(piece);
      if (isInRange(piece, options.range)) inRange.push(piece);
    };
    const hours = groups.filter((group) => group.layout === 'hive').sort(widestFirst);
    if (!options.sealedFirst) for (const piece of segments) add(piece);
    const days = groups.filter((group) => group.layout === 'daily');
    const read = days.map(({ fromMs, manifest }) => ({
      manifestKey: isInRange(seedBounds(fromMs), options.range) ? manifest?.key : undefined,
    }));
    for (const [i, group] of days.entries()) {
      this.lookAhead(read, i);
      for (const piece of await this.#dayPieces(group, options.range)) add(piece);
    }
    for (const group of hours) if (group.manifest) for (const piece of hourPieces(group)) add(piece);
    if (options.sealedFirst) for (const piece of segments) add(piece);
    for (const group of hours) if (!group.manifest) for (const piece of hourPieces(group)) add(piece);
    const missing: Piece[] = [];
    for (const group of all) {
      if (group.objects.length > 0 || !isInRange(boundsOf(group), options.range)) continue;
      for (const piece of await this.#missingPieces(group)) {
        for (const done of options.done?.sequences.overlap(piece.journal, piece.epoch, piece) ?? []) {
          told.add(piece.journal, piece.epoch, done);
        }
        if (!holdsAll(told.overlap(piece.journal, piece.epoch, piece), piece)) missing.push(piece);
      }
    }
    return { pieces: inOrder(inRange), outside: pieces.length - inRange.length, missing };
  }

  /** What a manifest without its object says that there should be. An object without lines is never written. */
  async #missingPieces(group: ArchiveGroup): Promise<Piece[]> {
    const manifest = await this.manifest(group.manifest?.key);
    if (!manifest || manifest.object === null) return [];
    const piece = objectPiece(group, { key: join(dirname(group.base), manifest.object), bytes: 0, modifiedMs: 0, codec: 'plain' });
    return manifest.parts.map(({ journal, epoch, firstSeq: first, lastSeq: last }) => ({ ...piece, journal, epoch, first, last }));
  }

  /** The manifest of an object, from memory when it was read before. Undefined without one, or with one that cannot be read. */
  manifest(key: string | undefined): Promise<Manifest | undefined> {
    return this.#manifests.get(key);
  }

  /** Begins to read the manifests that are wanted after `at`, a bounded number: a store far away does not set the pace then. */
  lookAhead(pieces: readonly Pick<Piece, 'manifestKey'>[], at: number, count?: number): void {
    this.#manifests.lookAhead(pieces, at, count);
  }

  /** Every segment, up to the durable mark, whether it is sealed or not. */
  async segments(): Promise<Piece[]> {
    if (this.#journalDir === undefined) return [];
    const files = await listSegmentFiles(this.#journalDir).catch((error) => {
      if (error instanceof HydrantError && error.code === 'HYD_DATA_MISSING') return [];
      throw error;
    });
    const pieces = await Promise.all(files.map((file, i) => segmentPiece(file, files[i + 1]?.journal === file.journal)));
    return pieces.filter((piece) => piece !== undefined);
  }

  async #groups(range: TimeRange | undefined): Promise<ArchiveGroup[]> {
    const groups = new Map<string, ArchiveGroup>();
    const look = async (prefix: string): Promise<void> => {
      for await (const group of listGroups(this.store, prefix)) groups.set(group.base, group);
    };
    const hours = hourPrefixes(range);
    for (let i = 0; i < hours.length; i += LISTS_AT_ONCE) await Promise.all(hours.slice(i, i + LISTS_AT_ONCE).map(look));
    for (const prefix of DAY_PREFIXES) await look(prefix);
    return [...groups.values()].filter((group) => !isToldInWorkingFolder(group, groups));
  }

  async #dayPieces(group: ArchiveGroup, range: TimeRange | undefined): Promise<Piece[]> {
    const [object] = group.objects;
    if (!isInRange(seedBounds(group.fromMs), range)) return [{ ...objectPiece(group, object!), ...seedBounds(group.fromMs) }];
    const bounds = { fromMs: group.fromMs, untilMs: group.fromMs + DAY_MS };
    const manifest = await this.manifest(group.manifest?.key);
    const own = manifest && group.objects.find(({ key }) => basename(key) === manifest.object);
    const pieces: Piece[] = [];
    if (manifest && own) {
      for (const [part, { journal, epoch, firstSeq, lastSeq }] of manifest.parts.entries()) {
        const size = manifest.blocks.reduce((sum, block) => sum + (block.part === part ? block.bytes : 0), 0);
        pieces.push({ ...objectPiece(group, own), ...bounds, journal, epoch, first: firstSeq, last: lastSeq, bytes: size, part });
      }
    }
    // The seed program never trusts a .gz that stands beside its .json: it may have died in the middle.
    const foreign = group.objects.filter((object) => object !== own);
    const trusted = foreign.find(({ codec }) => codec === 'plain') ?? foreign[0];
    if (trusted) pieces.push({ ...objectPiece(group, trusted), ...seedBounds(group.fromMs), manifestKey: undefined, indexKey: undefined });
    return pieces;
  }
}

/** Of a short range, that of each of its days: a long archive is then not listed as a whole. */
export function hourPrefixes({ sinceMs, untilMs = Date.now() + DAY_MS }: TimeRange = {}): string[] {
  if (sinceMs === undefined || untilMs - sinceMs > MAX_DAYS * DAY_MS) return [HIVE_PREFIX];
  const prefixes: string[] = [];
  for (let dayMs = Math.floor(sinceMs / DAY_MS) * DAY_MS; dayMs < untilMs; dayMs += DAY_MS) {
    prefixes.push(`${HIVE_PREFIX}${new Date(dayMs).toISOString().slice(0, 10)}/`);
  }
  return prefixes;
}

/** The seed program may have died between the upload of a day and its removal from the working folder; what is there is read first. */
function isToldInWorkingFolder(group: ArchiveGroup, groups: ReadonlyMap<string, ArchiveGroup>): boolean {
  if (group.layout !== 'daily' || group.manifest !== undefined || !group.base.includes('/')) return false;
  return groups.has(basename(group.base));
}
