import { HydrantError } from '../core/errors.ts';

const LAST_ID = 65_535;

/** Packet identifiers that one end has in use. One that was given back comes again as late as can be. */
export class PacketIds {
  readonly #used = new Uint8Array(LAST_ID + 1);
  #count = 0;
  #next = 1;

  /** @throws HYD_USAGE when all 65 535 are in use */
  take(): number {
    if (this.#count === LAST_ID) throw new HydrantError('HYD_USAGE', 'all 65 535 packet identifiers are in use');
    while (this.#used[this.#next] === 1) this.#next = (this.#next % LAST_ID) + 1;
    const id = this.#next;
    this.#used[id] = 1;
    this.#count++;
    this.#next = (id % LAST_ID) + 1;
    return id;
  }

  release(id: number): void {
    this.#count -= this.#used[id]!;
    this.#used[id] = 0;
  }
}
