import { rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { type Clock, systemClock } from '../../core/clock.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Hold } from '../../journal/holds.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ObjectStore } from '../../storage/store.ts';
import { DEFAULT_LEVEL } from '../codec.ts';
import { compileExclude } from '../exclude.ts';
import type { Codec } from '../keys.ts';
import type { SealableJournal, SealerOptions, SealerStatistics } from '../sealer-options.ts';
import { composeDays } from './compose.ts';
import { findSealed } from './find-sealed.ts';
import { Publisher } from './publish.ts';
import { publishRun } from './publish-run.ts';
import type { SealedRun, SealSegmentJob } from './seal-segment.ts';
import { SealThread } from './seal-thread.ts';

const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 300_000;
const HURRY_EVERY_MS = 5000;
const BEHIND_BYTES = 1024 * 1024 * 1024;
/** Of what was given up because the sealer closes. */
const STOPPED: ReadonlySet<string> = new Set(['HYD_CLOSED', 'HYD_ABORTED']);

/**
 * Starts sealing: holds the journal's segments at once, puts in order what a crash has left, then seals what is closed,
 * oldest first, and each segment as it closes.
 * A store that cannot be reached is no error: it is tried again by itself.
 * @throws HYD_CONFIG for options that do not go together
 */
export async function openSealer(options: SealerOptions): Promise<Sealer> {
  compileExclude(options.exclude ?? {});
  if (options.layout === 'daily' && (options.codec ?? 'gzip') !== 'gzip') {
    throw new HydrantError('HYD_CONFIG', `archive.codec: the daily layout is gzip, not ${options.codec}`);
  }
  return new Sealer(options, options.journal.hold('archive'));
}

/** Turns closed segments into archive objects and lets the journal remove them. Nothing leaves the journal unsealed. */
export class Sealer {
  #options: SealerOptions;
  readonly #journal: SealableJournal;
  readonly #store: ObjectStore;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #hold: Hold;
  readonly #thread = new SealThread();
  readonly #publisher: Publisher;
  readonly #sealed = new Set<string>();
  readonly #stopWatching: () => void;
  readonly #timer: NodeJS.Timeout;
  readonly #counts = {
    segments: 0,
    events: 0,
    excluded: 0,
    damaged: 0,
    rawBytes: 0,
    bytes: 0,
    failures: 0,
    days: 0,
    lastError: '',
  };
  #ready = false;
  #running: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = MIN_RETRY_MS;
  #hurriedMs = Number.NEGATIVE_INFINITY;
  #isBehind = false;
  #closed = false;
  /** Of days that are put together. */
  readonly #stop = new AbortController();
  #composing = false;

  constructor(options: SealerOptions, hold: Hold) {
    this.#options = options;
    this.#journal = options.journal;
    this.#store = options.store;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#hold = hold;
    this.#publisher = new Publisher(this.#store, this.#log);
    this.#stopWatching = this.#journal.onClosed(() => void this.run());
    this.#timer = setInterval(() => this.#retry === undefined && void this.run(), options.checkMs ?? 30_000).unref();
    void this.run();
  }

  get statistics(): SealerStatistics {
    return { ...this.#counts, pending: this.#waiting().length, quarantined: this.#publisher.quarantined };
  }

  /** Segments that are not sealed, with the one that is written. */
  get unsealed(): SegmentInfo[] {
    return this.#journal.segments.filter((segment) => !this.#sealed.has(segment.path));
  }

  /**
   * Seals all that is closed now, then puts days together. Resolves when it has tried; never rejects:
   * what failed is in the log and in the statistics, and is tried again by itself with growing delays.
   */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop();
    return this.#running;
  }

  /** There is room on the disk again: what failed is not waited for any longer. Resolves when it was tried. */
  async hurry(): Promise<void> {
    const nowMs = performance.now();
    if (this.#retry === undefined || nowMs - this.#hurriedMs < HURRY_EVERY_MS) return;
    this.#hurriedMs = nowMs;
    await this.run();
  }

  async #loop(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    while (this.#again && !this.#closed) {
      this.#again = false;
      const failures = this.#counts.failures;
      if (!this.#ready) this.#ready = await this.#attempt('put the archive in order', () => this.#prepare());
      if (this.#ready) {
        await this.#sealAll();
        if (this.#options.layout === 'daily' && !this.#closed) await this.#attempt('put days together', () => this.#composeDays());
      }
      if (this.#counts.failures > failures) this.#retryLater();
      else this.#retryMs = MIN_RETRY_MS;
    }
    this.#running = undefined;
  }

  async #attempt(what: string, act: () => Promise<void>, fields: Record<string, unknown> = {}): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      this.#failed(what, error, fields);
      return false;
    }
  }

  #failed(what: string, error: unknown, fields: Record<string, unknown>): void {
    if (this.#closed && error instanceof HydrantError && STOPPED.has(error.code)) return;
    this.#counts.failures++;
    this.#counts.lastError = errorText(error);
    this.#log('error', `cannot ${what}; trying again by itself`, { ...fields, error: errorText(error) });
  }

  #retryLater(): void {
    this.#retry = setTimeout(() => void this.run(), this.#retryMs * (0.5 + Math.random())).unref();
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }

  #waiting(): SegmentInfo[] {
    return this.unsealed.filter((segment) => segment.closed);
  }

  /** Once, at start: removes what a crash has left and finds which of the journal's closed segments are sealed. */
  async #prepare(): Promise<void> {
    await this.#emptyWorkDir();
    await this.#store.clean();
    const unsealed = this.#waiting();
    const uploaded = await this.#options.uploads?.parts(this.#journal.id, unsealed[0]?.first ?? 0);
    for (const segment of await findSealed(this.#store, unsealed, { uploaded, log: this.#log })) this.#sealed.add(segment.path);
    await this.#moveHold();
  }

  async #sealAll(): Promise<void> {
    for (const segment of this.#waiting()) {
      if (this.#closed) return;
      const fields = { segment: basename(segment.path) };
      if (!(await this.#attempt('seal a segment', () => this.#seal(segment), fields))) continue;
      this.#sealed.add(segment.path);
      this.#counts.segments++;
      this.#counts.lastError = '';
      await this.#attempt('let the journal remove what is sealed', () => this.#moveHold());
    }
  }

  #mustHurry(): boolean {
    const { behindBytes = BEHIND_BYTES } = this.#options;
    const waitingBytes = this.#waiting().reduce((sum, { bytes }) => sum + bytes, 0);
    this.#isBehind = waitingBytes > (this.#isBehind ? behindBytes / 2 : behindBytes);
    return this.#isBehind;
  }

  async #seal(segment: SegmentInfo): Promise<void> {
    if (segment.last < segment.first) return;
    const codec = this.#options.codec ?? 'gzip';
    try {
      const job: SealSegmentJob = {
        kind: 'segment',
        source: segment.path,
        sourceBytes: segment.bytes,
        first: segment.first,
        last: segment.last,
        minMs: segment.minMs,
        folder: this.#options.workDir,
        codec,
        level: this.#options.level ?? DEFAULT_LEVEL[codec],
        blockBytes: this.#options.blockBytes ?? 1024 * 1024,
        maxTopics: this.#options.maxTopics,
        exclude: this.#options.exclude ?? {},
      };
      const runs = await this.#thread.run(job, this.#mustHurry());
      for (const run of runs) await this.#publish(segment, run, codec);
    } finally {
      await this.#emptyWorkDir();
    }
  }

  async #publish(segment: SegmentInfo, run: SealedRun, codec: Codec): Promise<void> {
    const { base, manifest } = await publishRun(this.#publisher, segment, run, { codec, nowMs: this.#clock.now() });
    this.#options.onSealed?.(manifest, Date.parse(`${run.hour}:00:00Z`));
    this.#options.uploads?.add(base);
    if (run.damagedLines > 0) {
      const fields = { segment: basename(segment.path), lines: run.damagedLines, firstSeq: run.firstSeq, lastSeq: run.lastSeq };
      this.#log('error', 'damaged lines were left out of the archive and kept beside it', fields);
    }
    this.#counts.events += manifest.count;
    this.#counts.rawBytes += manifest.rawBytes;
    this.#counts.bytes += manifest.bytes;
    for (const { first, last, reason } of run.absent) this.#counts[reason] += last - first + 1;
  }

  async #moveHold(): Promise<void> {
    const segments = this.#journal.segments;
    const needed = segments.find((segment) => !segment.closed || !this.#sealed.has(segment.path));
    this.#hold.set(needed ? needed.first : this.#journal.head + 1);
    crashPoint('seal.hold');
    await this.#journal.trim();
    crashPoint('seal.trimmed');
    const left = new Set(this.#journal.segments.map((segment) => segment.path));
    for (const path of this.#sealed) if (!left.has(path)) this.#sealed.delete(path);
  }

  async #composeDays(): Promise<void> {
    this.#composing = true;
    const made = await composeDays({
      store: this.#store,
      stored: this.#options.stored ?? this.#store,
      publisher: this.#publisher,
      thread: this.#thread,
      workDir: this.#options.workDir,
      nowMs: this.#clock.now(),
      unsealed: this.unsealed,
      maxTopics: this.#options.maxTopics,
      signal: this.#stop.signal,
      log: this.#log,
      onFailure: (day, error) => this.#failed('put a day together', error, { day }),
    }).finally(() => {
      this.#composing = false;
    });
    this.#counts.days += made;
    if (made > 0) await this.#options.uploads?.rescan();
  }

  /** Takes over what may change while it runs: it counts from the next segment on. */
  configure(options: Pick<SealerOptions, 'exclude'>): void {
    compileExclude(options.exclude ?? {});
    this.#options = { ...this.#options, ...options };
  }

  async #emptyWorkDir(): Promise<void> {
    await rm(this.#options.workDir, { recursive: true, force: true });
    await makeFolder(this.#options.workDir);
  }

  /** Finishes the segment under way, gives up the day under way, and stops; what is not sealed stays held until the next start. Twice is fine. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#stop.abort();
    if (this.#composing) await this.#thread.stop();
    this.#stopWatching();
    clearInterval(this.#timer);
    clearTimeout(this.#retry);
    await this.#running;
    clearTimeout(this.#retry);
    await this.#thread.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
