/** Of a second: how much may go at once after a pause. */
const BURST = 0.05;

export interface Rate {
  eventsPerSecond?: number;
  bytesPerSecond?: number;
}

/** Two token buckets, filled a little slower than asked, so that no second sees more than the rate, wherever it begins. */
export class RateLimit {
  readonly #events: Bucket;
  readonly #bytes: Bucket;

  constructor({ eventsPerSecond = Number.POSITIVE_INFINITY, bytesPerSecond = Number.POSITIVE_INFINITY }: Rate, nowMs: number) {
    this.#events = new Bucket(eventsPerSecond, nowMs);
    this.#bytes = new Bucket(bytesPerSecond, nowMs);
  }

  /** Milliseconds until one more event of so many bytes may go; 0 when it may now, and then it is counted. */
  take(bytes: number, nowMs: number): number {
    const waitMs = Math.max(this.#events.waitMs(1, nowMs), this.#bytes.waitMs(bytes, nowMs));
    if (waitMs > 0) return waitMs;
    this.#events.take(1);
    this.#bytes.take(bytes);
    return 0;
  }
}

class Bucket {
  readonly #perMs: number;
  readonly #capacity: number;
  #level: number;
  #filledMs: number;

  constructor(perSecond: number, nowMs: number) {
    this.#perMs = (perSecond * (1 - BURST)) / 1000;
    this.#capacity = Math.max(1, perSecond * BURST);
    this.#level = this.#capacity;
    this.#filledMs = nowMs;
  }

  /** What is larger than the bucket goes when it is full, and is owed. */
  waitMs(amount: number, nowMs: number): number {
    if (this.#perMs === Number.POSITIVE_INFINITY) return 0;
    // A clock that was set back fills nothing.
    this.#level = Math.min(this.#capacity, this.#level + Math.max(0, nowMs - this.#filledMs) * this.#perMs);
    this.#filledMs = nowMs;
    const missing = Math.min(amount, this.#capacity) - this.#level;
    return missing <= 0 ? 0 : Math.ceil(missing / this.#perMs);
  }

  take(amount: number): void {
    if (this.#perMs !== Number.POSITIVE_INFINITY) this.#level -= amount;
  }
}
