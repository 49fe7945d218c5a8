import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, rm, stat, symlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import type { TimeRange } from '../../core/time-range.ts';
import type { Manifest } from '../../wire/manifest.ts';
import type { Catalogue } from '../catalogue.ts';
import { PieceGone } from '../chunks.ts';
import { DAY_MS } from '../keys.ts';
import type { Piece } from '../pieces.ts';
import { SeqSet } from '../seq-set.ts';
import { sha256Of } from '../sha256.ts';
import { mayMatch } from '../topic-digest.ts';
import { copyLines, type LineFiles } from './query-lines.ts';
import type { Damage } from './scan.ts';

export interface QueryFilesOptions {
  range: TimeRange;
  /** Events on other topics may be left out. Empty: none. */
  filters: readonly string[];
  /** Folders in which objects may lie under their keys, so that they need not be copied. */
  roots: readonly string[];
  signal?: AbortSignal;
  onProgress?: (progress: { bytesDone: number; bytesTotal: number }) => void;
  onDamaged?: (damage: Damage) => void;
}

/** What another program can read in place of the archive: each event once, damaged ones left out. */
export interface QueryFiles {
  /** Below `day=…/journal=…/epoch=…/` of the folder: archive lines, plain or packed as the name says. Oldest first. */
  lines: string[];
  parquet: string[];
  /** No line is longer. */
  maxLineBytes: number;
}

const TRIES = 5;
const AT_ONCE = 4;

/**
 * Brings together, in an empty folder, what may hold the events asked for. An object that is as its manifest says is linked, or fetched when
 * its store is elsewhere; of all else (segments, days that the seed program wrote, objects that another one tells in part or that are
 * damaged) the good lines are copied.
 * @throws HYD_ABORTED, HYD_STORE
 */
export async function gatherQueryFiles(catalogue: Catalogue, folder: string, options: QueryFilesOptions): Promise<QueryFiles> {
  return await new Gathering(catalogue, folder, options).run();
}

class Gathering {
  readonly #catalogue: Catalogue;
  readonly #folder: string;
  readonly #options: QueryFilesOptions;
  readonly #done = { sequences: new SeqSet(), names: new Set<string>() };
  readonly #found: { order: string; path: string; isParquet: boolean }[] = [];
  #maxLineBytes = 0;
  #bytesDone = 0;
  #bytesTotal = 0;
  #look = 0;

  constructor(catalogue: Catalogue, folder: string, options: QueryFilesOptions) {
    this.#catalogue = catalogue;
    this.#folder = folder;
    this.#options = options;
  }

  async run(): Promise<QueryFiles> {
    for (let missed: unknown = true; missed; ) {
      if (++this.#look > TRIES) throw (missed as PieceGone).cause;
      missed = await this.#gather();
    }
    this.#found.sort((a, b) => (a.order < b.order ? -1 : 1));
    const paths = (isParquet: boolean): string[] => this.#found.filter((file) => file.isParquet === isParquet).map(({ path }) => path);
    return { lines: paths(false), parquet: paths(true), maxLineBytes: this.#maxLineBytes };
  }

  /** Returns the failure when something moved on meanwhile: the rest is then looked for again. */
  async #gather(): Promise<unknown> {
    const { pieces } = await this.#catalogue.list({ range: this.#options.range, done: this.#done });
    this.#bytesTotal = this.#bytesDone + pieces.reduce((sum, piece) => sum + piece.bytes, 0);
    const names = Map.groupBy(pieces, ({ name }) => name);
    const queue = pieces.entries();
    let missed: unknown;
    const worker = async (): Promise<void> => {
      for (const [i, piece] of queue) {
        try {
          await this.#take(piece, `${this.#look}-${String(i).padStart(7, '0')}`, names.get(piece.name)!.length === 1);
        } catch (error) {
          if (!(error instanceof PieceGone)) throw error;
          missed = error;
        }
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    return missed;
  }

  async #take(piece: Piece, order: string, isWhole: boolean): Promise<void> {
    const { range, filters, signal } = this.#options;
    if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the search was stopped', { cause: signal.reason });
    const manifest = piece.kind === 'object' ? await this.#catalogue.manifest(piece.manifestKey) : undefined;
    if (!manifest || mayHold(manifest, range, filters)) {
      const fits = manifest && isWhole && piece.told.length === 0 && manifest.parts.length === 1 && !hasDamage(manifest);
      if (!fits || !(await this.#takeObject(piece, manifest, order))) await this.#copy(piece, order);
    }
    this.#bytesDone += piece.bytes;
    this.#options.onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
    if (piece.journal === '') this.#done.names.add(piece.name);
    else this.#done.sequences.add(piece.journal, piece.epoch, piece);
  }

  /** False when it is not what its manifest says. */
  async #takeObject(piece: Piece, manifest: Manifest, order: string): Promise<boolean> {
    const day = new Date(Math.floor(piece.fromMs / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
    const path = await this.#path(day, piece, `${order}.${ENDINGS[manifest.codec]}`);
    try {
      const isThere = await this.#bring(piece.name, manifest, path);
      if (!isThere) {
        await rm(path, { force: true });
        return false;
      }
    } catch (error) {
      await rm(path, { force: true });
      if (!(error instanceof HydrantError)) throw error;
      // What came damaged is read again, block by block; a store that is down says so then.
      if (error.code === 'HYD_STORE') return false;
      if (error.code === 'HYD_OBJECT_MISSING') throw new PieceGone(piece.name, { cause: error });
      throw error;
    }
    this.#found.push({ order, path, isParquet: manifest.codec === 'parquet' });
    this.#maxLineBytes = Math.max(this.#maxLineBytes, ...manifest.blocks.map(({ rawBytes }) => rawBytes));
    return true;
  }

  /** True when the object's bytes are at `path`, and are those of its manifest. */
  async #bring(key: string, manifest: Manifest, path: string): Promise<boolean> {
    const { roots, signal } = this.#options;
    for (const root of roots) {
      const from = join(root, key);
      if ((await stat(from).catch(() => undefined))?.size !== manifest.bytes || !(await linkTo(from, path))) continue;
      const hash = await sha256Of(createReadStream(path)).catch((error) => {
        // Only a symbolic link can lose its object meanwhile.
        if (systemCode(error) === 'ENOENT') return undefined;
        throw error;
      });
      return hash === manifest.sha256;
    }
    const hash = createHash('sha256');
    const { store } = this.#catalogue;
    async function* hashed(): AsyncGenerator<Buffer> {
      for await (const chunk of store.stream(key)) {
        hash.update(chunk);
        yield chunk;
      }
    }
    await pipeline(hashed(), createWriteStream(path, { mode: 0o600 }), { signal });
    return hash.digest('hex') === manifest.sha256;
  }

  async #copy(piece: Piece, order: string): Promise<void> {
    const written: LineFiles = { paths: [], maxLineBytes: 0 };
    try {
      const path = (day: string): Promise<string> => this.#path(day, piece, `${order}.ndjson`);
      await copyLines(this.#catalogue, piece, this.#options, path, written);
    } catch (error) {
      for (const path of written.paths) await rm(path, { force: true });
      throw error;
    }
    for (const path of written.paths) this.#found.push({ order, path, isParquet: false });
    this.#maxLineBytes = Math.max(this.#maxLineBytes, written.maxLineBytes);
  }

  async #path(day: string, { journal, epoch }: Piece, name: string): Promise<string> {
    const path = join(this.#folder, `day=${day}`, `journal=${journal || UNKNOWN}`, `epoch=${epoch || UNKNOWN}`, name);
    await makeFolder(dirname(path));
    return path;
  }
}

const ENDINGS: Record<Manifest['codec'], string> = { gzip: 'ndjson.gz', zstd: 'ndjson.zst', parquet: 'parquet' };
/** Hive's word for a value that nobody knows. */
const UNKNOWN = '__HIVE_DEFAULT_PARTITION__';

function mayHold({ minTs, maxTs, count, topics }: Manifest, { sinceMs, untilMs }: TimeRange, filters: readonly string[]): boolean {
  if (count === 0 || !mayMatch(topics, filters)) return false;
  if (sinceMs !== undefined && Date.parse(maxTs) < sinceMs) return false;
  return untilMs === undefined || Date.parse(minTs) < untilMs;
}

/** Lines that were damaged already when they were sealed are to be told of. */
function hasDamage(manifest: Manifest): boolean {
  return manifest.parts.some((part) => part.absent.some(({ reason }) => reason === 'damaged'));
}

/** A hard link outlives the removal of the object; where there can be none a symbolic one must do. False when the object has gone. */
async function linkTo(from: string, path: string): Promise<boolean> {
  try {
    await link(from, path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
  }
  await symlink(from, path);
  return true;
}
