import type { Timing } from '../bus/mqtt/options.ts';
import { within } from './deadline.ts';

const LIMIT_MS = 20_000;

interface Sleeper {
  atMs: number;
  wake(): void;
}

/** Time that passes when a test says so. */
export class VirtualTiming implements Timing {
  nowMs: number;
  /** Every sleep asked for, milliseconds. */
  readonly delays: number[] = [];
  readonly random: () => number;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  constructor(random: () => number = () => 0.5, nowMs = Date.parse('2026-11-21T12:00:00Z')) {
    this.random = random;
    this.nowMs = nowMs;
  }

  readonly now = (): number => this.nowMs;

  get asleep(): number {
    return this.#sleepers.size;
  }

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      const sleeper: Sleeper = {
        atMs: this.nowMs + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          resolve();
        },
      };
      if (signal.aborted) return resolve();
      signal.addEventListener('abort', sleeper.wake, { once: true });
      this.delays.push(ms);
      this.#sleepers.add(sleeper);
      for (const watch of this.#watchers) watch();
    });

  advance(ms: number): void {
    this.nowMs += ms;
    for (const sleeper of this.#sleepers) if (sleeper.atMs <= this.nowMs) sleeper.wake();
  }

  /** To the time of whoever wakes first. */
  advanceToNext(): void {
    const nextMs = [...this.#sleepers].reduce((earliest, { atMs }) => Math.min(earliest, atMs), Number.POSITIVE_INFINITY);
    this.advance(nextMs - this.nowMs);
  }

  /** Resolves when so many sleep. */
  async untilAsleep(count = 1): Promise<void> {
    const done = Promise.withResolvers<void>();
    const look = (): void => {
      if (this.asleep >= count) done.resolve();
    };
    this.#watchers.add(look);
    look();
    await within(done.promise, LIMIT_MS, () => `${count} to sleep, ${this.asleep} do`);
    this.#watchers.delete(look);
  }
}
