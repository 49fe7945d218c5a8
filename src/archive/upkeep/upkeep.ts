import { rm } from 'node:fs/promises';
import { type Clock, systemClock } from '../../core/clock.ts';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { SegmentInfo } from '../../journal/segment.ts';
import type { ObjectStore, ReadableStore } from '../../storage/store.ts';
import { HOUR_MS } from '../keys.ts';
import { Publisher } from '../seal/publish.ts';
import { SealThread } from '../seal/seal-thread.ts';
import type { SealableJournal } from '../sealer-options.ts';
import { compactHours } from './compact.ts';
import type { CompactOptions } from './compact-options.ts';
import { type RetentionOptions, removeOldest } from './retention.ts';

export interface UpkeepOptions {
  journal: Pick<SealableJournal, 'id' | 'segments' | 'head'>;
  /** Where archive objects are at home. */
  store: ObjectStore;
  /** `store`, and where objects wait that are on their way there, as one. Default: `store`. */
  read?: ReadableStore;
  /** Segments of the journal that are not sealed yet. */
  unsealed: () => readonly SegmentInfo[];
  /** Nothing is put before: who opens the store may still clean it. Default: at once. */
  ready?: Promise<unknown>;
  /** Folder for files under way, emptied at start. */
  workDir: string;
  /** Undefined: hours stay as they were sealed. */
  compact?: CompactOptions;
  retention?: RetentionOptions;
  /** How often it looks whether there is something to do. Default 60 s. */
  checkMs?: number;
  /** How often what is removed by age and bytes is looked for: that lists the whole store. Default 60 s. */
  retentionMs?: number;
  /** How long parts stay beside what was made of them. Default 5 min. */
  graceMs?: number;
  clock?: Clock;
  log?: Log;
}

export interface UpkeepStatistics {
  /** Objects that were made of others, and of how many. */
  compacted: number;
  compactedParts: number;
  removed: number;
  removedBytes: number;
  /** Objects with other content that stood where a whole belongs. */
  quarantined: number;
  failures: number;
  /** Of the last failure; empty since a success. */
  lastError: string;
}

/** Of an hour's index; events of further topics share one list. */
const MAX_TOPICS = 100_000;
const MIN_RETRY_MS = 1000;
const MAX_RETRY_MS = 300_000;
const MINUTE_MS = 60_000;

/** Starts to keep what is stored in order. A store that cannot be reached is no error: it is tried again by itself. */
export function openUpkeep(options: UpkeepOptions): Upkeep {
  return new Upkeep(options);
}

/**
 * Keeps the store that is the home of archive objects in order: puts the hours that are over together, and removes what is too old or too
 * much. Sealing and uploading never wait for it.
 */
export class Upkeep {
  #options: UpkeepOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #thread = new SealThread();
  readonly #publisher: Publisher;
  readonly #timer: NodeJS.Timeout;
  readonly #stop = new AbortController();
  readonly #stopped = Promise.withResolvers<void>();
  readonly #mayBegin: Promise<unknown>;
  readonly #counts = { compacted: 0, compactedParts: 0, removed: 0, removedBytes: 0, failures: 0, lastError: '' };
  /** Hours with an object that is damaged: they are not read again and again. */
  readonly #damagedHours = new Set<number>();
  /** The hour that ended before the last look that left nothing to do. */
  #doneHour = Number.NaN;
  #retainedMs = Number.NEGATIVE_INFINITY;
  #running: Promise<void> | undefined;
  #again = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = MIN_RETRY_MS;

  constructor(options: UpkeepOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#publisher = new Publisher(options.store, this.#log);
    this.#mayBegin = Promise.race([options.ready, this.#stopped.promise]);
    this.#timer = setInterval(() => this.#retry === undefined && void this.run(), options.checkMs ?? MINUTE_MS).unref();
    void this.run();
  }

  get statistics(): UpkeepStatistics {
    return { ...this.#counts, quarantined: this.#publisher.quarantined };
  }

  /** Does what is to be done now. Resolves when it has tried; never rejects: what failed is logged and tried again by itself. */
  run(): Promise<void> {
    this.#again = true;
    this.#running ??= this.#loop();
    return this.#running;
  }

  async #loop(): Promise<void> {
    await this.#mayBegin;
    while (this.#again && !this.#stop.signal.aborted) {
      this.#again = false;
      await this.#look();
    }
    this.#running = undefined;
  }

  async #look(): Promise<void> {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const { failures } = this.#counts;
    await this.#attempt('put hours together', () => this.#compact());
    await this.#attempt('remove what is old', () => this.#retain());
    if (this.#stop.signal.aborted) return;
    if (this.#counts.failures === failures) {
      this.#counts.lastError = '';
      this.#retryMs = MIN_RETRY_MS;
      return;
    }
    this.#retry = setTimeout(() => void this.run(), this.#retryMs * (0.5 + Math.random())).unref();
    this.#retryMs = Math.min(MAX_RETRY_MS, this.#retryMs * 2);
  }

  async #attempt(what: string, act: () => Promise<void>): Promise<void> {
    try {
      await act();
    } catch (error) {
      this.#failed(what, error, {});
    }
  }

  #failed(what: string, error: unknown, fields: Record<string, unknown>): void {
    if (this.#stop.signal.aborted) return;
    this.#counts.failures++;
    this.#counts.lastError = errorText(error);
    this.#log('error', `cannot ${what}; trying again by itself`, {
      ...fields,
      error: errorText(error),
      fix: errorFix(error),
    });
  }

  async #compact(): Promise<void> {
    const { compact, journal, store, read = store, unsealed, workDir, graceMs = 5 * MINUTE_MS } = this.#options;
    const nowMs = this.#clock.now();
    if (!compact) return;
    const lastHour = Math.floor((nowMs - compact.afterMs) / HOUR_MS);
    if (lastHour === this.#doneHour) return;
    await rm(workDir, { recursive: true, force: true });
    await makeFolder(workDir);
    const { failures } = this.#counts;
    const { made, parts, waiting } = await compactHours({
      journal: journal.id,
      store,
      read,
      publisher: this.#publisher,
      thread: this.#thread,
      workDir,
      nowMs,
      maxTopics: MAX_TOPICS,
      options: compact,
      graceMs,
      unsealed: unsealed(),
      skip: this.#damagedHours,
      signal: this.#stop.signal,
      log: this.#log,
      onFailure: (hourMs, error) => this.#hourFailed(hourMs, error),
    });
    this.#counts.compacted += made;
    this.#counts.compactedParts += parts;
    await rm(workDir, { recursive: true, force: true });
    if (!waiting && this.#counts.failures === failures) this.#doneHour = lastHour;
  }

  #hourFailed(hourMs: number, error: unknown): void {
    const hour = `${new Date(hourMs).toISOString().slice(0, 13)}:00Z`;
    if (error instanceof HydrantError && (error.code === 'HYD_OBJECT_DAMAGED' || error.code === 'HYD_MANIFEST')) {
      this.#damagedHours.add(hourMs);
      this.#log('error', 'an hour stays as it was sealed: something of it is damaged', { hour, error: errorText(error) });
    } else this.#failed('put an hour together', error, { hour });
  }

  async #retain(): Promise<void> {
    const { retention, retentionMs = MINUTE_MS, journal, store } = this.#options;
    const nowMs = this.#clock.now();
    if (retention?.bytes === undefined && retention?.ageMs === undefined) return;
    if (Math.abs(nowMs - this.#retainedMs) < retentionMs) return;
    this.#retainedMs = nowMs;
    const removed = await removeOldest(store, retention, {
      nowMs,
      keep: { journal: journal.id, fromSeq: journal.segments[0]?.first ?? journal.head + 1 },
      signal: this.#stop.signal,
      log: this.#log,
    });
    this.#counts.removed += removed.objects;
    this.#counts.removedBytes += removed.bytes;
  }

  /** Takes over what may change while it runs: it counts from the next look on. */
  configure(options: Pick<UpkeepOptions, 'compact' | 'retention'>): void {
    this.#options = { ...this.#options, ...options };
    this.#doneHour = Number.NaN;
  }

  /** Stops; what is under way is begun again at the next start. Twice is fine. */
  async close(): Promise<void> {
    this.#stop.abort();
    this.#stopped.resolve();
    clearInterval(this.#timer);
    await this.#thread.stop();
    await this.#running;
    clearTimeout(this.#retry);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
