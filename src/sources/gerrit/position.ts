import type { Cursor } from '../source.ts';
import { RecentIds } from './recent-ids.ts';

/** Up to where everything is published. What it is told is stored already, so that a crash or a failure never leaves it ahead. */
export class Position {
  readonly recent: RecentIds;
  readonly #cursor: Cursor;
  /** Seconds: the time of the newest event. */
  #newestS: number;
  /** Seconds: from where on events may be missing that the events log is still to give. */
  #holeS: number | undefined;

  constructor(cursor: Cursor) {
    this.#cursor = cursor;
    this.recent = new RecentIds(cursor.get<string[]>('recent'));
    this.#newestS = this.completeS ?? 0;
  }

  /** Seconds; undefined before the first connection. */
  get completeS(): number | undefined {
    return this.#cursor.get<number>('complete');
  }

  /** When the upstream was last known to be there, milliseconds of this machine. */
  get aliveMs(): number | undefined {
    return this.#cursor.get<number>('alive');
  }

  alive(ms: number): void {
    this.#cursor.set('alive', ms);
  }

  /** Events up to that time have been stored. */
  advance(newestS: number | undefined): void {
    this.#newestS = Math.max(this.#newestS, newestS ?? 0);
    this.#save();
  }

  /** Stands still until the hole is closed. */
  openHole(fromS: number): void {
    this.#holeS = Math.min(fromS, this.#holeS ?? fromS);
    this.#save();
  }

  closeHole(): void {
    this.#holeS = undefined;
    this.#save();
  }

  #save(): void {
    this.#cursor.set('complete', this.#holeS ?? this.#newestS);
    if (!this.recent.isEmpty) this.#cursor.set('recent', this.recent);
  }
}
