export interface SeqRange {
  first: number;
  last: number;
}

/** Sequences by journal and epoch, as ranges that neither touch nor overlap. */
export class SeqSet {
  readonly #ranges = new Map<string, SeqRange[]>();

  add(journal: string, epoch: string, range: SeqRange): void {
    const key = `${journal}-${epoch}`;
    const before = this.#ranges.get(key) ?? [];
    const merged = { first: range.first, last: range.last };
    const kept: SeqRange[] = [];
    for (const own of before) {
      if (own.last < merged.first - 1 || own.first > merged.last + 1) kept.push(own);
      else {
        merged.first = Math.min(merged.first, own.first);
        merged.last = Math.max(merged.last, own.last);
      }
    }
    kept.push(merged);
    this.#ranges.set(
      key,
      kept.sort((a, b) => a.first - b.first),
    );
  }

  /** What of `range` is in the set. */
  overlap(journal: string, epoch: string, range: SeqRange): SeqRange[] {
    const found: SeqRange[] = [];
    for (const own of this.#ranges.get(`${journal}-${epoch}`) ?? []) {
      const first = Math.max(own.first, range.first);
      const last = Math.min(own.last, range.last);
      if (first <= last) found.push({ first, last });
    }
    return found;
  }
}

/** Whether the ranges, in order and apart, hold all of `range`. */
export function holdsAll(ranges: readonly SeqRange[], range: SeqRange): boolean {
  return ranges.some(({ first, last }) => first <= range.first && last >= range.last);
}

export function holdsSeq(ranges: readonly SeqRange[], seq: number): boolean {
  return ranges.some(({ first, last }) => first <= seq && seq <= last);
}
