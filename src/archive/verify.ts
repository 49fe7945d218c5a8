import { basename } from 'node:path';
import { HydrantError } from '../core/errors.ts';
import { decodeManifest, type Manifest } from '../wire/manifest.ts';
import type { Catalogue, Piece } from './catalogue.ts';
import { PieceGone } from './chunks.ts';
import { covers } from './find-sealed.ts';
import { type ArchiveKey, parseArchiveKey, QUARANTINE_PREFIX, widestFirst } from './keys.ts';
import { holdsAll, SeqSet } from './seq-set.ts';
import { findFaults, type SequenceRun } from './sequence-check.ts';
import { type StoredObject, type VerifyContext, verifyObject, verifyPlain, verifySegment } from './verify-content.ts';
import { dayText, VerifyReport, type VerifyResult } from './verify-report.ts';

interface VerifyOptions {
  signal?: AbortSignal;
  onProgress?: (progress: { bytesDone: number; bytesTotal: number }) => void;
}

/**
 * Reads everything and compares: each manifest with its object, each line with its crc, each sequence with its neighbours.
 * Works beside a running server; what is being sealed at the moment is no problem.
 * @throws HYD_ABORTED, HYD_STORE
 */
export async function verifyArchive(catalogue: Catalogue, options: VerifyOptions = {}): Promise<VerifyResult> {
  return await new Verification(catalogue, options).run();
}

type Group = ArchiveKey & { objects: StoredObject[]; manifestKey?: string };

const MAX_LOOKS = 5;

class Verification {
  readonly #catalogue: Catalogue;
  readonly #report = new VerifyReport();
  readonly #options: VerifyOptions;
  readonly #context: VerifyContext;
  readonly #runs: SequenceRun[] = [];
  readonly #segmentLines = new Map<string, number>();
  readonly #composed: Manifest[] = [];
  /** The object of an hour that was read last. */
  #compacted: { manifest: Manifest; fromMs: number } | undefined;
  readonly #withoutObject: { manifest: Manifest; key: string; day: string }[] = [];
  readonly #seen = new Set<string>();
  #missed = false;
  #segments: Piece[] = [];
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(catalogue: Catalogue, options: VerifyOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
    this.#context = { report: this.#report, onRead: (bytes) => this.#progress(bytes) };
  }

  async run(): Promise<VerifyResult> {
    for (let look = 1; look === 1 || (this.#missed && look <= MAX_LOOKS); look++) {
      this.#missed = false;
      await this.#look();
    }
    this.#countSegments();
    this.#findOrphans();
    for (const { kind, first, last, dayMs, name, other } of findFaults(this.#runs)) {
      const what = { gap: 'no object or segment has them; before them comes', duplicate: 'also in', fork: 'of another epoch are also in' }[
        kind
      ];
      this.#report.problem(kind, dayText(dayMs), name, `sequences ${first} to ${last}: ${what} ${basename(other)}`, first, last);
    }
    return this.#report.result();
  }

  /** Reads all that was not seen before. What moves on meanwhile (is sealed, put into its day) is looked for again. */
  async #look(): Promise<void> {
    const isNew = (name: string): boolean => !this.#seen.has(name);
    this.#segments = await this.#catalogue.segments();
    const segments = this.#segments.filter((piece) => isNew(piece.name));
    const groups = (await this.#groups()).filter((group) => isNew(group.base));
    const sizes = [...segments, ...groups.flatMap((group) => group.objects)].map(({ bytes }) => bytes);
    this.#bytesTotal = sizes.reduce((sum, bytes) => sum + bytes, this.#bytesDone);
    for (const piece of segments) await this.#segment(piece);
    for (const group of groups) await this.#group(group);
  }

  /** Days, and what hours were put together to, first: what they hold is left over, not twice, in an object that is not removed yet. */
  async #groups(): Promise<Group[]> {
    const groups = new Map<string, Group>();
    for await (const { key, bytes } of this.#catalogue.store.list()) {
      const parsed = parseArchiveKey(key);
      if (!parsed) {
        if (key.startsWith(QUARANTINE_PREFIX) && !this.#seen.has(key)) {
          this.#seen.add(key);
          this.#report.problem('quarantined', '', key, 'other content was found where an archive object belongs');
        }
        continue;
      }
      const group = groups.get(parsed.base) ?? { ...parsed, objects: [] };
      groups.set(parsed.base, group);
      if (parsed.file === 'object') group.objects.push({ key, bytes, codec: parsed.codec });
      else if (parsed.file === 'manifest') group.manifestKey = key;
    }
    const found = [...groups.values()].filter((group) => group.objects.length > 0 || group.manifestKey !== undefined);
    return [...found.filter((group) => group.layout === 'daily'), ...found.filter((group) => group.layout === 'hive').sort(widestFirst)];
  }

  async #segment(piece: Piece): Promise<void> {
    const { name, journal, epoch, first } = piece;
    this.#seen.add(name);
    try {
      const { last, dayMs, lines } = await verifySegment(this.#catalogue, piece, this.#context);
      this.#segmentLines.set(name, lines);
      if (last >= first) this.#runs.push({ name, kind: 'segment', journal, epoch, first, last, dayMs });
    } catch (error) {
      if (!(error instanceof PieceGone)) throw error;
      this.#missed = true;
    }
  }

  async #group(group: Group): Promise<void> {
    const day = dayText(group.fromMs);
    this.#seen.add(group.base);
    try {
      const manifest = group.manifestKey === undefined ? undefined : await this.#manifest(group.manifestKey, day);
      const own = manifest && group.objects.find(({ key }) => basename(key) === manifest.object);
      if (manifest) {
        if (this.#isLeftOver(group)) return;
        if (own || manifest.object === null) {
          if (own) await verifyObject(this.#catalogue.store, own, manifest, day, this.#context);
          if (group.layout === 'daily') this.#composed.push(manifest);
          else if (own?.bytes === manifest.bytes) this.#compacted = { manifest, fromMs: group.fromMs };
          this.#addRuns(group, manifest, day);
        } else this.#withoutObject.push({ manifest, key: group.manifestKey!, day });
      }
      const foreign = group.objects.filter((object) => object !== own);
      const trusted = foreign.find(({ codec }) => codec === 'plain') ?? foreign[0];
      if (trusted) await this.#withoutManifest(group, trusted, day);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_MISSING') throw error;
      this.#missed = true;
    }
  }

  #isLeftOver(group: Group): boolean {
    if (group.layout === 'daily') return false;
    if (this.#compacted?.fromMs === group.fromMs && covers(this.#compacted.manifest, group)) return true;
    return this.#composed.some((other) => covers(other, group));
  }

  async #manifest(key: string, day: string): Promise<Manifest | undefined> {
    try {
      return decodeManifest(await this.#catalogue.store.get(key), key);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_MANIFEST') throw error;
      this.#report.problem('manifest', day, key, error.message);
      return undefined;
    }
  }

  #addRuns(group: Group, manifest: Manifest, day: string): void {
    const name = group.objects[0]?.key ?? group.manifestKey!;
    for (const { journal, epoch, firstSeq, lastSeq, absent } of manifest.parts) {
      this.#runs.push({ name, kind: 'object', journal, epoch, first: firstSeq, last: lastSeq, dayMs: group.fromMs });
      for (const { first, last, reason } of absent) {
        if (reason === 'excluded') this.#report.count(day, { excluded: last - first + 1 });
        else this.#report.problem('damaged', day, name, `sequences ${first} to ${last} were damaged when they were sealed`, first, last);
      }
    }
  }

  /** A day that the seed program wrote, an object that is just being sealed, or an orphan. */
  async #withoutManifest(group: Group, object: StoredObject, day: string): Promise<void> {
    const { key } = object;
    if (group.layout === 'hive') {
      const { journal, epoch, first, last, fromMs: dayMs } = group;
      const inJournal = this.#segments.some((own) => own.epoch === epoch && own.first <= first && own.last >= last);
      if (inJournal || this.#isLeftOver(group)) return;
      this.#runs.push({ name: key, kind: 'object', journal, epoch, first, last, dayMs });
      this.#report.problem('orphan-object', day, key, 'it has no manifest', first, last);
    }
    const sequenced = await verifyPlain(this.#catalogue.store, object, day, this.#context);
    if (sequenced && group.layout === 'daily') {
      this.#report.problem('orphan-object', day, key, 'its lines have sequences, but it has no manifest');
    }
  }

  /** A manifest without its object, unless others tell all of it: then a day is just being put together, or a crash ended that. */
  #findOrphans(): void {
    const told = new SeqSet();
    for (const run of this.#runs) told.add(run.journal, run.epoch, run);
    for (const { manifest, key, day } of this.#withoutObject) {
      for (const { journal, epoch, firstSeq, lastSeq } of manifest.parts) {
        const range = { first: firstSeq, last: lastSeq };
        if (holdsAll(told.overlap(journal, epoch, range), range)) continue;
        this.#report.problem('orphan-manifest', day, key, `its object ${manifest.object} is not there`, firstSeq, lastSeq);
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
      this.#report.count(dayText(run.dayMs), { events: Math.max(0, this.#segmentLines.get(run.name)! - twice) });
    }
  }

  #progress(bytes: number): void {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the check was stopped', { cause: signal.reason });
    this.#bytesDone += bytes;
    onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
  }
}
