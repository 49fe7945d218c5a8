import type { Clock } from '../../core/clock.ts';
import type { Log } from '../../core/log.ts';
import { unpackRecords } from './blocks.ts';
import { Commits } from './commits.ts';
import { Drops } from './drops.ts';
import { Lanes } from './lanes.ts';
import type { Brief, ChannelReport, QuarantineBlock, RecordBlock, Reply } from './messages.ts';
import type { ChannelBounds, DroppedRange, DropReason, Outbox, OutboxEvent, OutboxRecord, Quarantined, Storer } from './outbox.ts';
import { Pending } from './pending.ts';
import { RoomMaker } from './room-maker.ts';
import { SendRight } from './send-right.ts';
import { StoreLink } from './store-link.ts';
import { Sweep } from './sweep.ts';
import type { WorkerLink } from './worker-link.ts';

const TICKS_OF_SWEEP = 5;
/** The longest that a timer takes. */
const LONGEST_MS = 2_147_483_647;

export interface DiskOutboxParts {
  path: string;
  link: WorkerLink;
  lazyMs: number;
  pollMs: number;
  clock: Clock;
  log: Log;
}

/** The main thread's side of an outbox: puts its parts together. */
export class DiskOutbox implements Outbox {
  readonly channels: ReadonlyMap<string, ChannelReport>;
  onStored: Outbox['onStored'] = () => {};
  onForeign: Outbox['onForeign'] = () => {};
  onDropped: Outbox['onDropped'] = () => {};
  readonly #path: string;
  readonly #store: StoreLink;
  readonly #right: SendRight;
  readonly #lanes: Lanes;
  readonly #pending: Pending;
  readonly #commits: Commits;
  readonly #drops: Drops;
  readonly #room: RoomMaker;
  readonly #sweep: Sweep;
  readonly #ticker: NodeJS.Timeout;
  #ticks = 0;
  #closing: Promise<void> | undefined;

  constructor({ path, link, lazyMs, pollMs, clock, log }: DiskOutboxParts, opened: Reply) {
    const store = new StoreLink(path, link, opened);
    const right = new SendRight(path);
    const lanes = new Lanes(path);
    const pending = new Pending(path, lanes, lazyMs);
    const commits = new Commits({
      path,
      store,
      lanes,
      pending,
      right,
      clock,
      log,
      onStored: (records) => this.onStored(records),
      onReplaced: (briefs) => void this.#drops.drop(briefs, 'replaced'),
      onEnd: () => {
        this.#room.look();
        this.#room.returnRight();
      },
    });
    const drops = new Drops(store, pending, commits, (briefs, reason) => this.onDropped(briefs, reason));
    this.#path = path;
    this.#store = store;
    this.#right = right;
    this.#lanes = lanes;
    this.#pending = pending;
    this.#commits = commits;
    this.#drops = drops;
    this.#room = new RoomMaker({ store, lanes, pending, commits, drops, right, log });
    this.#sweep = new Sweep({ store, lanes, pending, drops, clock });
    this.channels = store.channels;
    store.onForeign = (channels, reports) => this.#onForeign(channels, reports);
    this.#ticker = setInterval(() => this.#tick(), pollMs).unref();
  }

  configure(channel: string, bounds: ChannelBounds): void {
    const lane = this.#lanes.of(channel);
    lane.set(bounds);
    const { maxEvents, maxBytes, keepsOrder } = lane;
    void this.#store.ask({ kind: 'bounds', channel, maxEvents, maxBytes, keepsOrder });
    this.#room.look();
  }

  put(event: OutboxEvent, options: { signal?: AbortSignal } = {}): Promise<OutboxRecord> {
    return new Promise((resolve, reject) => this.store(event, { onStored: resolve, onRefused: reject }, options));
  }

  store(event: OutboxEvent, storer: Storer, { signal }: { signal?: AbortSignal } = {}): void {
    const put = this.#lanes.admit(event, storer, signal);
    if (put) this.#pending.put(put);
  }

  async read(channel: string, afterSeq: number, bounds: { maxEvents: number; maxBytes: number }): Promise<OutboxRecord[]> {
    for (let from = afterSeq; ; ) {
      const block = (await this.#store.query({ kind: 'read', channel, afterSeq: from, ...bounds })) as RecordBlock;
      const records = unpackRecords(block, () => channel);
      const going = this.#commits.goingAfter(from);
      const there = going.size === 0 ? records : records.filter(({ seq }) => !going.has(seq));
      // None means that there are none: what is on its way out may fill a whole piece.
      if (there.length > 0 || records.length === 0) return there;
      from = records.at(-1)!.seq;
    }
  }

  markOut(seqs: readonly number[], out: boolean): void {
    this.#drops.markOut(seqs, out);
  }

  remove(seq: number, dropped?: DropReason): void {
    this.#drops.forget(seq);
    this.#pending.removeLazily(seq, dropped);
  }

  async dropped(): Promise<DroppedRange[]> {
    return (await this.#store.query({ kind: 'dropped' })) as DroppedRange[];
  }

  settled(): Promise<void> {
    return this.#pending.settled();
  }

  noteAttempt(seq: number, attempts: number): void {
    this.#pending.change({ kind: 'attempts', seq, attempts }).catch(() => {});
  }

  async quarantine(seq: number, reason: string): Promise<void> {
    await this.#pending.change({ kind: 'quarantine', seq, reason });
    this.#drops.forget(seq);
  }

  async quarantined(bounds: { afterSeq?: number; maxEvents?: number; maxBytes?: number } = {}): Promise<Quarantined[]> {
    const { afterSeq = 0, maxEvents = 1000, maxBytes = 1 << 24 } = bounds;
    const block = (await this.#store.query({ kind: 'quarantined', afterSeq, maxEvents, maxBytes })) as QuarantineBlock;
    return unpackRecords(block, (index) => block.channels[index]!).map((record, index) => ({
      ...record,
      reason: block.reasons[index]!,
      quarantinedMs: block.quarantinedMs[index]!,
    }));
  }

  async retry(seq: number): Promise<boolean> {
    const result = await this.#pending.change({ kind: 'retry', seq });
    return result !== undefined;
  }

  async drop(seq: number, reason: DropReason = 'operator'): Promise<boolean> {
    const brief = (await this.#pending.change({ kind: 'drop', seq, reason })) as Brief | undefined;
    this.#drops.forget(seq);
    if (brief) this.onDropped([brief], reason);
    return brief !== undefined;
  }

  async getNote(name: string): Promise<Uint8Array | undefined> {
    return (await this.#store.query({ kind: 'note', name })) as Uint8Array | undefined;
  }

  async setNote(name: string, value: Uint8Array | undefined): Promise<void> {
    await this.#pending.change({ kind: 'note', name, value });
  }

  async keepNote(name: string, value: Uint8Array): Promise<Uint8Array> {
    await this.#pending.change({ kind: 'first-note', name, value });
    return (await this.getNote(name)) ?? value;
  }

  claim(options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#right.claim(options.signal);
  }

  close({ deadlineMs }: { deadlineMs?: number } = {}): Promise<void> {
    this.#closing ??= this.#close(deadlineMs);
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(deadlineMs: number | undefined): Promise<void> {
    const late = deadlineMs === undefined ? undefined : setTimeout(() => this.#store.giveUp(), Math.min(deadlineMs, LONGEST_MS));
    this.#right.refuse();
    this.#lanes.close();
    await this.#commits.close();
    clearInterval(this.#ticker);
    await this.#store.end();
    clearTimeout(late);
    this.#right.release();
  }

  #onForeign(channels: ReadonlySet<string>, reports: readonly ChannelReport[]): void {
    this.onForeign(channels);
    if (this.#right.isHeld) for (const report of reports) void this.#room.grant(report);
  }

  #tick(): void {
    this.#right.look();
    const sends = this.#right.isHeld;
    if (sends && ++this.#ticks % TICKS_OF_SWEEP === 0) void this.#sweep.run();
    if (this.#path === ':memory:' || !(sends || this.#right.isWanted || this.#lanes.someWait)) return;
    void this.#store.ask({ kind: 'poll' }).then(() => this.#room.look());
  }
}
