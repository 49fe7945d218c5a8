import type { TopicDigest } from '../wire/manifest.ts';
import { hasWildcard, matchFilter } from '../wire/topic.ts';

const MAX_LIST = 1000;
const MAX_LIST_BYTES = 256 * 1024;
const BITS = 1 << 20;
const MIN_BITS = 1 << 13;
const HASHES = 6;
const MAX_FILL = 0.4;
const RECENT = 20_000;

/**
 * Gathers the topics of an object for its manifest in bounded memory: the list while it is short, past 1 000 topics a Bloom
 * filter of at most 2^20 bits over the topics and the literal prefixes that a filter can ask for.
 */
export class TopicCollector {
  readonly #recent = new Set<string>();
  #listBytes = 0;
  #bloom: Uint8Array | undefined;

  add(topic: string): void {
    if (this.#recent.has(topic)) return;
    if (this.#bloom) {
      if (this.#recent.size >= RECENT) this.#recent.clear();
      this.#recent.add(topic);
      addToBloom(this.#bloom, topic);
      return;
    }
    this.#recent.add(topic);
    this.#listBytes += Buffer.byteLength(topic);
    if (this.#recent.size <= MAX_LIST && this.#listBytes <= MAX_LIST_BYTES) return;
    this.#bloom = new Uint8Array(BITS / 8);
    for (const known of this.#recent) addToBloom(this.#bloom, known);
  }

  digest(): TopicDigest {
    if (!this.#bloom) return { list: [...this.#recent].sort() };
    let bits = this.#bloom;
    while (bits.length * 8 > MIN_BITS) {
      const half = fold(bits);
      if (fill(half) > MAX_FILL) break;
      bits = half;
    }
    return { bloom: Buffer.from(bits).toString('base64'), hashes: HASHES };
  }
}

/** Whether an object may hold a topic that one of the filters matches. No filters: everything matches. */
export function mayMatch(topics: TopicDigest, filters: readonly string[]): boolean {
  if (filters.length === 0) return true;
  if ('list' in topics) return topics.list.some((topic) => filters.some((filter) => matchFilter(filter, topic)));
  const bits = Buffer.from(topics.bloom, 'base64');
  return filters.some((filter) => filterMayMatch(bits, topics.hashes, filter));
}

function filterMayMatch(bits: Uint8Array, hashes: number, filter: string): boolean {
  if (!hasWildcard(filter)) return isInBloom(bits, hashes, TOPIC_SEED, filter);
  const wildcard = filter.search(/[+#]/);
  if (wildcard === 0) return true;
  const prefix = filter.slice(0, wildcard);
  if (isInBloom(bits, hashes, PREFIX_SEED, prefix)) return true;
  return filter[wildcard] === '#' && isInBloom(bits, hashes, TOPIC_SEED, prefix.slice(0, -1));
}

function addToBloom(bits: Uint8Array, topic: string): void {
  setInBloom(bits, TOPIC_SEED, topic);
  for (let at = topic.indexOf('/'); at !== -1; at = topic.indexOf('/', at + 1)) setInBloom(bits, PREFIX_SEED, topic.slice(0, at + 1));
}

const TOPIC_SEED = 0x811c_9dc5;
const PREFIX_SEED = 0x1234_5678;

function setInBloom(bits: Uint8Array, seed: number, text: string): void {
  const mask = bits.length * 8 - 1;
  const [a, b] = hashPair(seed, text);
  for (let i = 0; i < HASHES; i++) {
    const at = (a + Math.imul(i, b)) & mask;
    bits[at >>> 3]! |= 1 << (at & 7);
  }
}

function isInBloom(bits: Uint8Array, hashes: number, seed: number, text: string): boolean {
  const mask = bits.length * 8 - 1;
  const [a, b] = hashPair(seed, text);
  for (let i = 0; i < hashes; i++) {
    const at = (a + Math.imul(i, b)) & mask;
    if ((bits[at >>> 3]! & (1 << (at & 7))) === 0) return false;
  }
  return true;
}

/** FNV-1a over the UTF-8 bytes, then the finalizer of MurmurHash3 for each of the two. */
function hashPair(seed: number, text: string): [number, number] {
  let hash = seed;
  for (const byte of Buffer.from(text)) hash = Math.imul(hash ^ byte, 0x0100_0193);
  return [mix(hash), mix(hash ^ 0x9e37_79b9) | 1];
}

function mix(hash: number): number {
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35);
  return hash ^ (hash >>> 16);
}

/** Half the bits: what was at `i` is at `i` modulo the new size. */
function fold(bits: Uint8Array): Uint8Array {
  const half = bits.slice(0, bits.length / 2);
  for (let i = 0; i < half.length; i++) half[i]! |= bits[half.length + i]!;
  return half;
}

function fill(bits: Uint8Array): number {
  let set = 0;
  for (const byte of bits) for (let left = byte; left > 0; left &= left - 1) set++;
  return set / (bits.length * 8);
}
