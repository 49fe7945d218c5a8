import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crashPoint } from '../../core/crash-point.ts';
import { SegmentIndex } from '../../journal/segment-index.ts';
import { decodeGap, GAP_TOPIC } from '../../wire/gap.ts';
import { checkLineCrc, decodeLine } from '../../wire/line.ts';
import type { AbsentRange, ManifestGap } from '../../wire/manifest.ts';
import { decodeSegmentHeader, type EpochStart, SEGMENT_TOPIC } from '../../wire/segment.ts';
import { compileExclude, type ExcludeOptions } from '../exclude.ts';
import type { Codec } from '../keys.ts';
import { LineView, splitGlued } from '../line-view.ts';
import { packIndex } from '../object-index.ts';
import { ObjectWriter, type WrittenObject } from './object-writer.ts';
import { readBack } from './read-back.ts';
import { readLines } from './read-lines.ts';

export interface SealSegmentJob {
  kind: 'segment';
  source: string;
  /** Bytes of the source that count, header line included. */
  sourceBytes: number;
  first: number;
  last: number;
  /** Arrival of its first event: places a run without a readable line. */
  minMs: number;
  /** Folder for the files that are written. */
  folder: string;
  codec: Codec;
  level: number;
  blockBytes: number;
  maxTopics?: number;
  exclude: ExcludeOptions;
}

/** Lines of one arrival hour that follow each other: they become one object. */
export interface SealedRun {
  /** `YYYY-MM-DDTHH`. */
  hour: string;
  firstSeq: number;
  lastSeq: number;
  absent: AbsentRange[];
  /** Lines marked `dup`. */
  dup: number;
  gaps: ManifestGap[];
  /** When the epoch began with this segment. */
  start?: EpochStart;
  /** Undefined when every sequence is absent. */
  object?: WrittenObject;
  indexPath?: string;
  /** Damaged lines as they were found, each with a newline. */
  damagedPath?: string;
  damagedLines: number;
}

/**
 * Writes the lines of a closed segment, byte for byte and without its header, to object files by arrival hour, and reads them back.
 * A line that is damaged or out of order goes to a file of its own; which sequences are not in the object is said in `absent`.
 * @throws HYD_OBJECT_DAMAGED when a file read back differs, or the system's error
 */
export function sealSegment(job: SealSegmentJob): SealedRun[] {
  const sealing = new Sealing(job);
  try {
    readLines(job.source, job.sourceBytes, (bytes, start, end, ordinal) => sealing.line(bytes, start, end, ordinal === 0));
    return sealing.finish();
  } finally {
    sealing.close();
  }
}

const HOUR_CHARS = 13;
/** In a manifest; more of one hour are found by their topic. */
const MAX_GAPS = 1000;

interface SealLine {
  seq: number;
  topic: string;
  ts: string;
  ms: number;
  dup: boolean;
}

class Sealing {
  readonly #job: SealSegmentJob;
  readonly #view = new LineView();
  readonly #isExcluded: ((topic: string) => boolean) | undefined;
  readonly #excluded = new Map<string, boolean>();
  readonly #runs: SealedRun[] = [];
  #expected: number;
  #run!: SealedRun;
  #writer!: ObjectWriter;
  #index!: SegmentIndex;
  #damaged: Buffer[] = [];

  constructor(job: SealSegmentJob) {
    this.#job = job;
    this.#isExcluded = compileExclude(job.exclude);
    this.#expected = job.first;
    this.#begin();
  }

  line(bytes: Buffer, start: number, end: number, isFirst: boolean): void {
    if (this.#take(bytes, start, end)) return;
    for (const [from, to] of splitGlued(bytes, start, end)) {
      if (!this.#take(bytes, from, to) && !isFirst) this.#damaged.push(Buffer.from(bytes.subarray(from, to)));
    }
  }

  /** False when it is not a whole line of ours whose turn it is. */
  #take(bytes: Buffer, start: number, end: number): boolean {
    if (checkLineCrc(bytes, start, end) !== 'good') return false;
    let line: SealLine;
    if (this.#view.read(bytes, start, end))
      line = { seq: this.#view.seq(), topic: this.#view.topic(), ts: this.#view.ts(), ms: this.#view.tsMs(), dup: this.#view.isDup() };
    else {
      try {
        const event = decodeLine(bytes, start, end);
        line = { seq: event.seq, topic: event.topic, ts: event.ts, ms: Date.parse(event.ts), dup: event.dup === true };
      } catch {
        return false;
      }
    }
    if (line.seq === 0) {
      if (line.topic === SEGMENT_TOPIC && this.#runs.length === 0) this.#run.start = decodeSegmentHeader(bytes, start, end).start;
      return line.topic === SEGMENT_TOPIC;
    }
    // What is above the segment's last sequence was written again into the next one.
    if (line.seq > this.#job.last) return true;
    if (line.seq < this.#expected) return false;
    this.#missing(line.seq - 1);
    this.#expected = line.seq + 1;
    if (this.#excludes(line.topic)) addAbsent(this.#run.absent, line.seq, line.seq, 'excluded');
    else {
      this.#keep(bytes, start, end, line);
      if (line.dup) this.#run.dup++;
      if (line.topic === GAP_TOPIC) this.#noteGap(bytes, start, end, line.seq);
    }
    return true;
  }

  #noteGap(bytes: Buffer, start: number, end: number, seq: number): void {
    const gap = decodeGap(decodeLine(bytes, start, end));
    if (gap && this.#run.gaps.length < MAX_GAPS) this.#run.gaps.push({ seq, ...gap });
  }

  #keep(bytes: Buffer, start: number, end: number, line: SealLine): void {
    if (!line.ts.startsWith(this.#run.hour)) {
      this.#end(line.seq - 1);
      this.#begin();
    }
    if (this.#run.hour === '') this.#run.hour = line.ts.slice(0, HOUR_CHARS);
    this.#index.add(line.topic, this.#writer.rawBytes, line.ms);
    this.#writer.add(bytes, start, end, line);
  }

  #excludes(topic: string): boolean {
    if (!this.#isExcluded) return false;
    let excluded = this.#excluded.get(topic);
    if (excluded === undefined) {
      if (this.#excluded.size >= 50_000) this.#excluded.clear();
      excluded = this.#isExcluded(topic);
      this.#excluded.set(topic, excluded);
    }
    return excluded;
  }

  #missing(through: number): void {
    if (through >= this.#expected) addAbsent(this.#run.absent, this.#expected, through, 'damaged');
  }

  #begin(): void {
    const firstSeq = this.#runs.length === 0 ? this.#job.first : this.#runs.at(-1)!.lastSeq + 1;
    this.#run = { hour: '', firstSeq, lastSeq: 0, absent: [], dup: 0, gaps: [], damagedLines: 0 };
    const { codec, level, blockBytes } = this.#job;
    this.#writer = new ObjectWriter(this.#path(firstSeq, 'object'), { codec, level, blockBytes });
    this.#index = new SegmentIndex({ maxTopics: this.#job.maxTopics });
  }

  #end(lastSeq: number): void {
    const run = this.#run;
    run.lastSeq = lastSeq;
    run.hour ||= new Date(this.#job.minMs).toISOString().slice(0, HOUR_CHARS);
    run.object = this.#writer.finish();
    if (run.object) {
      readBack(run.object.path, run.object);
      crashPoint('seal.verified');
      run.indexPath = this.#path(run.firstSeq, 'idx');
      writeFileSync(run.indexPath, packIndex(this.#index), { mode: 0o600 });
    }
    if (this.#damaged.length > 0) {
      run.damagedLines = this.#damaged.length;
      run.damagedPath = this.#path(run.firstSeq, 'damaged');
      writeFileSync(run.damagedPath, Buffer.concat(this.#damaged.flatMap((line) => [line, NEWLINE])), { mode: 0o600 });
      this.#damaged = [];
    }
    this.#runs.push(run);
  }

  finish(): SealedRun[] {
    this.#missing(this.#job.last);
    this.#end(this.#job.last);
    return this.#runs;
  }

  close(): void {
    this.#writer.close();
  }

  #path(firstSeq: number, ending: string): string {
    return join(this.#job.folder, `${this.#job.first}-${firstSeq}.${ending}`);
  }
}

const NEWLINE = Buffer.from('\n');

/** Ranges of one reason that follow each other are one. */
function addAbsent(ranges: AbsentRange[], first: number, last: number, reason: AbsentRange['reason']): void {
  const before = ranges.at(-1);
  if (before?.reason === reason && before.last === first - 1) before.last = last;
  else ranges.push({ first, last, reason });
}
