/** A token bucket: `perSecond` on average, after a rest up to `burst` at once. */
export class Rate {
  #tokens: number;
  #atMs: number;

  constructor(burst: number, nowMs: number) {
    this.#tokens = burst;
    this.#atMs = nowMs;
  }

  /** Takes one. @returns 0, or how many milliseconds too early it was */
  take(perSecond: number, burst: number, nowMs: number): number {
    this.#fill(perSecond, burst, nowMs);
    this.#tokens--;
    return this.#tokens >= 0 ? 0 : Math.ceil((-this.#tokens / perSecond) * 1000);
  }

  /** Gives back what was taken too early. */
  giveBack(): void {
    this.#tokens++;
  }

  isFull(perSecond: number, burst: number, nowMs: number): boolean {
    this.#fill(perSecond, burst, nowMs);
    return this.#tokens >= burst;
  }

  #fill(perSecond: number, burst: number, nowMs: number): void {
    this.#tokens = Math.min(burst, this.#tokens + (Math.max(0, nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
  }
}
