import type { Segment, SegmentInfo } from './segment.ts';
import type { SegmentIndex } from './segment-index.ts';

const MAX_BYTES = 64 * 1024 * 1024;

/** Indexes of closed segments that are in memory, the least recently used given up past 64 MiB. */
export class IndexCache {
  readonly #onDamaged: (segment: SegmentInfo, offset: number, error: unknown) => void;
  readonly #used = new Set<Segment>();
  readonly #loading = new Map<Segment, Promise<SegmentIndex>>();

  constructor(onDamaged: (segment: SegmentInfo, offset: number, error: unknown) => void) {
    this.#onDamaged = onDamaged;
  }

  get bytes(): number {
    let sum = 0;
    for (const segment of this.#used) sum += segment.index?.bytes ?? 0;
    return sum;
  }

  async get(segment: Segment): Promise<SegmentIndex> {
    if (segment.index) {
      if (segment.closed) this.adopt(segment);
      return segment.index;
    }
    let loading = this.#loading.get(segment);
    if (!loading) {
      loading = segment.loadIndex(this.#onDamaged).finally(() => this.#loading.delete(segment));
      this.#loading.set(segment, loading);
    }
    const index = await loading;
    this.adopt(segment);
    return index;
  }

  /** Counts a closed segment's index against the bound. */
  adopt(segment: Segment): void {
    this.#used.delete(segment);
    if (!segment.index) return;
    this.#used.add(segment);
    let bytes = this.bytes;
    for (const oldest of this.#used) {
      if (bytes <= MAX_BYTES || oldest === segment) break;
      bytes -= oldest.index?.bytes ?? 0;
      this.forget(oldest);
    }
  }

  forget(segment: Segment): void {
    this.#used.delete(segment);
    segment.index = undefined;
  }
}
