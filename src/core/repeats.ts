/** Of what is told again and again: the first of a kind at once, then one in so many milliseconds, with how many were kept back. */
export class Repeats {
  readonly #everyMs: number;
  readonly #told = new Map<string, { ms: number; more: number }>();

  constructor(everyMs: number) {
    this.#everyMs = everyMs;
  }

  /** @returns how many of the kind were kept back since it was told last; undefined: not to be told now */
  take(kind: string, nowMs: number): number | undefined {
    const told = this.#told.get(kind);
    if (told && nowMs - told.ms < this.#everyMs) {
      told.more++;
      return undefined;
    }
    this.#told.set(kind, { ms: nowMs, more: 0 });
    return told?.more ?? 0;
  }
}
