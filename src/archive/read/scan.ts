import { errorText, HydrantError } from '../../core/errors.ts';
import { readSegmentEnds } from '../../journal/segment-files.ts';
import { assertFilter } from '../../wire/topic.ts';
import type { Catalogue, Listing } from '../catalogue.ts';
import { PieceGone } from '../chunks.ts';
import type { Piece } from '../pieces.ts';
import { SeqSet } from '../seq-set.ts';
import { LineMatcher, type MatchCounts, type MatchOptions, type ScanRecord } from './line-matcher.ts';
import { readPiece } from './read-piece.ts';

/** Something that could not be read and was left out. */
export interface Damage {
  /** Path of a segment or key of an object. */
  name: string;
  /** Where in its uncompressed lines. */
  offset: number;
  /** 0 when nobody knows how many. */
  lines: number;
  reason: string;
}

export interface ScanStatistics extends MatchCounts {
  objectsScanned: number;
  objectsSkipped: number;
  /** Lines that could not be read, and objects that could not be read to their end. */
  damaged: number;
}

interface ScanProgress extends Readonly<ScanStatistics> {
  bytesDone: number;
  bytesTotal: number;
}

export interface ScanOptions extends MatchOptions {
  signal?: AbortSignal;
  onProgress?: (progress: ScanProgress) => void;
  onDamaged?: (damage: Damage) => void;
  /** When all there is was read: resolves when to look for what has come since. Default: the scan ends there. */
  follow?: () => Promise<void>;
}

/**
 * Reads events in the order of their sequences, sealed and not yet sealed ones alike, each once. What is damaged is told of,
 * counted and left out. Iterate once.
 * @throws HYD_FILTER here; while iterating HYD_ABORTED, HYD_STORE and the system's errors
 */
export function scan(catalogue: Catalogue, options: ScanOptions = {}): Scan {
  for (const filter of options.filters ?? []) assertFilter(filter);
  return new Scan(catalogue, options);
}

const TRIES = 5;
/** Manifests read, and pieces begun, before their turn; fewer at first, for a search that ends early. */
const MANIFESTS_AHEAD = 32;
const PIECES_AHEAD = 4;

/** A piece whose manifest is being looked at before its turn; what is found damaged then is told when it has come. */
interface BegunPiece {
  chunks: ReturnType<typeof readPiece>;
  early: Damage[];
  onDamage: (damage: Damage) => void;
}

export class Scan implements AsyncIterable<ScanRecord[]> {
  readonly statistics: ScanStatistics = { objectsScanned: 0, objectsSkipped: 0, linesScanned: 0, linesMatched: 0, damaged: 0 };
  readonly #catalogue: Catalogue;
  readonly #options: ScanOptions;
  readonly #matcher: LineMatcher;
  readonly #done = { sequences: new SeqSet(), names: new Set<string>() };
  readonly #begun = new Map<Piece, BegunPiece>();
  readonly #lost = new Set<string>();
  /** Of segments that grow, with `follow`. */
  readonly #readBytes = new Map<string, number>();
  #piecesDone = 0;
  #journal: string | undefined;
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(catalogue: Catalogue, options: ScanOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
    this.#journal = options.journal;
    this.#matcher = new LineMatcher(options, this.statistics, ({ name }, offset, reason) =>
      this.#damage({ name, offset, lines: 1, reason }),
    );
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<ScanRecord[]> {
    const { follow } = this.#options;
    for (let first = true; first || (follow && !this.statistics.stopped); first = false) {
      if (!first) await follow!();
      yield* this.#readAll(await this.#list(first));
    }
  }

  async *#readAll(pieces: Piece[]): AsyncGenerator<ScanRecord[]> {
    let misses = 0;
    for (let i = 0; i < pieces.length && !this.statistics.stopped; i++) {
      this.#lookAhead(pieces, i);
      try {
        for await (const records of this.#read(pieces[i]!)) {
          misses = 0;
          if (records.length > 0) yield records;
        }
      } catch (error) {
        if (!(error instanceof PieceGone)) throw error;
        if (++misses <= TRIES) {
          this.#begun.clear();
          pieces = await this.#list(false);
          i = -1;
        } else await this.#leaveOut(pieces[i]!, error.cause);
      }
    }
  }

  #lookAhead(pieces: Piece[], at: number): void {
    const done = this.#piecesDone++;
    this.#catalogue.lookAhead(pieces, at, Math.min(done * 4, MANIFESTS_AHEAD));
    for (const piece of pieces.slice(at, at + 1 + Math.min(done, PIECES_AHEAD))) {
      if (!this.#begun.has(piece)) this.#begun.set(piece, this.#begin(piece));
    }
  }

  #begin(piece: Piece): BegunPiece {
    const { filters = [], sinceMs, untilMs, sinceNs, untilNs, fromSeq, toSeq } = this.#options;
    const early: Damage[] = [];
    const begun: BegunPiece = { early, chunks: Promise.resolve(undefined), onDamage: (damage) => early.push(damage) };
    begun.chunks = readPiece(this.#catalogue, piece, {
      filters,
      sinceMs,
      untilMs,
      sinceNs,
      untilNs,
      fromSeq,
      toSeq,
      onDamagedBlock: (offset, lines, { message: reason }) => begun.onDamage({ name: piece.name, offset, lines, reason }),
    });
    begun.chunks.catch(() => {});
    return begun;
  }

  async #list(first: boolean): Promise<Piece[]> {
    const { sinceMs, untilMs, fromSeq = 0, toSeq } = this.#options;
    const look = (): Promise<Listing> => this.#catalogue.list({ range: { sinceMs, untilMs }, done: this.#done });
    let listing = await look();
    // What is just being put together may be seen half: the second look decides.
    if (listing.missing.some(({ name }) => !this.#lost.has(name))) listing = await look();
    const { pieces, outside, missing } = listing;
    for (const { name, first: firstSeq, last, journal } of missing) {
      if (this.#lost.has(name) || (this.#journal !== undefined && journal !== this.#journal)) continue;
      this.#lost.add(name);
      const reason = `it is not there, though its manifest is; it held the sequences ${firstSeq} to ${last}`;
      this.#damage({ name, offset: 0, lines: 0, reason });
    }
    const bySeq = this.#options.fromSeq !== undefined || toSeq !== undefined;
    if (first && bySeq) this.#journal ??= pieces.findLast((piece) => piece.journal !== '')?.journal ?? '';
    const wanted = pieces.filter(
      (piece) =>
        this.#readBytes.get(piece.name) !== piece.bytes &&
        (this.#journal === undefined || piece.journal === this.#journal) &&
        piece.last >= fromSeq &&
        (toSeq === undefined || piece.first < toSeq),
    );
    for (const piece of wanted) piece.skipBytes = this.#readBytes.get(piece.name);
    if (first) this.statistics.objectsSkipped = outside + pieces.length - wanted.length;
    this.#bytesTotal = this.#bytesDone + wanted.reduce((sum, piece) => sum + piece.bytes, 0);
    return wanted;
  }

  async *#read(piece: Piece): AsyncGenerator<ScanRecord[]> {
    const { signal, onProgress } = this.#options;
    const stats = this.statistics;
    const doneBefore = this.#bytesDone;
    const begun = this.#begun.get(piece)!;
    this.#begun.delete(piece);
    const chunks = await begun.chunks;
    begun.onDamage = (damage) => this.#damage(damage);
    for (const damage of begun.early) this.#damage(damage);
    try {
      for await (const chunk of chunks ?? []) {
        if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the scan was stopped', { cause: signal.reason });
        const records = this.#matcher.match(piece, chunk);
        this.#bytesDone = Math.min(doneBefore + piece.bytes, this.#bytesDone + chunk.readBytes);
        onProgress?.({ ...stats, bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
        // Told of as done before it is given: who stops here has it.
        if (chunk.through !== undefined) this.#done.sequences.add(piece.journal, piece.epoch, { first: piece.first, last: chunk.through });
        yield records;
        if (stats.stopped) break;
      }
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_DAMAGED') throw error;
      this.#damage({ name: piece.name, offset: 0, lines: 0, reason: error.message });
    }
    if (chunks) stats.objectsScanned++;
    else stats.objectsSkipped++;
    this.#bytesDone = doneBefore + piece.bytes;
    await this.#isDone(piece);
  }

  /** An object that is listed and cannot be had: the rest is read all the same. */
  async #leaveOut(piece: Piece, error: unknown): Promise<void> {
    this.#damage({ name: piece.name, offset: 0, lines: 0, reason: errorText(error) });
    await this.#isDone(piece);
  }

  async #isDone(piece: Piece): Promise<void> {
    let { last } = piece;
    if (this.#options.follow && piece.kind === 'segment') {
      // More will be written to it: what was read of it ends before that.
      const ends = await readSegmentEnds(piece.name, piece.bytes).catch(() => undefined);
      last = Math.min(last, ends?.last ?? piece.first - 1);
      this.#readBytes.set(piece.name, piece.bytes);
    }
    if (piece.journal === '') this.#done.names.add(piece.name);
    else if (last >= piece.first) this.#done.sequences.add(piece.journal, piece.epoch, { first: piece.first, last });
  }

  #damage(damage: Damage): void {
    this.statistics.damaged += Math.max(1, damage.lines);
    this.#options.onDamaged?.(damage);
  }
}
