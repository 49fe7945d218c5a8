import { setTimeout as delay } from 'node:timers/promises';

const SHORTEST_SLEEP_MS = 2;
const CATCH_UP_MS = 100;

export interface PaceOptions {
  /** How many times faster than it happened; Infinity for as fast as accepted. */
  speed: number;
  /** Events a second, at most. */
  rate?: number;
  now?: () => number;
  sleep?: (ms: number, signal: AbortSignal) => Promise<unknown>;
}

/** Waits until an event is due, by its own time and by the rate allowed. Of a delay at most a tenth of a second's rate is made up for. */
export class Pace {
  readonly #speed: number;
  readonly #gapMs: number;
  readonly #now: () => number;
  readonly #sleep: NonNullable<PaceOptions['sleep']>;
  #firstMs: number | undefined;
  #startMs = 0;
  #nextMs = 0;

  constructor(options: PaceOptions) {
    this.#speed = options.speed;
    this.#gapMs = options.rate === undefined ? 0 : 1000 / options.rate;
    this.#now = options.now ?? (() => performance.now());
    this.#sleep = options.sleep ?? ((ms, signal) => delay(ms, undefined, { signal }));
  }

  /** @param arrivalMs when the event happened */
  async until(arrivalMs: number, signal: AbortSignal): Promise<void> {
    const nowMs = this.#now();
    if (this.#firstMs === undefined) {
      this.#firstMs = arrivalMs;
      this.#startMs = this.#nextMs = nowMs;
    }
    const byTime = this.#speed === Number.POSITIVE_INFINITY ? 0 : this.#startMs + (arrivalMs - this.#firstMs) / this.#speed;
    const due = Math.max(byTime, this.#nextMs);
    this.#nextMs = Math.max(this.#nextMs, nowMs - CATCH_UP_MS) + this.#gapMs;
    if (due - nowMs >= SHORTEST_SLEEP_MS) await this.#sleep(due - nowMs, signal).catch(() => signal.throwIfAborted());
  }
}

/** How long a replay takes at this pace when the server keeps up; undefined when only the server decides. */
export function plannedMs(events: number, spanMs: number, options: Pick<PaceOptions, 'speed' | 'rate'>): number | undefined {
  const byTime = Number.isFinite(options.speed) ? spanMs / options.speed : 0;
  const byRate = options.rate === undefined ? 0 : (events / options.rate) * 1000;
  const longest = Math.max(byTime, byRate);
  return longest > 0 ? longest : undefined;
}
