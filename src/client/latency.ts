const PER_OCTAVE = 8;
const LOWEST_MS = 1 / 64;
const BUCKETS = 32 * PER_OCTAVE;
/** Two halves: what is older than this many milliseconds, twice at most, is forgotten. */
const HALF_MS = 30_000;

export interface LatencyNow {
  /** In the last 30 to 60 seconds. */
  count: number;
  p50Ms: number;
  p99Ms: number;
  maxMs: number;
}

/** How long something took lately: a histogram with steps of 9 %. */
export class Latency {
  #counts = new Uint32Array(BUCKETS);
  #before = new Uint32Array(BUCKETS);
  #maxMs = 0;
  #maxBeforeMs = 0;
  #turnMs = 0;

  add(tookMs: number, nowMs: number): void {
    if (nowMs - this.#turnMs > HALF_MS) this.#turn(nowMs);
    const bucket = tookMs <= LOWEST_MS ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log2(tookMs / LOWEST_MS) * PER_OCTAVE));
    this.#counts[bucket]!++;
    if (tookMs > this.#maxMs) this.#maxMs = tookMs;
  }

  now(nowMs: number): LatencyNow {
    if (nowMs - this.#turnMs > HALF_MS) this.#turn(nowMs);
    const counts = this.#counts.map((count, bucket) => count + this.#before[bucket]!);
    const count = counts.reduce((sum, n) => sum + n, 0);
    return {
      count,
      p50Ms: quantile(counts, count * 0.5),
      p99Ms: quantile(counts, count * 0.99),
      maxMs: Math.max(this.#maxMs, this.#maxBeforeMs),
    };
  }

  #turn(nowMs: number): void {
    const isOld = nowMs - this.#turnMs > 2 * HALF_MS;
    this.#before = isOld ? new Uint32Array(BUCKETS) : this.#counts;
    this.#maxBeforeMs = isOld ? 0 : this.#maxMs;
    this.#counts = new Uint32Array(BUCKETS);
    this.#maxMs = 0;
    this.#turnMs = nowMs;
  }
}

function quantile(counts: Uint32Array, rank: number): number {
  let seen = 0;
  for (let bucket = 0; bucket < BUCKETS; bucket++) {
    seen += counts[bucket]!;
    if (seen > 0 && seen >= rank) return LOWEST_MS * 2 ** (bucket / PER_OCTAVE);
  }
  return 0;
}
