import { HydrantError } from '../../core/errors.ts';
import type { ChannelBounds, ChannelState, FullPolicy, OutboxEvent, OutboxRecord } from './outbox.ts';

const STANDARD = { maxEvents: 1_000_000, maxBytes: 1 << 30, whenFull: 'reject', waitMs: 100 } as const;

/** One event that its caller waits for. */
export interface Put {
  readonly event: OutboxEvent;
  readonly lane: Lane;
  /** Later ones have a higher one. */
  readonly order: number;
  readonly sinceMs: number;
  readonly resolve: (record: OutboxRecord) => void;
  readonly reject: (error: unknown) => void;
  /** As a record; 0 before it was one. */
  bytes: number;
  /** With the worker: it can no longer be taken back. */
  sent: boolean;
  /** Its caller has been told. */
  settled: boolean;
  /** Stops listening to the caller's signal. */
  unlisten: (() => void) | undefined;
}

/** The way into one channel: its bounds, and what waits because they are reached or the disk is failing. */
export class Lane {
  readonly channel: string;
  maxEvents: number = STANDARD.maxEvents;
  maxBytes: number = STANDARD.maxBytes;
  maxAgeMs: number | undefined;
  whenFull: FullPolicy = STANDARD.whenFull;
  waitMs: number = STANDARD.waitMs;
  /** In order. */
  waiting: Put[] = [];
  /** The oldest are being looked for. */
  makesRoom = false;
  /** Why it waits, when that is not the bound. */
  failure: HydrantError | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(channel: string) {
    this.channel = channel;
  }

  set(bounds: ChannelBounds): void {
    const { maxEvents, maxBytes, whenFull, waitMs } = { ...STANDARD, ...bounds };
    Object.assign(this, { maxEvents, maxBytes, whenFull, waitMs, maxAgeMs: bounds.maxAgeMs });
  }

  /** What came first goes first, also past a put that has to wait. */
  get keepsOrder(): boolean {
    return this.whenFull !== 'reject';
  }

  holds(put: Put): boolean {
    return this.waiting.length > 0 && this.waiting[0]!.order < put.order;
  }

  hold(put: Put): void {
    put.sent = false;
    const last = this.waiting.at(-1);
    this.waiting.push(put);
    if (last && last.order > put.order) this.waiting.sort((a, b) => a.order - b.order);
  }

  /** Takes out of those that wait as many as there is room for. */
  takeFitting(state: ChannelState | undefined, freed = { events: 0, bytes: 0 }): Put[] {
    let events = this.maxEvents - (state ? state.events + state.quarantined : 0) + freed.events;
    let bytes = this.maxBytes - (state ? state.bytes + state.quarantinedBytes : 0) + freed.bytes;
    let count = 0;
    for (const put of this.waiting) {
      bytes -= put.bytes;
      if (--events < 0 || bytes < 0) break;
      count++;
    }
    return this.waiting.splice(0, count);
  }

  takeAll(): Put[] {
    return this.waiting.splice(0);
  }

  remove(put: Put): void {
    const at = this.waiting.indexOf(put);
    if (at >= 0) this.waiting.splice(at, 1);
  }

  /** Gives up what has waited too long. Call whenever what waits has changed. */
  watch(settle: (put: Put, error: HydrantError) => void): void {
    clearTimeout(this.#timer);
    const nowMs = performance.now();
    while (this.waiting.length > 0 && this.waiting[0]!.sinceMs + this.waitMs <= nowMs) settle(this.waiting.shift()!, this.fullError());
    const [first] = this.waiting;
    if (first) this.#timer = setTimeout(() => this.watch(settle), first.sinceMs + this.waitMs - nowMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  fullError(): HydrantError {
    if (this.failure) return this.failure;
    const waited = this.keepsOrder ? `, and there was no room for ${this.waitMs} ms` : '';
    return new HydrantError(
      'HYD_OUTBOX_FULL',
      `the channel ${this.channel} of the outbox is at its bound of ${this.maxEvents} events or ${this.maxBytes} bytes${waited}`,
    );
  }
}
