import { basename } from 'node:path';
import { HydrantError } from '../../core/errors.ts';
import { readSegmentHeader } from '../../journal/segment-files.ts';
import type { ReadableStore } from '../../storage/store.ts';
import type { NamedStore } from '../../storage/union.ts';
import { decodeManifest, type Manifest } from '../../wire/manifest.ts';
import type { EpochStart } from '../../wire/segment.ts';
import { type ArchiveGroup, covers, listDays, listHours, type StoredObject } from '../archive-groups.ts';
import type { Catalogue } from '../catalogue.ts';
import { PieceGone } from '../chunks.ts';
import { QUARANTINE_PREFIX } from '../keys.ts';
import { lookAhead } from '../look-ahead.ts';
import type { Piece } from '../pieces.ts';
import { holdsAll, type SeqRange, SeqSet } from '../seq-set.ts';
import { type EpochEnd, findFaults, mergeRuns, type SequenceRun } from './sequence-check.ts';
import { type VerifyContext, verifyObject, verifyPlain, verifySegment } from './verify-content.ts';
import { VerifyNotes } from './verify-notes.ts';
import { dayText, VerifyReport, type VerifyResult } from './verify-report.ts';

interface VerifyOptions {
  /** When the catalogue is of a local store and another one: both, so that objects that are in both are read in both. */
  copies?: { local: ReadableStore; other: NamedStore };
  signal?: AbortSignal;
  onProgress?: (progress: { bytesDone: number; bytesTotal: number }) => void;
}

/**
 * Reads everything and compares: each manifest with its object, each line with its crc, each sequence with its neighbours, each epoch with
 * where the next one says that it ended. Works beside a running server; what is being sealed at the moment is no problem. What is
 * remembered does not grow with the archive, save for a day's parts and what is wrong.
 * @throws HYD_ABORTED, HYD_STORE
 */
export async function verifyArchive(catalogue: Catalogue, options: VerifyOptions = {}): Promise<VerifyResult> {
  return await new Verification(catalogue, options).run();
}

const MAX_LOOKS = 5;
const MAX_RUNS = 20_000;

class Verification {
  readonly #catalogue: Catalogue;
  readonly #report = new VerifyReport();
  readonly #options: VerifyOptions;
  readonly #context: VerifyContext;
  #runs: SequenceRun[] = [];
  readonly #ends: EpochEnd[] = [];
  readonly #segmentLines = new Map<string, number>();
  /** What days tell. */
  readonly #composed = new SeqSet();
  /** The object of an hour that was read last. */
  #compacted: { manifest: Manifest; fromMs: number } | undefined;
  readonly #withoutObject: { manifest: Manifest; key: string; day: string }[] = [];
  /** Manifests of the next hours, under way. */
  readonly #fetched = new Map<string, Promise<Buffer>>();
  readonly #seen = { names: new Set<string>(), hours: new SeqSet() };
  #look = 0;
  #missed = false;
  #segments: Piece[] = [];
  #bytesDone = 0;
  #bytesTotal = 0;

  constructor(catalogue: Catalogue, options: VerifyOptions) {
    this.#catalogue = catalogue;
    this.#options = options;
    this.#context = { report: this.#report, notes: new VerifyNotes(this.#report), onRead: (bytes) => this.#progress(bytes) };
  }

  async run(): Promise<VerifyResult> {
    while (this.#look === 0 || (this.#missed && this.#look < MAX_LOOKS)) {
      this.#missed = false;
      this.#look++;
      await this.#readNew();
    }
    this.#countSegments();
    this.#findOrphans();
    for (const { kind, first, last, dayMs, name, other } of findFaults(this.#runs, this.#ends)) {
      const what = {
        gap: 'no object or segment has them; before them comes',
        duplicate: 'also in',
        fork: 'of another epoch are also in',
        end: 'no object or segment has them, and that there were so many says',
      }[kind];
      const detail = `sequences ${first} to ${last}: ${what} ${basename(other)}`;
      this.#report.problem(kind === 'end' ? 'gap' : kind, dayText(dayMs), name, detail, first, last);
    }
    return this.#report.result();
  }

  /** Reads all that was not seen before. What moves on meanwhile (is sealed, put into its day) is looked for again. */
  async #readNew(): Promise<void> {
    const { store } = this.#catalogue;
    this.#segments = await this.#catalogue.segments();
    await this.#measure();
    for (const piece of this.#segments) if (this.#isNew(piece.name)) await this.#segment(piece);
    for await (const { key } of store.list(QUARANTINE_PREFIX)) {
      if (this.#isNew(key)) this.#report.problem('quarantined', '', key, 'other content was found where an archive object belongs');
    }
    // Days first: what they hold is left over, not twice, in an hour's object that is not removed yet.
    for await (const group of listDays(store)) if (this.#isNew(group.base)) await this.#group(group);
    for await (const group of lookAhead(listHours(store), (next) => this.#fetchManifest(next))) {
      if (this.#isNewHour(group)) await this.#group(group);
      if (group.manifest) this.#fetched.delete(group.manifest.key);
    }
    // Hours that were put into their day before they were listed.
    for await (const group of listDays(store)) if (this.#isNew(group.base)) await this.#group(group);
  }

  async #measure(): Promise<void> {
    if (!this.#options.onProgress) return;
    this.#bytesTotal = this.#segments.reduce((sum, { bytes }) => sum + bytes, this.#bytesDone);
    for (const groups of [listDays, listHours]) {
      for await (const { objects } of groups(this.#catalogue.store)) for (const { bytes } of objects) this.#bytesTotal += bytes;
    }
  }

  #isNew(name: string): boolean {
    if (this.#seen.names.has(name)) return false;
    this.#seen.names.add(name);
    return true;
  }

  /** In the first look all are. */
  #isNewHour(group: ArchiveGroup): boolean {
    if (group.layout !== 'hive') return false;
    const { journal, epoch } = group;
    return this.#look === 1 || !holdsAll(this.#seen.hours.overlap(journal, epoch, group), group);
  }

  async #segment(piece: Piece): Promise<void> {
    const { name, journal, epoch, first } = piece;
    try {
      const { last, dayMs, lines } = await verifySegment(this.#catalogue, piece, this.#context);
      this.#segmentLines.set(name, lines);
      if (last >= first) this.#runs.push({ name, kind: 'segment', journal, epoch, first, last, dayMs });
      const header = await readSegmentHeader(name).catch(() => undefined);
      this.#addEnd(journal, header?.header?.start, name, dayMs);
    } catch (error) {
      if (!(error instanceof PieceGone)) throw error;
      this.#missed = true;
    }
  }

  async #group(group: ArchiveGroup): Promise<void> {
    const day = dayText(group.fromMs);
    try {
      const manifest = group.manifest && (await this.#manifest(group.manifest.key, day));
      const own = manifest && group.objects.find(({ key }) => basename(key) === manifest.object);
      if (manifest) {
        if (this.#isLeftOver(group)) return;
        if (own || manifest.object === null) {
          const events = own ? await this.#object(own, manifest, day) : 0;
          if (group.layout === 'daily') this.#noteDay(manifest);
          else if (own?.bytes === manifest.bytes) this.#compacted = { manifest, fromMs: group.fromMs };
          if (group.layout === 'daily' || this.#look > 1) this.#forgetParts(group, manifest, day);
          this.#addRuns(group, manifest, day, events);
        } else this.#withoutObject.push({ manifest, key: group.manifest!.key, day });
      }
      const foreign = group.objects.filter((object) => object !== own);
      const trusted = foreign.find(({ codec }) => codec === 'plain') ?? foreign[0];
      if (trusted) await this.#withoutManifest(group, trusted, day);
      if (group.layout === 'hive') this.#seen.hours.add(group.journal, group.epoch, group);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_OBJECT_MISSING') throw error;
      this.#missed = true;
    }
  }

  async #object(object: StoredObject, manifest: Manifest, day: string): Promise<number> {
    const events = await verifyObject(this.#catalogue.store, object, manifest, day, this.#context);
    this.#report.count(day, { objects: 1, bytes: object.bytes, events });
    const { copies } = this.#options;
    if (!copies || !(await copies.local.head(object.key))) return events;
    const { name, store } = copies.other;
    const copy = await store.head(object.key);
    if (!copy) return events;
    const nameOf = (key: string): string => `${name}/${key}`;
    await verifyObject(store, { ...object, bytes: copy.bytes }, manifest, day, { ...this.#context, notes: undefined, nameOf });
    return events;
  }

  #noteDay({ parts }: Manifest): void {
    for (const { journal, epoch, firstSeq: first, lastSeq: last } of parts) this.#composed.add(journal, epoch, { first, last });
  }

  /** What was put together after its parts were read tells what they told. */
  #forgetParts(group: ArchiveGroup, manifest: Manifest, day: string): void {
    const isTold = (run: SequenceRun): boolean =>
      run.kind === 'object' && (group.layout === 'daily' || run.dayMs === group.fromMs) && covers(manifest, run);
    for (const run of this.#runs) if (isTold(run)) this.#report.count(day, { objects: -1, events: -(run.events ?? 0) });
    this.#runs = this.#runs.filter((run) => !isTold(run));
  }

  #isLeftOver(group: ArchiveGroup): boolean {
    if (group.layout === 'daily') return false;
    if (this.#compacted?.fromMs === group.fromMs && covers(this.#compacted.manifest, group)) return true;
    return holdsAll(this.#composed.overlap(group.journal, group.epoch, group), group);
  }

  async #fetchManifest({ manifest }: ArchiveGroup): Promise<void> {
    if (!manifest) return;
    const bytes = this.#catalogue.store.get(manifest.key);
    this.#fetched.set(manifest.key, bytes);
    await bytes;
  }

  async #manifest(key: string, day: string): Promise<Manifest | undefined> {
    try {
      return decodeManifest(await (this.#fetched.get(key) ?? this.#catalogue.store.get(key)), key);
    } catch (error) {
      if (!(error instanceof HydrantError) || error.code !== 'HYD_MANIFEST') throw error;
      this.#report.problem('manifest', day, key, error.message);
      return undefined;
    }
  }

  #addRuns(group: ArchiveGroup, manifest: Manifest, day: string, events: number): void {
    const name = group.objects[0]?.key ?? group.manifest!.key;
    const dayMs = group.fromMs;
    for (const { journal, epoch, firstSeq, lastSeq, absent, start } of manifest.parts) {
      this.#runs.push({ name, kind: 'object', journal, epoch, first: firstSeq, last: lastSeq, dayMs, events });
      this.#addEnd(journal, start, name, dayMs);
      for (const { first, last, reason } of absent) {
        if (reason === 'excluded') this.#report.count(day, { excluded: last - first + 1 });
        else this.#report.problem('damaged', day, name, `sequences ${first} to ${last} were damaged when they were sealed`, first, last);
      }
    }
    if (this.#runs.length > MAX_RUNS) this.#mergeRuns();
  }

  #mergeRuns(): void {
    const objects = this.#runs.filter(({ kind }) => kind === 'object');
    const faults = findFaults(objects).some(({ kind }) => kind === 'duplicate' || kind === 'fork');
    if (!faults) this.#runs = [...this.#runs.filter(({ kind }) => kind === 'segment'), ...mergeRuns(objects)];
  }

  #addEnd(journal: string, start: EpochStart | undefined, name: string, dayMs: number): void {
    const previous = start?.previous;
    if (previous) this.#ends.push({ journal, epoch: previous.epoch, last: previous.last, name, dayMs });
  }

  /** A day that the seed program wrote, an object that is just being sealed, or an orphan. */
  async #withoutManifest(group: ArchiveGroup, object: StoredObject, day: string): Promise<void> {
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
    for (const run of mergeRuns(this.#runs)) told.add(run.journal, run.epoch, run);
    for (const { manifest, key, day } of this.#withoutObject) {
      for (const { journal, epoch, firstSeq, lastSeq } of manifest.parts) {
        const range: SeqRange = { first: firstSeq, last: lastSeq };
        if (holdsAll(told.overlap(journal, epoch, range), range)) continue;
        this.#report.problem('orphan-manifest', day, key, `its object ${manifest.object} is not there`, firstSeq, lastSeq);
      }
    }
  }

  /** Events of a segment count where no object has them. */
  #countSegments(): void {
    const sealed = new SeqSet();
    for (const run of mergeRuns(this.#runs)) if (run.kind === 'object') sealed.add(run.journal, run.epoch, run);
    for (const run of this.#runs) {
      const lines = this.#segmentLines.get(run.name);
      if (run.kind !== 'segment' || lines === undefined) continue;
      const twice = sealed.overlap(run.journal, run.epoch, run).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      this.#report.count(dayText(run.dayMs), { events: Math.max(0, lines - twice) });
    }
  }

  #progress(bytes: number): void {
    const { signal, onProgress } = this.#options;
    if (signal?.aborted) throw new HydrantError('HYD_ABORTED', 'the check was stopped', { cause: signal.reason });
    this.#bytesDone += bytes;
    onProgress?.({ bytesDone: this.#bytesDone, bytesTotal: this.#bytesTotal });
  }
}
