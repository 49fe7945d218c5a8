const MINUTE_MS = 60_000;
const PERIODS = [1, 5, 15] as const;

/**
 * Counters as rates: per minute, averaged over 1, 5 and 15 minutes with exponentially fading weight, as the load averages of Unix are and
 * Mosquitto's `$SYS/broker/load/…`.
 */
export class LoadAverages {
  readonly #loads = new Map<string, { counted: number; averages: number[] }>();
  #sampledMs: number;

  constructor(counters: Record<string, number>, nowMs: number) {
    for (const name in counters) this.#loads.set(name, { counted: counters[name]!, averages: PERIODS.map(() => 0) });
    this.#sampledMs = nowMs;
  }

  /** Takes in what has been counted up to now. */
  sample(counters: Record<string, number>, nowMs: number): void {
    const elapsedMs = nowMs - this.#sampledMs;
    if (elapsedMs <= 0) return;
    this.#sampledMs = nowMs;
    const fading = PERIODS.map((minutes) => Math.exp(-elapsedMs / (minutes * MINUTE_MS)));
    for (const [name, load] of this.#loads) {
      const perMinute = ((counters[name]! - load.counted) * MINUTE_MS) / elapsedMs;
      load.counted = counters[name]!;
      load.averages = load.averages.map((average, at) => perMinute + fading[at]! * (average - perMinute));
    }
  }

  /** `messages/received/5min` and its average. */
  *[Symbol.iterator](): Generator<[name: string, average: number]> {
    for (const [name, { averages }] of this.#loads)
      for (const [at, minutes] of PERIODS.entries()) yield [`${name}/${minutes}min`, averages[at]!];
  }
}
