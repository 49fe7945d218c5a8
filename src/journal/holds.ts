/** Keeps segments from being removed: nothing at or above `seq` goes while it is held. */
export interface Hold {
  set(seq: number): void;
  release(): void;
}

/** Who still needs what: session cursors, the sealer, upload marks. */
export class Holds {
  readonly #held = new Map<string, number>();

  /** Starts by holding everything. */
  take(name: string): Hold {
    this.#held.set(name, 0);
    return {
      set: (seq) => void this.#held.set(name, seq),
      release: () => void this.#held.delete(name),
    };
  }

  /** The lowest sequence that somebody needs; infinity when nobody does. */
  get floor(): number {
    return Math.min(Number.POSITIVE_INFINITY, ...this.#held.values());
  }
}
