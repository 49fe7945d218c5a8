import type { Clock } from '../../core/clock.ts';
import type { HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { type Batch, sortPuts } from './batch.ts';
import { BlockWriter, rangesOf, unpackRecords } from './blocks.ts';
import { closedError, outboxError } from './failure.ts';
import type { Put } from './lane.ts';
import type { Lanes } from './lanes.ts';
import type { Brief, CommitResult, Failure, Reply, Request } from './messages.ts';
import type { OutboxRecord } from './outbox.ts';
import type { Pending } from './pending.ts';
import type { SendRight } from './send-right.ts';
import type { StoreLink } from './store-link.ts';

/** Commits that the worker has: one under way, one that waits. */
const MAX_IN_FLIGHT = 2;
/** Of a block that is kept to be used again: more than most have. */
const MAX_SPARE_BYTES = 4_194_304;
const RETRY_MS = 200;

export interface CommitsParts {
  path: string;
  store: StoreLink;
  lanes: Lanes;
  pending: Pending;
  right: SendRight;
  clock: Clock;
  log: Log;
  onStored(records: OutboxRecord[]): void;
  /** They are not out, and a newer one of their key is stored. */
  onReplaced(briefs: readonly Brief[]): void;
  /** A commit is over, done or not. */
  onEnd(): void;
}

/** What is under way to the disk: takes what is pending, and says who is stored; goes on when a commit was stale or the disk fails. */
export class Commits {
  readonly #parts: CommitsParts;
  readonly #inFlight: Batch[] = [];
  /** Memory of blocks that the worker is done with. */
  readonly #spares: ArrayBuffer[] = [];
  #epoch = 0;
  #retryTimer: NodeJS.Timeout | undefined;
  #failure: HydrantError | undefined;
  /** With a failing disk: the time to try again has come. */
  #retries = false;
  #isClosed = false;

  constructor(parts: CommitsParts) {
    this.#parts = parts;
    parts.pending.onTurn = () => this.#flush();
  }

  /** The disk is full or failing. */
  get isFailing(): boolean {
    return this.#failure !== undefined;
  }

  /** What was removed above a place, but not yet on disk. */
  goingAfter(seq: number): Set<number> {
    const going = new Set<number>();
    for (const { removed } of [this.#parts.pending, ...this.#inFlight]) for (const each of removed) if (each > seq) going.add(each);
    return going;
  }

  get isRemoving(): boolean {
    return this.#parts.pending.removed.length > 0 || this.#inFlight.some(({ removed }) => removed.length > 0);
  }

  /** Commits what is pending, as far as the disk takes it. */
  async close(): Promise<void> {
    const { store, pending, path } = this.#parts;
    this.#retries = true;
    do {
      this.#flush();
      await store.ask({ kind: 'poll' });
    } while (this.#inFlight.length > 0 || !(pending.isEmpty || this.#failure));
    this.#isClosed = true;
    clearTimeout(this.#retryTimer);
    pending.close(this.#failure ?? closedError(path));
  }

  #flush(): void {
    const { pending, lanes } = this.#parts;
    pending.unschedule();
    if (this.#isClosed) return;
    while (this.#inFlight.length < MAX_IN_FLIGHT && this.#mayCommit()) {
      // What is given back by a stale commit goes before what came later.
      if (this.#inFlight.some(({ epoch }) => epoch !== this.#epoch)) return;
      this.#send();
    }
    if (this.#failure && (!pending.isEmpty || lanes.someWait)) this.#retryTimer ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  /** While the disk is failing, deleting is tried now and then, and alone: it is what may still fit. */
  #mayCommit(): boolean {
    const { puts, changes, isEmpty } = this.#parts.pending;
    return this.#failure && !this.#retries ? puts.length > 0 || changes.length > 0 : !isEmpty;
  }

  #send(): void {
    const { pending, store, clock } = this.#parts;
    const batch = pending.take(this.#epoch, clock.now(), !this.#failure || this.#retries);
    this.#retries = false;
    const block = new BlockWriter(pending.puts.length > 0 ? this.#spares.pop() : undefined);
    if (!this.#failure || batch.removed.length === 0) this.#takePuts(block, batch.puts);
    const puts = block.take();
    if (!puts && batch.removed.length === 0 && batch.changes.length === 0 && this.#inFlight.length === 0) {
      for (const { resolve } of batch.settling) resolve();
      return;
    }
    const request: Request = {
      kind: 'commit',
      epoch: batch.epoch,
      nowMs: batch.nowMs,
      removed: rangesOf(batch.removed),
      dropped: batch.dropped,
      changes: batch.changes.map(({ change }) => change),
      puts,
    };
    this.#inFlight.push(batch);
    void store.ask(request, puts ? [puts.buffer] : []).then((reply) => this.#onReply(batch, reply));
  }

  #takePuts(block: BlockWriter, taken: Put[]): void {
    const { pending, lanes, right } = this.#parts;
    const { puts } = pending;
    let count = 0;
    for (; count < puts.length && !block.isFull; count++) {
      const put = puts[count]!;
      if (put.settled) continue;
      if (put.lane.holds(put)) {
        lanes.hold(put);
        continue;
      }
      put.bytes = block.add(put.event, put.event.key !== undefined && right.borrow());
      put.sent = true;
      taken.push(put);
    }
    puts.splice(0, count);
  }

  #onReply(batch: Batch, reply: Reply): void {
    const { pending, onEnd } = this.#parts;
    this.#inFlight.shift();
    if (reply.spare && reply.spare.byteLength <= MAX_SPARE_BYTES) this.#spares.push(reply.spare);
    if (reply.stale) pending.giveBack(batch, batch.puts, batch.changes);
    else if (reply.failure) this.#onFailure(batch, reply.failure);
    else this.#onDone(batch, reply.result as CommitResult);
    onEnd();
    if (this.#failure || pending.isAwaited) this.#flush();
    else if (!pending.isEmpty) pending.wait();
  }

  #onFailure(batch: Batch, failure: Failure): void {
    const { path, log, pending, lanes } = this.#parts;
    const error = outboxError(path, 'written', failure);
    if (!this.#failure) log('error', 'the outbox cannot be written; trying again', { outbox: path, error: failure.message });
    this.#epoch++;
    this.#failure = error;
    pending.giveBack(batch, [], []);
    for (const { reject } of batch.changes) reject(error);
    for (const put of batch.puts) {
      put.lane.failure = error;
      if (error.retryable && put.lane.whenFull === 'wait') lanes.hold(put);
      else lanes.settle(put, error);
    }
  }

  #tryAgain(): void {
    const { lanes, pending } = this.#parts;
    this.#retryTimer = undefined;
    this.#retries = true;
    for (const lane of lanes.all()) pending.release(lane.takeAll());
    this.#flush();
  }

  #onDone(batch: Batch, result: CommitResult): void {
    const { pending, lanes, right, onStored, onReplaced } = this.#parts;
    if (batch.puts.length > 0 || (pending.puts.length === 0 && !lanes.someWait)) this.#onRecovered();
    if (result.leftOut) this.#epoch++;
    for (const [i, { resolve }] of batch.changes.entries()) resolve(result.changes[i]);
    const { stored, records, refused } = sortPuts(batch, result);
    for (const put of refused) {
      if (put.lane.keepsOrder) lanes.hold(put);
      else lanes.settle(put, put.lane.fullError());
    }
    if (records.length > 0) onStored(records);
    for (let i = 0; i < stored.length; i++) lanes.settle(stored[i]!, records[i]!);
    for (const { resolve } of batch.settling) resolve();
    for (const changed of result.changes) {
      if (typeof changed === 'object' && 'block' in changed) onStored(unpackRecords(changed.block, () => changed.channel));
    }
    if (result.replaced.length > 0 && right.borrow()) onReplaced(result.replaced);
  }

  #onRecovered(): void {
    if (!this.#failure) return;
    this.#failure = undefined;
    const { lanes, log, path } = this.#parts;
    for (const lane of lanes.all()) lane.failure = undefined;
    log('info', 'the outbox can be written again', { outbox: path });
  }
}
