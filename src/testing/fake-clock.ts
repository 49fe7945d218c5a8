import type { Clock } from '../core/clock.ts';

/** A clock that stands still until it is set. */
export class FakeClock implements Clock {
  #nowMs: number;

  constructor(start: string) {
    this.#nowMs = Date.parse(start);
  }

  now(): number {
    return this.#nowMs;
  }

  set(time: string): void {
    this.#nowMs = Date.parse(time);
  }

  advance(ms: number): void {
    this.#nowMs += ms;
  }
}
