import { backoffMs } from '../../core/backoff.ts';

/** One archive object on its way. */
export interface Upload {
  readonly base: string;
  readonly bytes: number;
  /** When it was sealed, milliseconds since 1970. */
  readonly sinceMs: number;
  attempts: number;
}

interface Entry extends Upload {
  /** Not to be tried again before; of the caller's monotonic clock. */
  notBeforeMs: number;
  /** It was added again while it was under way. */
  again: boolean;
}

export interface QueueOptions {
  /** Uploads at once. */
  parallel: number;
  /** Bounds of the time between two tries of one object, milliseconds; it doubles, and a random part of it is waited. */
  minRetryMs: number;
  maxRetryMs: number;
  random?: () => number;
}

/** This many failures in a row are the store's: from then on one object at a time is tried, at a pace. */
export const OUTAGE_FAILURES = 8;
const MAX_PACE_MS = 30_000;

/**
 * Which object goes up next. What fails waits for itself and keeps nobody else; while everything fails one try at a time finds out
 * when the store is back, and then all are ready at once.
 */
export class UploadQueue {
  readonly #options: Required<QueueOptions>;
  readonly #fresh = new Map<string, Entry>();
  readonly #failed = new Map<string, Entry>();
  readonly #active = new Map<string, Entry>();
  #bytes = 0;
  #failures = 0;
  #paceUntilMs = 0;
  #draining = false;

  constructor(options: QueueOptions) {
    this.#options = { random: Math.random, ...options };
  }

  get size(): number {
    return this.#fresh.size + this.#failed.size + this.#active.size;
  }

  /** Of all that waits or is under way. */
  get bytes(): number {
    return this.#bytes;
  }

  get active(): number {
    return this.#active.size;
  }

  /** Whether all that is left has been tried in vain since the draining began. */
  get drained(): boolean {
    return this.#fresh.size === 0 && this.#active.size === 0;
  }

  /** When the oldest of all was sealed; undefined when there is none. */
  get oldestMs(): number | undefined {
    let oldest: number | undefined;
    for (const entries of [this.#fresh, this.#failed, this.#active]) {
      for (const { sinceMs } of entries.values()) if (oldest === undefined || sinceMs < oldest) oldest = sinceMs;
    }
    return oldest;
  }

  has(base: string): boolean {
    return this.#fresh.has(base) || this.#failed.has(base) || this.#active.has(base);
  }

  add(upload: Omit<Upload, 'attempts'>): void {
    const active = this.#active.get(upload.base);
    if (active) active.again = true;
    if (this.has(upload.base)) return;
    this.#fresh.set(upload.base, { ...upload, attempts: 0, notBeforeMs: 0, again: false });
    this.#bytes += upload.bytes;
  }

  /** The next to try now, if any; it is under way until `done` or `failed`. */
  take(nowMs: number): Upload | undefined {
    if (this.#active.size >= this.#slots) return undefined;
    if (this.#outage && nowMs < this.#paceUntilMs) return undefined;
    const next = first(this.#fresh) ?? this.#readyFailed(nowMs);
    if (!next) return undefined;
    this.#fresh.delete(next.base);
    this.#failed.delete(next.base);
    this.#active.set(next.base, next);
    next.attempts++;
    return next;
  }

  /** Milliseconds until `take` may give something; undefined when only `add`, `done` or `failed` can change that. */
  waitMs(nowMs: number): number | undefined {
    if (this.#active.size >= this.#slots || this.#fresh.size + this.#failed.size === 0) return undefined;
    let atMs = Number.POSITIVE_INFINITY;
    if (this.#fresh.size > 0) atMs = nowMs;
    else for (const { notBeforeMs } of this.#failed.values()) atMs = Math.min(atMs, notBeforeMs);
    if (this.#outage) atMs = Math.max(atMs, this.#paceUntilMs);
    return atMs === Number.POSITIVE_INFINITY ? undefined : Math.max(0, atMs - nowMs);
  }

  /** It is up, or there is nothing to do for it. */
  done(upload: Upload): void {
    const entry = this.#end(upload);
    if (!entry) return;
    this.#bytes -= entry.bytes;
    if (entry.again) this.add(entry);
  }

  /** The store answers: what has failed before may be tried at once. */
  succeed(): void {
    if (this.#outage && !this.#draining) {
      for (const entry of this.#failed.values()) this.#fresh.set(entry.base, entry);
      this.#failed.clear();
    }
    this.#failures = 0;
  }

  /** @param minWaitMs for a fault of the object, not of the store: it says nothing about others, and haste does not help it */
  failed(upload: Upload, nowMs: number, minWaitMs?: number): void {
    const entry = this.#end(upload);
    if (!entry) return;
    const { minRetryMs, maxRetryMs, random } = this.#options;
    if (minWaitMs === undefined) {
      this.#failures++;
      const pace = { minMs: minRetryMs, maxMs: Math.min(MAX_PACE_MS, maxRetryMs) };
      this.#paceUntilMs = nowMs + backoffMs(pace, this.#failures - OUTAGE_FAILURES, random);
    }
    const waitMs = backoffMs({ minMs: minRetryMs, maxMs: maxRetryMs }, entry.attempts, random);
    entry.notBeforeMs = this.#draining ? Number.POSITIVE_INFINITY : nowMs + Math.max(minWaitMs ?? 0, waitMs);
    this.#failed.set(entry.base, entry);
  }

  /** From now on each is tried once more and no pause is made. */
  drain(): void {
    this.#draining = true;
    for (const entry of this.#failed.values()) this.#fresh.set(entry.base, entry);
    this.#failed.clear();
  }

  get #outage(): boolean {
    return this.#failures >= OUTAGE_FAILURES && !this.#draining;
  }

  get #slots(): number {
    return this.#outage ? 1 : this.#options.parallel;
  }

  #readyFailed(nowMs: number): Entry | undefined {
    let best: Entry | undefined;
    for (const entry of this.#failed.values()) {
      if (entry.notBeforeMs <= nowMs && (!best || entry.notBeforeMs < best.notBeforeMs)) best = entry;
    }
    return best;
  }

  #end(upload: Upload): Entry | undefined {
    const entry = this.#active.get(upload.base);
    this.#active.delete(upload.base);
    return entry;
  }
}

function first(entries: Map<string, Entry>): Entry | undefined {
  for (const entry of entries.values()) return entry;
  return undefined;
}
