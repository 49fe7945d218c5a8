import type { Timing } from '../bus/mqtt/options.ts';

interface Sleeper {
  atMs: number;
  wake: () => void;
}

/** Time that stands still until the test lets it pass, and chance that the test has chosen. */
export class HandTiming implements Timing {
  /** What `random` gives. */
  chance = 0.5;
  /** How far somebody has set the clock; who sleeps does not notice. */
  skewMs = 0;
  #nowMs = 1_000_000_000_000;
  #sleepers: Sleeper[] = [];

  readonly now = (): number => this.#nowMs + this.skewMs;

  readonly random = (): number => this.chance;

  readonly sleep = (ms: number, signal: AbortSignal): Promise<void> =>
    new Promise((resolve) => {
      if (signal.aborted) return resolve();
      this.#sleepers.push({ atMs: this.#nowMs + ms, wake: resolve });
      signal.addEventListener('abort', () => resolve(), { once: true });
    });

  /** Milliseconds until somebody wakes; infinite when nobody sleeps. */
  get nextMs(): number {
    return Math.min(...this.#sleepers.map(({ atMs }) => atMs)) - this.#nowMs;
  }

  /** Lets time pass and wakes who slept so long. Resolves when they have had their turn. */
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms;
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#nowMs);
    this.#sleepers = this.#sleepers.filter(({ atMs }) => atMs > this.#nowMs);
    for (const { wake } of due) wake();
    await turns();
  }
}

/** Some turns of the event loop. */
export async function turns(count = 4): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
}
