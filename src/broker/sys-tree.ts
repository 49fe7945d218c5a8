import { matchFilter } from '../wire/topic.ts';
import { Message } from './message.ts';
import { LoadAverages } from './sys-load.ts';
import { loadCounters, type SysReading, sysValues } from './sys-values.ts';

interface SysTreeParts {
  /** Milliseconds between two updates; 0: there is no `$SYS`. */
  intervalMs(): number;
  read(): Omit<SysReading, 'uptimeMs' | 'heap'>;
  /** Whether anybody has subscribed to something below `$SYS/`. */
  hasReaders(): boolean;
  publish(message: Message): void;
}

const PREFIX = '$SYS/';
/** The caller's tick may come this much early. */
const SLACK_MS = 250;

/**
 * Statistics on `$SYS/…`: every interval what has changed goes to those who have subscribed, and a new subscription gets all values as of the
 * last update, with RETAIN set. They are made for whoever reads them and kept nowhere else: not in the journal, not in the state.
 */
export class SysTree {
  readonly #parts: SysTreeParts;
  readonly #startedMs: number;
  readonly #loads: LoadAverages;
  #updatedMs: number;
  #maxHeapBytes = 0;
  /** What readers have; undefined while there is none. */
  #published: Map<string, Message> | undefined;

  constructor(parts: SysTreeParts, nowMs: number) {
    this.#parts = parts;
    this.#startedMs = this.#updatedMs = nowMs;
    this.#loads = new LoadAverages(loadCounters(parts.read().statistics), nowMs);
  }

  /** @param nowMs of a clock that never goes back */
  tick(nowMs: number): void {
    const intervalMs = this.#parts.intervalMs();
    if (intervalMs === 0) this.#published = undefined;
    if (intervalMs === 0 || nowMs - this.#updatedMs < intervalMs - SLACK_MS) return;
    this.#updatedMs = nowMs;
    this.#loads.sample(loadCounters(this.#parts.read().statistics), nowMs);
    const before = this.#published;
    this.#published = this.#parts.hasReaders() ? this.#values(nowMs, before) : undefined;
    for (const [topic, message] of this.#published ?? []) if (before?.get(topic) !== message) this.#parts.publish(message);
  }

  /** Those that match a filter, for a new subscription. */
  match(filter: string, nowMs: number): Message[] {
    if (this.#parts.intervalMs() === 0 || !filter.startsWith(PREFIX)) return [];
    this.#published ??= this.#values(nowMs);
    return [...this.#published.values()].filter(({ topic }) => matchFilter(filter, topic));
  }

  /** Every value now; those that have not changed are the same messages as before. */
  #values(nowMs: number, before?: ReadonlyMap<string, Message>): Map<string, Message> {
    const { heapUsed, external } = process.memoryUsage();
    const bytes = heapUsed + external;
    this.#maxHeapBytes = Math.max(this.#maxHeapBytes, bytes);
    const reading = { ...this.#parts.read(), uptimeMs: nowMs - this.#startedMs, heap: { bytes, maxBytes: this.#maxHeapBytes } };
    const values = new Map<string, Message>();
    for (const [name, value] of sysValues(reading, this.#loads)) {
      const topic = PREFIX + name;
      const known = before?.get(topic);
      const payload = Buffer.from(value);
      const isSame = known !== undefined && payload.equals(known.payload);
      values.set(topic, isSame ? known : new Message({ topic, payload, qos: 0, retain: true }));
    }
    return values;
  }
}
