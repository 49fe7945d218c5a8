import type { Commits } from './commits.ts';
import type { Room } from './lane.ts';
import type { Brief, OldestResult } from './messages.ts';
import type { DropReason } from './outbox.ts';
import type { Pending } from './pending.ts';
import type { StoreLink } from './store-link.ts';

/** What leaves the outbox unsent: never what is out, and nothing twice. */
export class Drops {
  readonly #store: StoreLink;
  readonly #pending: Pending;
  readonly #commits: Commits;
  readonly #onDropped: (briefs: readonly Brief[], reason: DropReason) => void;
  readonly #out = new Set<number>();

  constructor(store: StoreLink, pending: Pending, commits: Commits, onDropped: (briefs: readonly Brief[], reason: DropReason) => void) {
    this.#store = store;
    this.#pending = pending;
    this.#commits = commits;
    this.#onDropped = onDropped;
  }

  /** How many are out. */
  get out(): number {
    return this.#out.size;
  }

  markOut(seqs: readonly number[], out: boolean): void {
    if (out) for (const seq of seqs) this.#out.add(seq);
    else for (const seq of seqs) this.#out.delete(seq);
  }

  /** It is gone, or will be. */
  forget(seq: number): void {
    this.#out.delete(seq);
  }

  /** @returns how many */
  drop(briefs: readonly Brief[], reason: DropReason): number {
    const going = this.#commits.goingAfter(0);
    const dropped = briefs.filter(({ seq }) => !this.#out.has(seq) && !going.has(seq));
    if (dropped.length === 0) return 0;
    this.#pending.remove(dropped, reason);
    this.#onDropped(dropped, reason);
    return dropped.length;
  }

  /** @returns what it will free, in the commit that comes next: nothing when all is out */
  async dropOldest(channel: string, events: number, bytes: number): Promise<Room> {
    const freed = { events: 0, bytes: 0 };
    for (;;) {
      const afterSeq = this.#lastOut(channel);
      const found = (await this.#store.query({ kind: 'oldest', channel, afterSeq, events, bytes })) as OldestResult;
      // What went out meanwhile stays, and what is behind it may go.
      const going = this.#commits.goingAfter(afterSeq);
      const dropped = found.briefs.filter(({ seq }, i) => {
        if (this.#out.has(seq) || going.has(seq)) return false;
        freed.events++;
        freed.bytes += found.bytes[i]!;
        return true;
      });
      this.drop(dropped, 'oldest');
      if (dropped.length > 0 || found.briefs.length === 0) return freed;
      await this.#pending.settled();
    }
  }

  /** The highest place of what is out: what comes after it may go. */
  #lastOut(channel: string): number {
    const { first = 0, end = 0 } = this.#store.channels.get(channel) ?? {};
    let last = 0;
    for (const seq of this.#out) if (seq >= first && seq < end && seq > last) last = seq;
    return last;
  }
}
