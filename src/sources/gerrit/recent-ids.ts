/** So many are known, and of these so many after a restart. */
const MAX = 20_000;
const MAX_KEPT = 2_000;

/** Ids of the last events, by which what the events log gives again is told from what is new. */
export class RecentIds {
  readonly #ids: Set<string>;

  /** @param kept what `toJSON` gave */
  constructor(kept: readonly string[] = []) {
    this.#ids = new Set(kept);
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    this.#ids.delete(id);
    this.#ids.add(id);
    if (this.#ids.size > MAX) for (const oldest of this.#ids) return void this.#ids.delete(oldest);
  }

  /** These have not been published after all. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#ids.delete(id);
  }

  toJSON(): string[] {
    return [...this.#ids].slice(-MAX_KEPT);
  }
}
