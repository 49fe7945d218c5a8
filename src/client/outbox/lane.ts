import { HydrantError } from '../../core/errors.ts';
import type { ChannelBounds, ChannelState, FullPolicy, OutboxEvent, Storer } from './outbox.ts';

const STANDARD = { maxEvents: 1_000_000, maxBytes: 1 << 30, whenFull: 'reject', waitMs: 100 } as const;

/** One event on its way in. */
export interface Put {
  readonly event: OutboxEvent;
  readonly lane: Lane;
  /** Later ones have a higher one. */
  readonly order: number;
  readonly sinceMs: number;
  readonly storer: Storer;
  /** As a record; 0 before it was one. */
  bytes: number;
  /** With the worker: it can no longer be taken back. */
  sent: boolean;
  /** Its caller has been told. */
  settled: boolean;
  /** Stops listening to the caller's signal. */
  unlisten: (() => void) | undefined;
}

export interface Room {
  events: number;
  bytes: number;
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
  /** Since when there is nothing that may be dropped. */
  stuckMs: number | undefined;
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
  takeFitting(room: Room): Put[] {
    let { events, bytes } = room;
    let count = 0;
    for (const put of this.waiting) {
      bytes -= put.bytes;
      if (--events < 0 || bytes < 0) break;
      count++;
    }
    return this.waiting.splice(0, count);
  }

  /** What the bounds leave; below 0 when they were lowered. */
  room(state: ChannelState | undefined): Room {
    if (!state) return { events: this.maxEvents, bytes: this.maxBytes };
    return { events: this.maxEvents - state.events - state.quarantined, bytes: this.maxBytes - state.bytes - state.quarantinedBytes };
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
    while (this.waiting.length > 0 && this.#lateMs(this.waiting[0]!) <= nowMs) settle(this.waiting.shift()!, this.fullError());
    const [first] = this.waiting;
    const lateMs = first ? this.#lateMs(first) : Number.POSITIVE_INFINITY;
    if (lateMs !== Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.watch(settle), lateMs - nowMs);
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

  /** Where the oldest can be dropped, nobody is late. */
  #lateMs({ sinceMs }: Put): number {
    if (this.whenFull !== 'drop-oldest') return sinceMs + this.waitMs;
    return this.stuckMs === undefined ? Number.POSITIVE_INFINITY : Math.max(sinceMs, this.stuckMs) + this.waitMs;
  }
}
