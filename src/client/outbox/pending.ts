import type { HydrantError } from '../../core/errors.ts';
import type { Batch, PendingChange, Settling } from './batch.ts';
import { closedError } from './failure.ts';
import type { Put } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Brief, Change, ChangeResult } from './messages.ts';
import type { DroppedRange, DropReason } from './outbox.ts';

const MAX_LAZY_REMOVALS = 4096;

/** What a turn of the event loop brings, and what was left over: the next commit takes it, in order. */
export class Pending {
  puts: Put[] = [];
  removed: number[] = [];
  changes: PendingChange[] = [];
  /** It is time for a commit. */
  onTurn: () => void = () => {};
  readonly #path: string;
  readonly #lanes: Lanes;
  readonly #lazyMs: number;
  #settling: Settling[] = [];
  #dropped: DroppedRange[] = [];
  #isScheduled = false;
  #lazyTimer: NodeJS.Timeout | undefined;
  #isClosed = false;

  /** @param lazyMs how long a removal may wait for company */
  constructor(path: string, lanes: Lanes, lazyMs: number) {
    this.#path = path;
    this.#lanes = lanes;
    this.#lazyMs = lazyMs;
  }

  get isEmpty(): boolean {
    return this.removed.length === 0 && !this.isAwaited;
  }

  /** Somebody waits for some of it. */
  get isAwaited(): boolean {
    return this.puts.length > 0 || this.changes.length > 0 || this.#settling.length > 0;
  }

  put(put: Put): void {
    this.puts.push(put);
    this.#schedule();
  }

  /** Puts that waited until now: before what came later. */
  release(puts: Put[]): void {
    if (puts.length === 0) return;
    this.puts = puts.concat(this.puts);
    this.#schedule();
  }

  remove(briefs: readonly Brief[], reason: DropReason): void {
    for (const { seq } of briefs) this.#drop(seq, reason);
    this.#schedule();
  }

  /** With the next commit, however late that is. */
  removeLazily(seq: number, dropped?: DropReason): void {
    if (this.#isClosed) return;
    if (dropped) this.#drop(seq, dropped);
    else this.removed.push(seq);
    if (this.removed.length >= MAX_LAZY_REMOVALS || this.#lanes.someWait) this.#schedule();
    else this.wait();
  }

  change(change: Change): Promise<ChangeResult> {
    return new Promise((resolve, reject) => {
      if (this.#lanes.isClosed) return reject(closedError(this.#path));
      this.changes.push({ change, resolve, reject });
      this.#schedule();
    });
  }

  /** Resolves once everything removed so far is durable. */
  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#isClosed) return reject(closedError(this.#path));
      this.#settling.push({ resolve, reject });
      this.#schedule();
    });
  }

  /** Lets what is there wait for company. */
  wait(): void {
    this.#lazyTimer ??= setTimeout(this.onTurn, this.#lazyMs);
  }

  /** The turn has come. */
  unschedule(): void {
    this.#isScheduled = false;
    clearTimeout(this.#lazyTimer);
    this.#lazyTimer = undefined;
  }

  /** A batch that has no puts yet. @param deletes whether what is removed goes with it */
  take(epoch: number, nowMs: number, deletes: boolean): Batch {
    return {
      epoch,
      nowMs,
      puts: [],
      removed: deletes ? this.removed.splice(0) : [],
      dropped: deletes ? this.#dropped.splice(0) : [],
      changes: this.changes.splice(0),
      settling: deletes ? this.#settling.splice(0) : [],
    };
  }

  /** Of a batch that was not committed: before what came later. */
  giveBack({ removed, dropped, settling }: Batch, puts: Put[], changes: PendingChange[]): void {
    for (const put of puts) put.sent = false;
    this.puts = puts.concat(this.puts);
    this.removed = removed.concat(this.removed);
    this.#dropped = dropped.concat(this.#dropped);
    this.changes = changes.concat(this.changes);
    this.#settling = settling.concat(this.#settling);
  }

  /** Who waits is told. */
  close(error: HydrantError): void {
    this.#isClosed = true;
    this.unschedule();
    for (const put of this.puts.splice(0)) this.#lanes.settle(put, error);
    for (const { reject } of [...this.changes.splice(0), ...this.#settling.splice(0)]) reject(error);
  }

  #drop(seq: number, reason: DropReason): void {
    this.removed.push(seq);
    // Only who stored it, and what took its place, know the key.
    if (reason === 'replaced') return;
    const newest = this.#dropped.at(-1);
    if (newest?.last === seq - 1 && newest.reason === reason) newest.last = seq;
    else this.#dropped.push({ first: seq, last: seq, reason });
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.onTurn);
  }
}
