import { stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { HydrantError, systemCode } from '../core/errors.ts';
import type { TimeRange } from '../core/time-range.ts';
import { listSegmentFiles, readSegmentEnds, type SegmentFile } from '../journal/segment-files.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import type { ReadableStore } from '../storage/store.ts';
import { createUnionStore, type NamedStore } from '../storage/union.ts';
import { decodeManifest, type Manifest } from '../wire/manifest.ts';
import { type ArchiveKey, DAY_MS, HIVE_PREFIX, HOUR_MS, type ObjectCodec, parseArchiveKey, widestFirst } from './keys.ts';
import { holdsAll, type SeqRange, SeqSet } from './seq-set.ts';

/** One thing to read: a segment, an object, or one part of a day's object. */
export interface Piece {
  /** Path of a segment or key of an object. */
  name: string;
  kind: 'segment' | 'object';
  codec: ObjectCodec | 'plain';
  /** Empty when nobody knows: a day that the seed program wrote. */
  journal: string;
  epoch: string;
  first: number;
  /** Of the newest segment: no bound. */
  last: number;
  /** Arrival of its events lies in `[fromMs, untilMs)`. */
  fromMs: number;
  untilMs: number;
  /** To be read at most. For a segment: up to the durable mark. */
  bytes: number;
  /** Sequences of it that another piece tells. */
  told: SeqRange[];
  manifestKey?: string;
  indexKey?: string;
  /** Which of the manifest's parts. */
  part: number;
  /** No event is added to this segment any more. */
  closed?: boolean;
  /** Of a segment: so much of it, whole lines, was read before. */
  skipBytes?: number;
}

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

const MAX_CACHED_BYTES = 32 * 1024 * 1024;
const MANIFESTS_AHEAD = 32;
/** Days that are listed one by one. */
const MAX_DAYS = 40;
const LISTS_AT_ONCE = 8;
/** Years begin with 1 or 2. */
const DAY_PREFIXES = ['1', '2'];

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
  if (!own || (!isData && !remote && !(await holdsDays(dataDir)))) {
    throw new HydrantError('HYD_DATA_MISSING', `${dataDir} has neither a journal nor an archive`);
  }
  const folder = isData ? archiveDir : dataDir;
  const local = createFsStore(folder);
  const store = remote ? createUnionStore([{ name: folder, store: local }, remote]) : local;
  return new Catalogue({ store, journalDir });
}

async function holdsDays(dir: string): Promise<boolean> {
  for (const prefix of DAY_PREFIXES) for await (const { key } of createFsStore(dir).list(prefix)) if (parseArchiveKey(key)) return true;
  return false;
}

/** What there is to read: sealed objects and the segments that are not sealed yet, each event once. */
export class Catalogue {
  readonly store: ReadableStore;
  readonly #journalDir: string | undefined;
  readonly #manifests = new Map<string, { manifest: Manifest; bytes: number }>();
  readonly #loading = new Map<string, Promise<Manifest | undefined>>();
  #cachedBytes = 0;

  constructor(options: CatalogueOptions) {
    this.store = options.store;
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
    const days = groups.filter((group) => group.layout === 'daily' && isInRange(seedBounds(group.fromMs), options.range));
    for (const group of groups) {
      if (group.layout !== 'daily') continue;
      this.lookAhead(days, days.indexOf(group));
      for (const piece of await this.#dayPieces(group, options.range)) add(piece);
    }
    for (const group of hours) if (group.manifestKey) for (const piece of hourPieces(group)) add(piece);
    if (options.sealedFirst) for (const piece of segments) add(piece);
    for (const group of hours) if (!group.manifestKey) for (const piece of hourPieces(group)) add(piece);
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
  async #missingPieces(group: Group): Promise<Piece[]> {
    const manifest = await this.manifest(group);
    if (!manifest || manifest.object === null) return [];
    const piece = objectPiece(group, { ...NO_OBJECT, key: join(dirname(group.base), manifest.object) });
    return manifest.parts.map(({ journal, epoch, firstSeq: first, lastSeq: last }) => ({ ...piece, journal, epoch, first, last }));
  }

  /** The manifest of an object, from memory when it was read before. Undefined without one, or with one that cannot be read. */
  async manifest(piece: Pick<Piece, 'manifestKey'>): Promise<Manifest | undefined> {
    const key = piece.manifestKey;
    if (key === undefined) return undefined;
    const cached = this.#manifests.get(key);
    if (cached) {
      this.#manifests.delete(key);
      this.#manifests.set(key, cached);
      return cached.manifest;
    }
    let loading = this.#loading.get(key);
    if (!loading) {
      loading = this.#load(key).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** Begins to read the manifests that are wanted after `at`, a bounded number: a store far away does not set the pace then. */
  lookAhead(pieces: readonly Pick<Piece, 'manifestKey'>[], at: number, count = MANIFESTS_AHEAD): void {
    for (const piece of pieces.slice(at + 1, at + 1 + count)) this.manifest(piece).catch(() => {});
  }

  async #load(key: string): Promise<Manifest | undefined> {
    let bytes: Buffer;
    let manifest: Manifest;
    try {
      bytes = await this.store.get(key);
      manifest = decodeManifest(bytes, key);
    } catch (error) {
      if (error instanceof HydrantError && (error.code === 'HYD_MANIFEST' || error.code === 'HYD_OBJECT_MISSING')) return undefined;
      throw error;
    }
    this.#manifests.set(key, { manifest, bytes: bytes.length });
    this.#cachedBytes += bytes.length;
    for (const [oldest, { bytes: size }] of this.#manifests) {
      if (this.#cachedBytes <= MAX_CACHED_BYTES || oldest === key) break;
      this.#manifests.delete(oldest);
      this.#cachedBytes -= size;
    }
    return manifest;
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

  async #groups(range: TimeRange | undefined): Promise<Group[]> {
    const groups = new Map<string, Group>();
    const look = async (prefix: string): Promise<void> => {
      for await (const { key, bytes } of this.store.list(prefix)) {
        const parsed = parseArchiveKey(key);
        if (!parsed) continue;
        const group = groups.get(parsed.base) ?? { ...parsed, objects: [] };
        groups.set(parsed.base, group);
        if (parsed.file === 'object') group.objects.push({ key, bytes, codec: parsed.codec });
        else if (parsed.file === 'manifest') group.manifestKey = key;
        else if (parsed.file === 'index') group.indexKey = key;
      }
    };
    const hours = hourPrefixes(range);
    for (let i = 0; i < hours.length; i += LISTS_AT_ONCE) await Promise.all(hours.slice(i, i + LISTS_AT_ONCE).map(look));
    for (const prefix of DAY_PREFIXES) await look(prefix);
    return [...groups.values()].filter((group) => !isToldInWorkingFolder(group, groups));
  }

  async #dayPieces(group: Group, range: TimeRange | undefined): Promise<Piece[]> {
    const [object] = group.objects;
    if (!isInRange(seedBounds(group.fromMs), range)) return [{ ...objectPiece(group, object!), ...seedBounds(group.fromMs) }];
    const bounds = { fromMs: group.fromMs, untilMs: group.fromMs + DAY_MS };
    const manifest = await this.manifest(group);
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

type Group = ArchiveKey & {
  objects: { key: string; bytes: number; codec: ObjectCodec | 'plain' }[];
  manifestKey?: string;
  indexKey?: string;
};

function boundsOf({ layout, fromMs }: Group): { fromMs: number; untilMs: number } {
  return { fromMs, untilMs: fromMs + (layout === 'daily' ? DAY_MS : HOUR_MS) };
}

const NO_OBJECT = { key: '', bytes: 0, codec: 'plain' } as const;

function objectPiece(group: Group, object: Group['objects'][number]): Piece {
  return {
    name: object.key,
    kind: 'object',
    codec: object.codec,
    journal: '',
    epoch: '',
    first: 0,
    last: 0,
    fromMs: group.fromMs,
    untilMs: group.fromMs + HOUR_MS,
    bytes: object.bytes,
    told: [],
    manifestKey: group.manifestKey,
    indexKey: group.indexKey,
    part: 0,
  };
}

function hourPieces(group: Group): Piece[] {
  if (group.layout !== 'hive') return [];
  const { journal, epoch, first, last } = group;
  return group.objects.map((object) => ({ ...objectPiece(group, object), journal, epoch, first, last }));
}

/** The seed program may have died between the upload of a day and its removal from the working folder; what is there is read first. */
function isToldInWorkingFolder(group: Group, groups: ReadonlyMap<string, Group>): boolean {
  if (group.layout !== 'daily' || group.manifestKey !== undefined || !group.base.includes('/')) return false;
  return groups.has(basename(group.base));
}

/** The seed program takes the time when an event arrives and the file when it is written: near midnight they differ. */
function seedBounds(dayMs: number): { fromMs: number; untilMs: number } {
  return { fromMs: dayMs - HOUR_MS, untilMs: dayMs + DAY_MS + HOUR_MS };
}

/** Undefined when it is gone or nothing of it may be read. */
async function segmentPiece(file: SegmentFile, closed: boolean): Promise<Piece | undefined> {
  if (file.bytes === 0) return undefined;
  const ends = await readSegmentEnds(file.path, file.bytes).catch((error) => {
    if (systemCode(error) === 'ENOENT') return null;
    throw error;
  });
  if (ends === null) return undefined;
  // A segment holds one hour unless that is turned off; then its ends say nothing sure of what is between.
  const hourMs = ends ? Math.floor(ends.minMs / HOUR_MS) * HOUR_MS : Number.NaN;
  const oneHour = ends !== undefined && ends.maxMs >= hourMs && ends.maxMs < hourMs + HOUR_MS;
  return {
    name: file.path,
    kind: 'segment',
    codec: 'plain',
    journal: file.journal,
    epoch: file.epoch,
    first: file.first,
    last: file.last,
    fromMs: oneHour ? hourMs : Number.NEGATIVE_INFINITY,
    untilMs: oneHour ? hourMs + HOUR_MS : Number.POSITIVE_INFINITY,
    bytes: file.bytes,
    told: [],
    part: 0,
    closed,
  };
}

function isInRange(piece: { fromMs: number; untilMs: number }, range: TimeRange | undefined): boolean {
  return piece.untilMs > (range?.sinceMs ?? Number.NEGATIVE_INFINITY) && piece.fromMs < (range?.untilMs ?? Number.POSITIVE_INFINITY);
}

function inOrder(pieces: Piece[]): Piece[] {
  const begun = new Map<string, number>();
  for (const { journal, fromMs } of pieces) {
    if (journal !== '' && Number.isFinite(fromMs)) begun.set(journal, Math.min(fromMs, begun.get(journal) ?? Number.POSITIVE_INFINITY));
  }
  const rank = (piece: Piece): number => (piece.journal === '' ? piece.fromMs : (begun.get(piece.journal) ?? Number.MAX_SAFE_INTEGER));
  return pieces.sort((a, b) => rank(a) - rank(b) || compare(a.journal, b.journal) || a.first - b.first || compare(a.name, b.name));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
