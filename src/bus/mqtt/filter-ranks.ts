import { matchFilter } from '../../wire/topic.ts';

/**
 * Tells the copies that an MQTT 5 server sends when filters overlap (MQTT 5 §3.3.4): each says by its subscription identifier which filter
 * it is for, and the one for the oldest filter counts, since whatever another got that one got too.
 */
export class FilterRanks {
  readonly #ranked: readonly string[];
  readonly #byIdentifier = new Map<number, string>();

  /** @param ranked the oldest first; none when that is not known, then nothing is a copy */
  constructor(ranked: readonly string[]) {
    for (const filter of ranked) this.#byIdentifier.set(identifierOf(filter), filter);
    this.#ranked = this.#byIdentifier.size === ranked.length ? ranked : [];
  }

  isCopy(topic: string, identifier: number | readonly number[] | undefined): boolean {
    if (this.#ranked.length < 2 || typeof identifier !== 'number') return false;
    const own = this.#byIdentifier.get(identifier);
    if (own === undefined) return false;
    const oldest = this.#ranked.find((filter) => matchFilter(filter, topic));
    return oldest !== undefined && oldest !== own;
  }
}

/** The same for a filter in every process, as messages outlive them in the server's queue: 28 bits of FNV-1a, never 0. */
export function identifierOf(filter: string): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(filter)) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return (hash >>> 4) ^ (hash & 0xf) || 1;
}
