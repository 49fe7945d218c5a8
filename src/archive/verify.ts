import { createHash } from 'node:crypto';
import { basename } from 'node:path';
import { errorText, HydrantError } from '../core/errors.ts';
import { readSegmentEnds } from '../journal/segment-files.ts';
import { decodeLine } from '../wire/line.ts';
import { decodeManifest, type Manifest } from '../wire/manifest.ts';
import type { Catalogue, Piece } from './catalogue.ts';
import { PieceGone, readPiece, wholeLines } from './chunks.ts';
import { unpackBlock } from './codec.ts';
import { covers } from './compose.ts';
import { type ArchiveKey, type Codec, DAY_MS, parseArchiveKey, QUARANTINE_PREFIX } from './keys.ts';
import { LineChecker, type LineFault } from './line-checker.ts';
import { holdsAll, SeqSet } from './seq-set.ts';
import { findFaults, type SequenceRun } from './sequence-check.ts';
import { unpackStream } from './unpack-stream.ts';

export type ProblemKind =
  /** Sequences that no object or segment of their epoch has, that two objects have, or that two epochs have. */
  | 'gap'
  | 'duplicate'
  | 'fork'
  /** A line without a good crc, a sequence out of order, or lines that were damaged already when they were sealed. */
  | 'damaged'
  | 'order'
  /** An object and its manifest: one without the other, or they do not agree. */
  | 'orphan-object'
  | 'orphan-manifest'
  | 'manifest'
  | 'size'
  | 'hash'
  | 'count'
  /** It cannot be unpacked to its end. */
  | 'unreadable'
  /** Content that was found where an archive object belongs and was set aside. */
  | 'quarantined';

export interface Problem {
  kind: ProblemKind;
  /** `YYYY-MM-DD`; empty when it belongs to none. */
  day: string;
  /** Path of a segment or key of an object. */
  name: string;
  detail: string;
  firstSeq?: number;
  lastSeq?: number;
}

export interface VerifiedDay {
  day: string;
  objects: number;
  segments: number;
  events: number;
  bytes: number;
  excluded: number;
  problems: number;
}

export interface VerifyResult {
  /** `partial`: something is missing, damaged or contradictory. */
  status: 'ok' | 'partial';
  objects: number;
  segments: number;
  events: number;
  days: VerifiedDay[];
  /** The first 10 000. */
  problems: Problem[];
  problemCount: number;
}

export interface VerifyOptions {
  signal?: AbortSignal;
  onProgress?: (progress: { bytesDone: number; bytesTotal: number; events: number }) => void;
}

const MAX_PROBLEMS = 10_000;

/**
 * Reads everything and compares: each manifest with its object, each line with its crc, each sequence with its neighbours.
 * Works beside a running server; what is being sealed at the moment is no problem.
 * @throws HYD_ABORTED, HYD_STORE
 */
export async function verifyArchive(catalogue: Catalogue, options: VerifyOptions = {}): Promise<VerifyResult> {
  return await new Verification(catalogue, options).run();
}

type Group = ArchiveKey & { objects: { key: string; bytes: number; codec: Codec | 'plain' }[]; manifestKey?: string };

class Verification {
  readonly #catalogue: Catalogue;
  readonly #options: VerifyOptions;
  readonly #days = new Map<string, VerifiedDay>();
  readonly #problems: Problem[] = [];
  readonly #runs: SequenceRun[] = [];
  readonly #composed: Manifest[] = [];
  readonly #withoutObject: { manifest: Manifest; key: string; day: string }[] = [];
  readonly #unsealedLines = new Map<string, number>();
  #segments: Piece[] = [];
  #problemCount = 0;
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(catalogue: Catalogue, options: VerifyOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
  }

  async run(): Promise<VerifyResult> {
    this.#segments = await this.#catalogue.segments();
    const groups = await this.#groups();
    const sizes = [...this.#segments.map((piece) => piece.bytes), ...groups.flatMap((group) => group.objects.map(({ bytes }) => bytes))];
    this.#bytesTotal = sizes.reduce((sum, bytes) => sum + bytes, 0);
    for (const piece of this.#segments) await this.#segment(piece);
    for (const group of groups) await this.#group(group);
    this.#countSegments();
    this.#findOrphans();
    for (const { kind, first, last, dayMs, name, other } of findFaults(this.#runs)) {
      const what = { gap: 'no object or segment has them; before them comes', duplicate: 'also in', fork: 'of another epoch are also in' }[
        kind
      ];
      this.#problem(kind, dayText(dayMs), name, `sequences ${first} to ${last}: ${what} ${basename(other)}`, first, last);
    }
    const days = [...this.#days.values()].sort((a, b) => (a.day < b.day ? -1 : 1));
    const sum = (key: 'objects' | 'segments' | 'events'): number => days.reduce((total, day) => total + day[key], 0);
    return {
      status: this.#problemCount === 0 ? 'ok' : 'partial',
      objects: sum('objects'),
      segments: sum('segments'),
      events: sum('events'),
      days,
      problems: this.#problems,
      problemCount: this.#problemCount,
    };
  }

  /** Days first: what they hold is left over, not twice, in an object that a crash or this moment has not removed yet. */
  async #groups(): Promise<Group[]> {
    const groups = new Map<string, Group>();
    for await (const { key, bytes } of this.#catalogue.store.list()) {
      const parsed = parseArchiveKey(key);
      if (!parsed) {
        if (key.startsWith(QUARANTINE_PREFIX))
          this.#problem('quarantined', '', key, 'other content was found where an archive object belongs');
        continue;
      }
      const group = groups.get(parsed.base) ?? { ...parsed, objects: [] };
      groups.set(parsed.base, group);
      if (parsed.file === 'object') group.objects.push({ key, bytes, codec: parsed.codec });
      else if (parsed.file === 'manifest') group.manifestKey = key;
    }
    const found = [...groups.values()].filter((group) => group.objects.length > 0 || group.manifestKey !== undefined);
    return [...found.filter((group) => group.layout === 'daily'), ...found.filter((group) => group.layout === 'hive')];
  }

  async #segment(piece: Piece): Promise<void> {
    const ends = await readSegmentEnds(piece.name, piece.bytes).catch(() => undefined);
    const last = Math.min(ends?.last ?? piece.first - 1, piece.last);
    const day = dayText(ends?.minMs ?? Number.NaN);
    const checker = new LineChecker(piece.first, [], (fault) => this.#lineFault(fault, day, piece.name));
    try {
      const chunks = await readPiece(this.#catalogue, piece, { filters: [], onDamagedBlock: () => {} });
      for await (const chunk of chunks ?? []) {
        const start = chunk.offset === 0 ? chunk.bytes.indexOf(10) + 1 : 0;
        checker.check(chunk.bytes, chunk.offset, start, piece.last);
        this.#progress(chunk.readBytes);
      }
    } catch (error) {
      if (error instanceof PieceGone) return;
      throw error;
    }
    checker.finish(last, piece.bytes);
    this.#count(day, { segments: 1, bytes: piece.bytes });
    if (last >= piece.first) {
      const { name, journal, epoch, first } = piece;
      this.#runs.push({ name, kind: 'segment', journal, epoch, first, last, dayMs: Date.parse(day) });
      this.#unsealedLines.set(name, checker.lines);
    }
  }

  /** A manifest without its object, unless others tell all of it: then a day is just being put together, or a crash ended that. */
  #findOrphans(): void {
    const told = new SeqSet();
    for (const run of this.#runs) told.add(run.journal, run.epoch, run);
    for (const { manifest, key, day } of this.#withoutObject) {
      const missing = manifest.parts.filter(({ journal, epoch, firstSeq, lastSeq }) => {
        const range = { first: firstSeq, last: lastSeq };
        return !holdsAll(told.overlap(journal, epoch, range), range);
      });
      for (const { firstSeq, lastSeq } of missing) {
        this.#problem('orphan-manifest', day, key, `its object ${manifest.object} is not there`, firstSeq, lastSeq);
      }
    }
  }

  /** Events of a segment count where no object has them. */
  #countSegments(): void {
    const sealed = new SeqSet();
    for (const run of this.#runs) if (run.kind === 'object') sealed.add(run.journal, run.epoch, run);
    for (const run of this.#runs) {
      if (run.kind !== 'segment') continue;
      const twice = sealed.overlap(run.journal, run.epoch, run).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      this.#count(dayText(run.dayMs), { events: Math.max(0, this.#unsealedLines.get(run.name)! - twice) });
    }
  }

  async #group(group: Group): Promise<void> {
    const day = dayText(group.fromMs);
    try {
      const manifest = group.manifestKey === undefined ? undefined : await this.#manifest(group.manifestKey, day);
      const own = manifest && group.objects.find(({ key }) => basename(key) === manifest.object);
      if (manifest) {
        if (group.layout === 'hive' && this.#composed.some((other) => covers(other, group))) return;
        if (!own && manifest.object !== null) this.#withoutObject.push({ manifest, key: group.manifestKey!, day });
        else {
          if (group.layout === 'daily') this.#composed.push(manifest);
          this.#addRuns(group, manifest, day);
          if (own) await this.#object(own, manifest, day);
        }
      }
      const foreign = group.objects.filter((object) => object !== own);
      const trusted = foreign.find(({ codec }) => codec === 'plain') ?? foreign[0];
      if (trusted) await this.#unsealed(group, trusted, day);
    } catch (error) {
      // Removed or put together meanwhile.
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_MISSING') throw error;
    }
  }

  async #manifest(key: string, day: string): Promise<Manifest | undefined> {
    try {
      return decodeManifest(await this.#catalogue.store.get(key), key);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_MANIFEST') throw error;
      this.#problem('manifest', day, key, error.message);
      return undefined;
    }
  }

  #addRuns(group: Group, manifest: Manifest, day: string): void {
    for (const { journal, epoch, firstSeq, lastSeq, absent } of manifest.parts) {
      const name = group.objects[0]?.key ?? group.manifestKey!;
      this.#runs.push({ name, kind: 'object', journal, epoch, first: firstSeq, last: lastSeq, dayMs: group.fromMs });
      for (const { first, last, reason } of absent) {
        if (reason === 'damaged')
          this.#problem('damaged', day, name, `sequences ${first} to ${last} were damaged when they were sealed`, first, last);
        else this.#count(day, { excluded: last - first + 1 });
      }
    }
  }

  async #object(object: Group['objects'][number], manifest: Manifest, day: string): Promise<void> {
    const { key, bytes } = object;
    this.#count(day, { objects: 1, bytes });
    if (bytes !== manifest.bytes) this.#problem('size', day, key, `it has ${bytes} bytes, its manifest says ${manifest.bytes}`);
    const hash = createHash('sha256');
    const rawHash = createHash('sha256');
    let offset = 0;
    let lines = 0;
    for (const [part, { firstSeq, lastSeq, absent }] of manifest.parts.entries()) {
      const checker = new LineChecker(firstSeq, absent, (fault) => this.#lineFault(fault, day, key));
      for (const block of manifest.blocks.filter((own) => own.part === part)) {
        const packed = await this.#catalogue.store.get(key, { start: block.offset, end: block.offset + block.bytes });
        hash.update(packed);
        this.#progress(packed.length);
        try {
          const raw = unpackBlock(packed, manifest.codec, block.rawBytes);
          rawHash.update(raw);
          checker.check(raw, offset);
        } catch (error) {
          checker.skipDamaged();
          this.#problem('unreadable', day, key, `the block at ${block.offset}: ${errorText(error)}`, block.firstSeq);
        }
        offset += block.rawBytes;
      }
      checker.finish(lastSeq, offset);
      lines += checker.lines;
    }
    this.#count(day, { events: lines });
    if (lines !== manifest.count) this.#problem('count', day, key, `it has ${lines} readable lines, its manifest says ${manifest.count}`);
    if (hash.digest('hex') !== manifest.sha256) this.#problem('hash', day, key, 'its sha256 is not the one in its manifest');
    else if (rawHash.digest('hex') !== manifest.rawSha256)
      this.#problem('hash', day, key, 'the sha256 of its lines is not the one in its manifest');
  }

  /** An object without a manifest: a day that the seed program wrote, one that is just being sealed, or an orphan. */
  async #unsealed(group: Group, object: Group['objects'][number], day: string): Promise<void> {
    const { key, bytes, codec } = object;
    if (group.layout === 'hive') {
      const { journal, epoch, first, last, fromMs: dayMs } = group;
      const inJournal = this.#segments.some((own) => own.epoch === epoch && own.first <= first && own.last >= last);
      if (inJournal || this.#composed.some((other) => covers(other, group))) return;
      this.#runs.push({ name: key, kind: 'object', journal, epoch, first, last, dayMs });
      this.#problem('orphan-object', day, key, 'it has no manifest', first, last);
    }
    this.#count(day, { objects: 1, bytes });
    let events = 0;
    let sequenced = false;
    try {
      for await (const chunk of wholeLines(unpackStream(this.#catalogue.store.stream(key), codec))) {
        for (let start = 0; start < chunk.bytes.length; ) {
          const newline = chunk.bytes.indexOf(10, start);
          const end = newline === -1 ? chunk.bytes.length : newline;
          try {
            sequenced ||= decodeLine(chunk.bytes, start, end).seq > 0;
            events++;
          } catch (error) {
            this.#problem('damaged', day, key, `at ${chunk.offset + start}: ${errorText(error)}`);
          }
          start = end + 1;
        }
      }
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_DAMAGED') throw error;
      this.#problem('unreadable', day, key, error.message);
    }
    this.#progress(bytes);
    this.#count(day, { events });
    if (sequenced && group.layout === 'daily') this.#problem('orphan-object', day, key, 'its lines have sequences, but it has no manifest');
  }

  #lineFault({ kind, offset, first, last }: LineFault, day: string, name: string): void {
    const what = {
      damaged: `the line at ${offset} has no good crc`,
      gap: `sequences ${first} to ${last} are missing before ${offset}`,
      order: `sequence ${first} at ${offset} comes late or twice`,
    }[kind];
    this.#problem(kind, day, name, what, first, last);
  }

  #problem(kind: ProblemKind, day: string, name: string, detail: string, firstSeq?: number, lastSeq?: number): void {
    this.#problemCount++;
    if (this.#problems.length < MAX_PROBLEMS) {
      this.#problems.push({
        kind,
        day,
        name,
        detail,
        ...(firstSeq !== undefined && { firstSeq }),
        ...(lastSeq !== undefined && { lastSeq }),
      });
    }
    if (day !== '') this.#count(day, { problems: 1 });
  }

  #count(day: string, more: Partial<Omit<VerifiedDay, 'day'>>): void {
    if (day === '') return;
    const sums = this.#days.get(day) ?? { day, objects: 0, segments: 0, events: 0, bytes: 0, excluded: 0, problems: 0 };
    this.#days.set(day, sums);
    for (const [key, count] of Object.entries(more) as [keyof typeof more, number][]) sums[key] += count;
  }

  #progress(bytes: number): void {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the check was stopped', { cause: signal.reason });
    this.#bytesDone += bytes;
    const events = [...this.#days.values()].reduce((sum, day) => sum + day.events, 0);
    onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal, events });
  }
}

function dayText(ms: number): string {
  return Number.isNaN(ms) ? '' : new Date(Math.floor(ms / DAY_MS) * DAY_MS).toISOString().slice(0, 10);
}
