/** Something to look after a few times a second. */
export interface Swept {
  /** @param nowMs the sweeper's clock, milliseconds, never going back */
  sweep(nowMs: number): void;
}

/**
 * One coarse timer for all connections: keep-alive, connect timeout, stalled peers, lingering closes. It runs only while there
 * are connections and does not keep the process alive.
 */
export class Sweeper {
  /** Time of the last sweep, milliseconds. */
  nowMs: number;
  readonly #clock: () => number;
  readonly #intervalMs: number;
  readonly #members = new Set<Swept>();
  #timer: NodeJS.Timeout | undefined;

  /** @param options.intervalMs default 500; 0 for none, `sweep()` is then called by hand */
  constructor(options: { clock?: () => number; intervalMs?: number } = {}) {
    this.#clock = options.clock ?? (() => performance.now());
    this.#intervalMs = options.intervalMs ?? 500;
    this.nowMs = this.#clock();
  }

  add(member: Swept): void {
    if (this.#members.size === 0) {
      this.nowMs = this.#clock();
      if (this.#intervalMs > 0) this.#timer = setInterval(() => this.sweep(), this.#intervalMs).unref();
    }
    this.#members.add(member);
  }

  delete(member: Swept): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  sweep(): void {
    this.nowMs = this.#clock();
    for (const member of this.#members) member.sweep(this.nowMs);
  }
}

/** Shared by every connection that names no other. */
export const sharedSweeper = new Sweeper();
