import { seededRandom } from '../../src/testing/random.ts';

/** The choices of one case: the same seed and case number choose the same. */
export class Dice {
  readonly #between: (from: number, to: number) => number;

  constructor(seed: number, index: number) {
    const mixed = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(index + 1, 0xc2b2ae35);
    this.#between = seededRandom(mixed).between;
  }

  /** A whole number from `from` to `to`, both included. */
  between(from: number, to: number): number {
    return this.#between(from, to);
  }

  chance(percent: number): boolean {
    return this.#between(1, 100) <= percent;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.#between(0, list.length - 1)]!;
  }

  /** One of the keys, each as often as its value says. */
  weigh<K extends string>(weights: Record<K, number>): K {
    const entries = Object.entries(weights) as [K, number][];
    let left = this.#between(
      1,
      entries.reduce((sum, [, weight]) => sum + weight, 0),
    );
    for (const [key, weight] of entries) {
      left -= weight;
      if (left <= 0) return key;
    }
    return entries[0]![0];
  }

  bytes(count: number): Buffer {
    return Buffer.from(Array.from({ length: count }, () => this.#between(0, 255)));
  }
}
