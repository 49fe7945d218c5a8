import { join } from 'node:path';
import { type Clock, systemClock } from '../../core/clock.ts';
import { crashPoint } from '../../core/crash-point.ts';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import { settlesWithin } from '../../core/settles-within.ts';
import { createFsStore } from '../../storage/drivers/fs.ts';
import type { ObjectStore } from '../../storage/store.ts';
import { filesOf, sizeOf } from '../archive-groups.ts';
import type { SeqPart, Uploads } from '../sealer-options.ts';
import { readGroup, readReady, readyGroups } from './local-groups.ts';
import { isOutlived, isStored, type Uploaded, uploadGroup } from './upload-group.ts';
import { type Mark, openUploadMarks, type UploadMarks } from './upload-marks.ts';
import { OUTAGE_FAILURES, type Upload, UploadQueue } from './upload-queue.ts';
import type { UploaderOptions, UploaderStatistics } from './uploader-options.ts';

const SWEEP_ROWS = 256;
const PRUNE_EVERY = 1000;
/** What was begun right before a restart is too young at the start. */
const CLEAN_EVERY_MS = 6 * 3_600_000;
/** What is wrong with one object; nothing but a person changes it. */
const OBJECT_FAULTS: ReadonlySet<string> = new Set(['HYD_OBJECT_EXISTS', 'HYD_OBJECT_DAMAGED', 'HYD_OBJECT_KEY', 'HYD_MANIFEST']);
const FAULT_WAIT_MS = 60_000;
const LOG_EVERY_MS = 60_000;

/**
 * Starts uploading: finds what the local archive has, then sends it and what is added, oldest first. Nothing waits for it: a remote
 * store that cannot be reached is tried again for ever, object by object, with growing pauses.
 * @throws HYD_STATE when the marks cannot be read
 */
export async function openUploader(options: UploaderOptions): Promise<Uploader> {
  return new Uploader(options, await openUploadMarks(options.marksPath, options.log));
}

/** Moves archive objects from the local store to the remote one. A local file goes only after a durable mark, the mark follows a look at the remote one. */
export class Uploader implements Uploads {
  readonly #options: UploaderOptions;
  readonly #local: ObjectStore;
  readonly #remote: ObjectStore;
  readonly #marks: UploadMarks;
  readonly #queue: UploadQueue;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #conflicts = new Set<string>();
  readonly #counts = { uploaded: 0, uploadedBytes: 0, failures: 0, removed: 0, lastError: '' };
  readonly #sweepTimer: NodeJS.Timeout;
  readonly #cleanTimer: NodeJS.Timeout;
  readonly #started: Promise<void>;
  /** Whether all that is here is known: in the queue, or marked. */
  #complete = false;
  #sweeping: Promise<void> | undefined;
  /** Looks at what was added, until it is in the queue. */
  readonly #looks = new Set<Promise<void>>();
  #pumpTimer: NodeJS.Timeout | undefined;
  #onDrained: (() => void) | undefined;
  #loggedMs = Number.NEGATIVE_INFINITY;
  #toPrune = 0;
  #closed = false;

  constructor(options: UploaderOptions, marks: UploadMarks) {
    const { parallel = 4, minRetryMs = 1000, maxRetryMs = 300_000 } = options;
    this.#options = options;
    this.#local = createFsStore(options.localDir);
    this.#remote = options.remote;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#marks = marks;
    this.#queue = new UploadQueue({ parallel, minRetryMs, maxRetryMs });
    this.#sweepTimer = setInterval(() => void this.#sweep(), options.checkMs ?? 60_000).unref();
    this.#cleanTimer = setInterval(() => void this.#clean(), CLEAN_EVERY_MS).unref();
    this.#prune();
    this.#started = this.rescan();
    void this.#sweep();
    void this.#clean();
  }

  get statistics(): UploaderStatistics {
    const { size: pending, bytes: pendingBytes, oldestMs } = this.#queue;
    const oldestPendingMs = oldestMs === undefined ? 0 : Math.max(0, this.#clock.now() - oldestMs);
    return { ...this.#counts, pending, pendingBytes, oldestPendingMs, conflicts: this.#conflicts.size };
  }

  parts(journal: string, fromSeq: number): Promise<SeqPart[]> {
    return this.#marks.parts(journal, fromSeq);
  }

  add(base: string): void {
    const look = this.#attempt('look at a local object', () => this.#find(base)).then((isKnown) => {
      if (!isKnown) this.#complete = false;
      this.#looks.delete(look);
    });
    this.#looks.add(look);
  }

  async rescan(): Promise<void> {
    await this.#attempt('look through the local archive', () => this.#scan());
  }

  /**
   * Tries all that waits once more, without pauses. Resolves when each is up or has failed, or at the deadline; never rejects.
   * The last thing before `close`.
   */
  async drain({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    const untilMs = performance.now() + deadlineMs;
    if (!(await settlesWithin(Promise.all([this.#started, ...this.#looks]), deadlineMs))) return;
    this.#queue.drain();
    const drained = new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    this.#pump();
    if (await settlesWithin(drained, untilMs - performance.now())) return;
    this.#log('warn', 'not everything could be uploaded in time; the rest follows at the next start', { pending: this.#queue.size });
  }

  /** Lets uploads under way finish until the deadline; what is not marked by then is compared at the next start. Twice is fine. */
  async close({ deadlineMs }: { deadlineMs: number }): Promise<void> {
    this.#closed = true;
    clearInterval(this.#sweepTimer);
    clearInterval(this.#cleanTimer);
    clearTimeout(this.#pumpTimer);
    const idle = new Promise<void>((resolve) => {
      this.#onDrained = resolve;
    });
    this.#pump();
    await settlesWithin(Promise.all([this.#started, this.#sweeping, idle]), deadlineMs);
    await this.#marks.close();
  }

  async #find(base: string): Promise<void> {
    const group = await readReady(this.#local, base, this.#options.layout);
    if (group) this.#enqueue(base, sizeOf(group), this.#clock.now());
  }

  async #scan(): Promise<void> {
    const found: { base: string; bytes: number; sinceMs: number }[] = [];
    for await (const group of readyGroups(this.#local, this.#options.layout)) {
      found.push({ base: group.base, bytes: sizeOf(group), sinceMs: group.manifest?.modifiedMs ?? this.#clock.now() });
    }
    // After the look at the files: what is marked meanwhile is then not taken for new.
    const marked = await this.#marks.keptBases();
    for (const { base, bytes, sinceMs } of found) if (!marked.has(base)) this.#enqueue(base, bytes, sinceMs);
    this.#complete = true;
  }

  #enqueue(base: string, bytes: number, sinceMs: number): void {
    this.#queue.add({ base, bytes, sinceMs });
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#pumpTimer);
    while (!this.#closed) {
      const upload = this.#queue.take(performance.now());
      if (!upload) break;
      void this.#upload(upload);
    }
    if (this.#closed ? this.#queue.active === 0 : this.#queue.drained) this.#onDrained?.();
    const waitMs = this.#closed ? undefined : this.#queue.waitMs(performance.now());
    if (waitMs !== undefined) this.#pumpTimer = setTimeout(() => this.#pump(), Math.ceil(waitMs)).unref();
  }

  async #upload(upload: Upload): Promise<void> {
    try {
      const uploaded = await this.#send(upload.base);
      if (uploaded && !this.#closed) await this.#settle(upload, uploaded);
      this.#queue.done(upload);
    } catch (error) {
      this.#failed(upload, error);
    }
    this.#pump();
  }

  async #send(base: string): Promise<Uploaded | undefined> {
    const group = await readReady(this.#local, base, this.#options.layout);
    if (!group) return undefined;
    const localPath = (key: string): string => join(this.#options.localDir, key);
    const uploaded = await uploadGroup(group, { local: this.#local, localPath, remote: this.#remote });
    if (!uploaded) this.#log('warn', 'an object is missing beside its manifest; it was left alone', { object: base });
    return uploaded;
  }

  async #settle({ base }: Upload, { files, parts, bytes }: Uploaded): Promise<void> {
    this.#queue.succeed();
    this.#conflicts.delete(base);
    if (this.#counts.lastError !== '') this.#log('info', 'uploads work again', { to: this.#options.remoteName });
    this.#counts.lastError = '';
    await this.#marks.add({ base, files }, parts, this.#clock.now());
    crashPoint('upload.marked');
    this.#counts.uploaded++;
    this.#counts.uploadedBytes += bytes;
    if ((this.#options.keepLocalMs ?? 0) === 0) await this.#attempt('remove what is uploaded', () => this.#removeLocal(base));
  }

  #failed(upload: Upload, error: unknown): void {
    const isFault = error instanceof HydrantError && OBJECT_FAULTS.has(error.code);
    this.#queue.failed(upload, performance.now(), isFault ? FAULT_WAIT_MS : undefined);
    if (this.#isEnd(error)) return;
    this.#counts.failures++;
    this.#counts.lastError = errorText(error);
    if (error instanceof HydrantError && error.code === 'HYD_OBJECT_EXISTS') this.#conflicts.add(upload.base);
    const nowMs = performance.now();
    if (!(isFault && upload.attempts === 1) && nowMs - this.#loggedMs < LOG_EVERY_MS) return;
    if (!isFault) this.#loggedMs = nowMs;
    this.#log('error', 'cannot upload an archive object; trying again by itself', {
      object: upload.base,
      to: this.#options.remoteName,
      attempts: upload.attempts,
      pending: this.#queue.size,
      error: errorText(error),
      fix: errorFix(error),
    });
  }

  /** Removes local files that have been kept long enough, or that a crash has left, when the remote store still has them. */
  #sweep(): Promise<void> {
    this.#sweeping ??= this.#sweepOnce().finally(() => {
      this.#sweeping = undefined;
    });
    return this.#sweeping;
  }

  async #sweepOnce(): Promise<void> {
    await this.#started;
    if (!this.#complete) await this.rescan();
    await this.#attempt('look for what is uploaded', async () => {
      const beforeMs = this.#clock.now() - (this.#options.keepLocalMs ?? 0);
      for (let isMore = true; isMore && !this.#closed; ) {
        const marks = await this.#marks.kept(beforeMs, SWEEP_ROWS);
        // What has only just been marked is about to be removed.
        const done = await this.#removeAll(marks.filter(({ base }) => !this.#queue.has(base)));
        await this.#marks.commit();
        isMore = marks.length === SWEEP_ROWS && done > 0;
      }
    });
  }

  /**
   * One that cannot be removed does not keep the others from it; several in a row are the store's fault, and all wait.
   * @returns how many are done with
   */
  async #removeAll(marks: readonly Mark[]): Promise<number> {
    let done = 0;
    let failures = 0;
    for (const mark of marks) {
      if (failures === OUTAGE_FAILURES) break;
      const isDone = await this.#attempt('remove what is uploaded', () => this.#removeMarked(mark));
      failures = isDone ? 0 : failures + 1;
      if (isDone) done++;
    }
    return done;
  }

  async #removeMarked(mark: Mark): Promise<void> {
    if (this.#closed) return;
    const { base } = mark;
    const isHere = (await readGroup(this.#local, base)) !== undefined;
    if (!isHere || (await isStored(this.#remote, mark)) || (this.#options.hasRetention?.() && (await isOutlived(this.#remote, base)))) {
      await this.#removeLocal(base);
      return;
    }
    const to = this.#options.remoteName;
    this.#log('error', 'an uploaded object is gone from the remote store; it is uploaded again', { object: base, to });
    await this.#marks.remove(base);
    await this.#find(base);
  }

  async #removeLocal(base: string): Promise<void> {
    const group = await readGroup(this.#local, base);
    for (const { key } of group ? filesOf(group) : []) {
      await this.#local.delete(key);
      crashPoint('upload.deleted');
    }
    this.#marks.noteRemoved(base);
    if (group) {
      this.#counts.removed++;
      this.#options.onRemoved?.();
    }
    if (++this.#toPrune >= PRUNE_EVERY) this.#prune();
  }

  /** What a process that died has left in the remote store; nobody sees it, and nothing depends on it. */
  async #clean(): Promise<void> {
    await this.#remote.clean().catch((error) => {
      if (!this.#closed) this.#log('debug', 'cannot look for unfinished uploads', { error: errorText(error) });
    });
  }

  #prune(): void {
    this.#toPrune = 0;
    const { id, segments, head } = this.#options.journal;
    this.#marks.prune(id, segments[0]?.first ?? head + 1);
  }

  async #attempt(what: string, act: () => Promise<void>): Promise<boolean> {
    try {
      await act();
      return true;
    } catch (error) {
      if (this.#isEnd(error)) return false;
      this.#counts.failures++;
      this.#counts.lastError = errorText(error);
      this.#log('error', `cannot ${what}; trying again by itself`, { error: errorText(error), fix: errorFix(error) });
      return false;
    }
  }

  /** What fails because things are being closed is no failure. */
  #isEnd(error: unknown): boolean {
    return this.#closed || (error instanceof HydrantError && error.code === 'HYD_CLOSED');
  }
}
