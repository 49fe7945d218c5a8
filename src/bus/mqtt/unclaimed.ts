import type { Arrival, Taker } from './arrival.ts';

/** How long what no subscription of this process has asked for is held at least; twice that at most. */
const HELD_MS = 60_000;

/**
 * What a session that outlives processes and subscriptions brought for none of those there are now. It is held unacknowledged for the next
 * subscription that wants it.
 */
export class Unclaimed implements Taker {
  readonly #maxBytes: number;
  readonly #isWaitedFor: (arrival: Arrival) => boolean;
  readonly #letGo: (arrivals: readonly Arrival[], why: string) => void;
  #held: Arrival[] = [];
  /** Was held when the timer last went off. */
  #old = new Set<Arrival>();
  #bytes = 0;
  #timer: NodeJS.Timeout | undefined;

  /**
   * @param isWaitedFor it is for a durable that was closed here: held however long
   * @param letGo acknowledges what nobody came for
   */
  constructor(maxBytes: number, isWaitedFor: (arrival: Arrival) => boolean, letGo: (arrivals: readonly Arrival[], why: string) => void) {
    this.#maxBytes = maxBytes;
    this.#isWaitedFor = isWaitedFor;
    this.#letGo = letGo;
  }

  take(arrival: Arrival): void {
    this.#held.push(arrival);
    this.#bytes += arrival.event.payload.length;
    this.#timer ??= setTimeout(() => this.#tidy(), HELD_MS).unref();
    while (this.#bytes > this.#maxBytes) this.#letGo(this.#remove([this.#held[0]!]), `more than ${this.#maxBytes} bytes wait`);
  }

  onAck(): void {}

  onNak(): void {}

  /** Gives away what is wanted, in its order. */
  claim(isWanted: (arrival: Arrival) => boolean): Arrival[] {
    return this.#remove(this.#held.filter(isWanted));
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#held = [];
    this.#old.clear();
    this.#bytes = 0;
  }

  #tidy(): void {
    this.#timer = undefined;
    const late = this.#remove(this.#held.filter((arrival) => this.#old.has(arrival) && !this.#isWaitedFor(arrival)));
    if (late.length > 0) this.#letGo(late, `no subscription asked for them within ${HELD_MS / 1000} s`);
    this.#old = new Set(this.#held);
    if (this.#held.length > 0) this.#timer = setTimeout(() => this.#tidy(), HELD_MS).unref();
  }

  #remove(arrivals: Arrival[]): Arrival[] {
    const gone = new Set(arrivals);
    this.#held = this.#held.filter((arrival) => !gone.has(arrival));
    for (const { event } of arrivals) this.#bytes -= event.payload.length;
    return arrivals;
  }
}
