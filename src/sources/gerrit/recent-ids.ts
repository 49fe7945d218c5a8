/** So many are known, and of these so many after a restart. */
const MAX = 20_000;
const MAX_KEPT = 2_000;

/** Ids of the last events, by which what the events log gives again is told from what is new. */
export class RecentIds {
  readonly #ids: Set<string>;
  /** In the order in which they came, round about; the oldest stands at `#at`. */
  readonly #ring: string[];
  #at = 0;

  /** @param kept what `toJSON` gave */
  constructor(kept: readonly string[] = []) {
    this.#ids = new Set(kept);
    this.#ring = [...this.#ids];
  }

  get isEmpty(): boolean {
    return this.#ring.length === 0;
  }

  has(id: string): boolean {
    return this.#ids.has(id);
  }

  add(id: string): void {
    if (this.#ids.has(id)) return;
    this.#ids.add(id);
    if (this.#ring.length < MAX) {
      this.#ring.push(id);
      return;
    }
    this.#ids.delete(this.#ring[this.#at]!);
    this.#ring[this.#at] = id;
    this.#at = (this.#at + 1) % MAX;
  }

  /** These have not been published after all. */
  forget(ids: readonly string[]): void {
    for (const id of ids) this.#ids.delete(id);
  }

  toJSON(): string[] {
    const ordered = [...this.#ring.slice(this.#at), ...this.#ring.slice(0, this.#at)];
    return ordered.slice(-MAX_KEPT).filter((id) => this.#ids.has(id));
  }
}
