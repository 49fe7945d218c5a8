import type { Inbox } from '../bus/bus.ts';
import { within } from './deadline.ts';

const LIMIT_MS = 20_000;

/** An inbox whose durability a test plays: with `hold`, what was asked for waits until `commit()`. */
export class MemoryInbox implements Inbox {
  incarnation: string | undefined;
  filters: readonly string[] = [];
  /** Packet identifiers stored and not released. */
  readonly stored = new Set<number>();
  /** What was asked of it, in order. */
  readonly calls: string[] = [];
  isHeld = false;
  failure: Error | undefined;
  #waiting: (() => void)[] = [];
  #watchers: (() => void)[] = [];

  has(packetId: number): boolean {
    return this.stored.has(packetId);
  }

  release(packetId: number): Promise<void> {
    this.stored.delete(packetId);
    return this.#write(`release ${packetId}`);
  }

  begin(incarnation: string): Promise<void> {
    this.incarnation = incarnation;
    this.stored.clear();
    this.filters = [];
    return this.#write('begin');
  }

  noteFilters(filters: readonly string[]): Promise<void> {
    this.filters = [...filters];
    return this.#write(`filters ${filters.join(' ')}`);
  }

  /** Resolves when it has been asked for so many times. */
  async until(call: string, times = 1): Promise<void> {
    while (this.calls.filter((each) => each === call).length < times) {
      const next = new Promise<void>((resolve) => this.#watchers.push(resolve));
      await within(next, LIMIT_MS, () => `${call}, ${times} times; asked for: ${this.calls.join(', ')}`);
    }
  }

  /** Makes durable what waits. */
  commit(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #write(call: string): Promise<void> {
    this.calls.push(call);
    for (const watch of this.#watchers.splice(0)) watch();
    if (this.failure) return Promise.reject(this.failure);
    if (!this.isHeld) return Promise.resolve();
    return new Promise((resolve) => this.#waiting.push(resolve));
  }
}
