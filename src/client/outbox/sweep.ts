import type { Clock } from '../../core/clock.ts';
import type { Drops } from './drops.ts';
import type { Lanes } from './lanes.ts';
import type { DueResult } from './messages.ts';
import type { Pending } from './pending.ts';
import type { StoreLink } from './store-link.ts';

/** Dropped for their time in one commit. */
const MAX_SWEPT = 500;

export interface SweepParts {
  store: StoreLink;
  lanes: Lanes;
  pending: Pending;
  drops: Drops;
  clock: Clock;
}

/** Drops what is past its time. */
export class Sweep {
  readonly #parts: SweepParts;
  #isUnderWay = false;

  constructor(parts: SweepParts) {
    this.#parts = parts;
  }

  /** Some at a time, as long as there is more. */
  async run(): Promise<void> {
    if (this.#isUnderWay) return;
    this.#isUnderWay = true;
    try {
      while ((await this.#dropSome()) >= MAX_SWEPT) await this.#parts.pending.settled();
    } catch {
      // The disk fails or the outbox closes: what is left goes with the next time.
    } finally {
      this.#isUnderWay = false;
    }
  }

  /** @returns how many */
  async #dropSome(): Promise<number> {
    const { store, lanes, drops, clock } = this.#parts;
    const nowMs = clock.now();
    const ages: [string, number][] = [];
    for (const { channel, maxAgeMs } of lanes.all()) if (maxAgeMs !== undefined) ages.push([channel, nowMs - maxAgeMs]);
    // What is out stays, and must not hide what is behind it.
    const reply = await store.ask({ kind: 'due', nowMs, ages, maxEvents: MAX_SWEPT + drops.out });
    if (reply.failure || lanes.isClosed) return 0;
    const { expired, aged } = reply.result as DueResult;
    return drops.drop(expired, 'expired') + drops.drop(aged, 'age');
  }
}
