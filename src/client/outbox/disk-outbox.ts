import type { Clock } from '../../core/clock.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { BlockWriter, rangesOf, unpackRecords } from './blocks.ts';
import { outboxError } from './failure.ts';
import { Lane, type Put, type Room } from './lane.ts';
import type {
  Brief,
  Change,
  ChangeResult,
  ChannelReport,
  CommitResult,
  DueResult,
  Failure,
  OldestResult,
  QuarantineBlock,
  RecordBlock,
  Reply,
  Request,
} from './messages.ts';
import type { ChannelBounds, DropReason, Outbox, OutboxEvent, OutboxRecord, Quarantined } from './outbox.ts';
import { fitsRecord } from './record.ts';
import { abortError, SendRight } from './send-right.ts';
import type { WorkerLink } from './worker-link.ts';

/** Commits that the worker has: one under way, one that waits. */
const MAX_IN_FLIGHT = 2;
/** Of a block that is kept to be used again: more than most have. */
const MAX_SPARE_BYTES = 4_194_304;
/** Payload bytes that wait for the disk. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024;
const MAX_PAYLOAD_BYTES = 256 * 1024 * 1024;
const MAX_CHANNELS = 8000;
const MAX_LAZY_REMOVALS = 4096;
const MAX_VICTIMS = 4096;
const RETRY_MS = 200;
const TICKS_OF_SWEEP = 5;
/** Dropped for their time in one commit. */
const MAX_SWEPT = 500;

interface PendingChange {
  change: Change;
  resolve: (result: ChangeResult) => void;
  reject: (error: unknown) => void;
}

interface Settling {
  resolve: () => void;
  reject: (error: unknown) => void;
}

interface Batch {
  epoch: number;
  nowMs: number;
  puts: Put[];
  removed: number[];
  changes: PendingChange[];
  settling: Settling[];
}

export interface DiskOutboxParts {
  path: string;
  link: WorkerLink;
  lazyMs: number;
  pollMs: number;
  clock: Clock;
  log: Log;
}

/** The main thread's side: gathers what a turn brings into one commit, and says who waits, who is refused and who is dropped. */
export class DiskOutbox implements Outbox {
  readonly channels = new Map<string, ChannelReport>();
  onStored: Outbox['onStored'] = () => {};
  onForeign: Outbox['onForeign'] = () => {};
  onDropped: Outbox['onDropped'] = () => {};
  readonly #parts: DiskOutboxParts;
  readonly #lanes = new Map<string, Lane>();
  readonly #out = new Set<number>();
  #puts: Put[] = [];
  #waitingBytes = 0;
  #order = 0;
  #removed: number[] = [];
  #changes: PendingChange[] = [];
  #settling: Settling[] = [];
  #inFlight: Batch[] = [];
  /** Memory of blocks that the worker is done with. */
  readonly #spares: ArrayBuffer[] = [];
  #epoch = 0;
  #scheduled = false;
  #lazyTimer: NodeJS.Timeout | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  #failure: HydrantError | undefined;
  /** With a failing disk: the time to try again has come. */
  #retries = false;
  readonly #ticker: NodeJS.Timeout;
  #ticks = 0;
  #isSweeping = false;
  readonly #right: SendRight;
  readonly #granting = new Set<string>();
  #closing: Promise<void> | undefined;
  #closed = false;

  constructor(parts: DiskOutboxParts, opened: Reply) {
    this.#parts = parts;
    this.#right = new SendRight(parts.path);
    this.#learn(opened);
    this.#ticker = setInterval(() => this.#tick(), parts.pollMs).unref();
  }

  configure(channel: string, bounds: ChannelBounds): void {
    const lane = this.#lane(channel);
    lane.set(bounds);
    const { maxEvents, maxBytes, keepsOrder } = lane;
    void this.#ask({ kind: 'bounds', channel, maxEvents, maxBytes, keepsOrder });
    this.#pump();
  }

  put(event: OutboxEvent, options: { signal?: AbortSignal } = {}): Promise<OutboxRecord> {
    return new Promise((resolve, reject) => {
      const { signal } = options;
      const lane = this.#lane(event.channel);
      const refusal = signal?.aborted ? abortError(signal) : this.#refusal(event, lane);
      if (refusal) {
        reject(refusal);
        return;
      }
      const put: Put = {
        event,
        lane,
        order: this.#order++,
        sinceMs: lane.keepsOrder ? performance.now() : 0,
        resolve,
        reject,
        bytes: 0,
        sent: false,
        settled: false,
        unlisten: undefined,
      };
      if (signal) this.#listen(put, signal);
      this.#puts.push(put);
      this.#waitingBytes += event.payload.byteLength;
      this.#schedule();
    });
  }

  async read(channel: string, afterSeq: number, bounds: { maxEvents: number; maxBytes: number }): Promise<OutboxRecord[]> {
    for (let from = afterSeq; ; ) {
      const block = (await this.#query({ kind: 'read', channel, afterSeq: from, ...bounds })) as RecordBlock;
      const records = unpackRecords(block, () => channel);
      const gone = this.#goingSeqs();
      const there = gone.size === 0 ? records : records.filter(({ seq }) => !gone.has(seq));
      // None means that there are none: what is on its way out may fill a whole piece.
      if (there.length > 0 || records.length === 0) return there;
      from = records.at(-1)!.seq;
    }
  }

  markOut(seqs: readonly number[], out: boolean): void {
    if (out) for (const seq of seqs) this.#out.add(seq);
    else for (const seq of seqs) this.#out.delete(seq);
  }

  remove(seq: number): void {
    if (this.#closed) return;
    this.#out.delete(seq);
    this.#removed.push(seq);
    if (this.#removed.length >= MAX_LAZY_REMOVALS || this.#someWait()) this.#schedule();
    else this.#scheduleLazily();
  }

  settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(this.#closedError());
      this.#settling.push({ resolve, reject });
      this.#schedule();
    });
  }

  noteAttempt(seq: number, attempts: number): void {
    this.#change({ kind: 'attempts', seq, attempts }).catch(() => {});
  }

  async quarantine(seq: number, reason: string): Promise<void> {
    await this.#change({ kind: 'quarantine', seq, reason });
    this.#out.delete(seq);
  }

  async quarantined(bounds: { afterSeq?: number; maxEvents?: number; maxBytes?: number } = {}): Promise<Quarantined[]> {
    const { afterSeq = 0, maxEvents = 1000, maxBytes = 1 << 24 } = bounds;
    const block = (await this.#query({ kind: 'quarantined', afterSeq, maxEvents, maxBytes })) as QuarantineBlock;
    return unpackRecords(block, (index) => block.channels[index]!).map((record, index) => ({
      ...record,
      reason: block.reasons[index]!,
      quarantinedMs: block.quarantinedMs[index]!,
    }));
  }

  async retry(seq: number): Promise<boolean> {
    const result = await this.#change({ kind: 'retry', seq });
    return result !== undefined;
  }

  async drop(seq: number, reason: DropReason = 'operator'): Promise<boolean> {
    const brief = (await this.#change({ kind: 'drop', seq })) as Brief | undefined;
    this.#out.delete(seq);
    if (brief) this.onDropped([brief], reason);
    return brief !== undefined;
  }

  async getNote(name: string): Promise<Uint8Array | undefined> {
    return (await this.#query({ kind: 'note', name })) as Uint8Array | undefined;
  }

  async setNote(name: string, value: Uint8Array | undefined): Promise<void> {
    await this.#change({ kind: 'note', name, value });
  }

  claim(options: { signal?: AbortSignal } = {}): Promise<void> {
    return this.#right.claim(options.signal);
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#right.refuse();
    for (const lane of this.#lanes.values()) {
      lane.stop();
      for (const put of lane.takeAll()) this.#settle(put, this.#closedError());
    }
    this.#retries = true;
    do {
      this.#flush();
      await this.#ask({ kind: 'poll' });
    } while (this.#inFlight.length > 0 || (this.#hasWork() && !this.#failure));
    this.#closed = true;
    clearInterval(this.#ticker);
    clearTimeout(this.#retryTimer);
    clearTimeout(this.#lazyTimer);
    this.#rejectAll(this.#failure ?? this.#closedError());
    await this.#parts.link.end();
    this.#right.release();
  }

  #refusal({ topic, id, payload, channel }: OutboxEvent, lane: Lane): HydrantError | undefined {
    if (this.#closing) return this.#closedError();
    if (!fitsRecord({ topic, id }))
      return new HydrantError('HYD_TOO_LARGE', `id or topic are too long: ${id.length} and ${topic.length} characters`);
    if (payload.byteLength > Math.min(MAX_PAYLOAD_BYTES, lane.maxBytes - topic.length)) {
      const bound = Math.min(MAX_PAYLOAD_BYTES, lane.maxBytes);
      return new HydrantError('HYD_TOO_LARGE', `${payload.byteLength} bytes for ${topic}: the channel ${channel} takes ${bound}`);
    }
    if (this.#waitingBytes + payload.byteLength > MAX_WAITING_BYTES && this.#waitingBytes > 0)
      return new HydrantError('HYD_OUTBOX_FULL', `${this.#waitingBytes} bytes wait for the disk under the outbox ${this.#parts.path}`, {
        fix: 'Publish no faster than `stored` resolves.',
      });
    if (this.#lanes.size > MAX_CHANNELS)
      return new HydrantError('HYD_TOO_LARGE', `the channel ${channel} is one too many: an outbox has ${MAX_CHANNELS}`);
    return undefined;
  }

  #lane(channel: string): Lane {
    let lane = this.#lanes.get(channel);
    if (!lane) {
      lane = new Lane(channel);
      this.#lanes.set(channel, lane);
    }
    return lane;
  }

  #listen(put: Put, signal: AbortSignal): void {
    const onAbort = (): void => {
      if (put.sent) return;
      put.lane.remove(put);
      this.#settle(put, abortError(signal));
    };
    signal.addEventListener('abort', onAbort);
    put.unlisten = () => signal.removeEventListener('abort', onAbort);
  }

  /** Tells the caller of a put, once. */
  #settle(put: Put, outcome: OutboxRecord | Error): void {
    if (put.settled) return;
    put.settled = true;
    put.unlisten?.();
    this.#waitingBytes -= put.event.payload.byteLength;
    if (outcome instanceof Error) put.reject(outcome);
    else put.resolve(outcome);
  }

  #change(change: Change): Promise<ChangeResult> {
    return new Promise((resolve, reject) => {
      if (this.#closing) return reject(this.#closedError());
      this.#changes.push({ change, resolve, reject });
      this.#schedule();
    });
  }

  /** @throws HYD_OUTBOX */
  async #query(request: Request): Promise<unknown> {
    const reply = await this.#ask(request);
    if (reply.failure) throw outboxError(this.#parts.path, 'read', reply.failure);
    return reply.result;
  }

  async #ask(request: Request, transfer: ArrayBuffer[] = []): Promise<Reply> {
    const reply = await this.#parts.link.ask(request, transfer);
    this.#learn(reply);
    return reply;
  }

  #learn({ reports, foreign }: Reply): void {
    for (const report of reports) this.channels.set(report.name, report);
    if (foreign.length === 0) return;
    this.onForeign(new Set(foreign));
    if (this.#right.isHeld) for (const report of reports) void this.#grant(report);
  }

  #hasWork(): boolean {
    return this.#puts.length > 0 || this.#removed.length > 0 || this.#changes.length > 0 || this.#settling.length > 0;
  }

  #someWait(): boolean {
    for (const lane of this.#lanes.values()) if (lane.waiting.length > 0) return true;
    return false;
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  #scheduleLazily(): void {
    this.#lazyTimer ??= setTimeout(() => this.#flush(), this.#parts.lazyMs);
  }

  #flush(): void {
    this.#scheduled = false;
    clearTimeout(this.#lazyTimer);
    this.#lazyTimer = undefined;
    while (this.#inFlight.length < MAX_IN_FLIGHT && this.#mayCommit()) {
      // What is given back by a stale commit goes before what came later.
      if (this.#inFlight.some(({ epoch }) => epoch !== this.#epoch)) return;
      this.#send();
    }
    if (this.#failure && (this.#hasWork() || this.#someWait())) this.#retryTimer ??= setTimeout(() => this.#tryAgain(), RETRY_MS);
  }

  /** While the disk is failing, deleting is tried now and then, and alone: it is what may still fit. */
  #mayCommit(): boolean {
    if (this.#closed) return false;
    return this.#failure && !this.#retries ? this.#puts.length > 0 || this.#changes.length > 0 : this.#hasWork();
  }

  #send(): void {
    const deletes = !this.#failure || this.#retries;
    const batch: Batch = {
      epoch: this.#epoch,
      nowMs: this.#parts.clock.now(),
      puts: [],
      removed: deletes ? this.#removed.splice(0) : [],
      changes: this.#changes.splice(0),
      settling: deletes ? this.#settling.splice(0) : [],
    };
    this.#retries = false;
    const block = new BlockWriter(this.#puts.length > 0 ? this.#spares.pop() : undefined);
    if (!this.#failure || batch.removed.length === 0) this.#takePuts(block, batch.puts);
    const puts = block.take();
    const request: Request = {
      kind: 'commit',
      epoch: batch.epoch,
      nowMs: batch.nowMs,
      removed: rangesOf(batch.removed),
      changes: batch.changes.map(({ change }) => change),
      puts,
    };
    if (!puts && batch.removed.length === 0 && batch.changes.length === 0 && this.#inFlight.length === 0) {
      for (const { resolve } of batch.settling) resolve();
      return;
    }
    this.#inFlight.push(batch);
    void this.#parts.link.ask(request, puts ? [puts.buffer] : []).then((reply) => this.#onCommit(batch, reply));
  }

  #takePuts(block: BlockWriter, taken: Put[]): void {
    let count = 0;
    for (; count < this.#puts.length && !block.isFull; count++) {
      const put = this.#puts[count]!;
      if (put.settled) continue;
      if (put.lane.holds(put)) {
        this.#hold(put);
        continue;
      }
      put.bytes = block.add(put.event, put.event.key !== undefined && this.#right.borrow());
      put.sent = true;
      taken.push(put);
    }
    this.#puts.splice(0, count);
  }

  #hold(put: Put): void {
    if (this.#closing) return this.#settle(put, this.#closedError());
    put.lane.hold(put);
    this.#watch(put.lane);
  }

  #watch(lane: Lane): void {
    lane.watch((put, error) => this.#settle(put, error));
  }

  #onCommit(batch: Batch, reply: Reply): void {
    this.#inFlight.shift();
    if (reply.spare && reply.spare.byteLength <= MAX_SPARE_BYTES) this.#spares.push(reply.spare);
    this.#learn(reply);
    if (reply.stale) this.#giveBack(batch, batch.puts, batch.changes);
    else if (reply.failure) this.#onFailure(batch, reply.failure);
    else this.#onDone(batch, reply.result as CommitResult);
    this.#pump();
    this.#returnRight();
    if (this.#failure || this.#puts.length > 0 || this.#changes.length > 0 || this.#settling.length > 0) this.#flush();
    else if (this.#removed.length > 0) this.#scheduleLazily();
  }

  #giveBack(batch: Batch, puts: Put[], changes: PendingChange[]): void {
    for (const put of puts) put.sent = false;
    this.#puts = puts.concat(this.#puts);
    this.#removed = batch.removed.concat(this.#removed);
    this.#changes = changes.concat(this.#changes);
    this.#settling = batch.settling.concat(this.#settling);
  }

  #onFailure(batch: Batch, failure: Failure): void {
    const error = outboxError(this.#parts.path, 'written', failure);
    if (!this.#failure)
      this.#parts.log('error', 'the outbox cannot be written; trying again', { outbox: this.#parts.path, error: failure.message });
    this.#epoch++;
    this.#failure = error;
    this.#giveBack(batch, [], []);
    for (const { reject } of batch.changes) reject(error);
    for (const put of batch.puts) {
      put.lane.failure = error;
      if (error.retryable && put.lane.whenFull === 'wait') this.#hold(put);
      else this.#settle(put, error);
    }
  }

  #tryAgain(): void {
    this.#retryTimer = undefined;
    this.#retries = true;
    for (const lane of this.#lanes.values()) this.#release(lane.takeAll());
    this.#flush();
  }

  #onDone(batch: Batch, result: CommitResult): void {
    if (batch.puts.length > 0 || (this.#puts.length === 0 && !this.#someWait())) this.#onRecovered();
    if (result.leftOut) this.#epoch++;
    for (const [i, { resolve }] of batch.changes.entries()) resolve(result.changes[i]);
    this.#onPut(batch, result);
    for (const { resolve } of batch.settling) resolve();
    for (const changed of result.changes) {
      if (typeof changed === 'object' && 'block' in changed) this.onStored(unpackRecords(changed.block, () => changed.channel));
    }
    if (result.replaced.length > 0 && this.#right.borrow()) this.#drop(result.replaced, 'replaced');
  }

  #onRecovered(): void {
    if (!this.#failure) return;
    this.#failure = undefined;
    for (const lane of this.#lanes.values()) lane.failure = undefined;
    this.#parts.log('info', 'the outbox can be written again', { outbox: this.#parts.path });
  }

  #onPut({ puts, nowMs }: Batch, { firsts, refused }: CommitResult): void {
    const places = new Map<Lane, number>();
    const stored: Put[] = [];
    const records: OutboxRecord[] = [];
    let nextRefused = 0;
    let channels = 0;
    for (const [i, put] of puts.entries()) {
      let seq = places.get(put.lane);
      if (seq === undefined) seq = firsts[channels++]!;
      if (refused[nextRefused] === i) {
        nextRefused++;
        if (put.lane.keepsOrder) this.#hold(put);
        else this.#settle(put, put.lane.fullError());
      } else {
        stored.push(put);
        records.push({ ...put.event, seq: seq++, storedMs: nowMs, attempts: 0 });
      }
      places.set(put.lane, seq);
    }
    if (records.length === 0) return;
    this.onStored(records);
    for (const [i, put] of stored.entries()) this.#settle(put, records[i]!);
  }

  /** Lets in what waits and now has room, and makes room where the oldest may go. */
  #pump(): void {
    if (this.#failure || this.#closing) return;
    for (const lane of this.#lanes.values()) {
      if (lane.waiting.length === 0) continue;
      this.#release(lane.takeFitting(lane.room(this.channels.get(lane.channel))));
      if (lane.waiting.length > 0 && lane.whenFull === 'drop-oldest') void this.#makeRoom(lane);
    }
  }

  /** Before what came later. */
  #release(puts: Put[]): void {
    if (puts.length === 0) return;
    this.#puts = puts.concat(this.#puts);
    this.#schedule();
  }

  async #makeRoom(lane: Lane): Promise<void> {
    if (lane.makesRoom) return;
    lane.makesRoom = true;
    try {
      const wanting = lane.waiting.slice(0, MAX_VICTIMS);
      const room = lane.room(this.channels.get(lane.channel));
      const events = wanting.length - room.events;
      const bytes = wanting.reduce((sum, put) => sum + put.bytes, 0) - room.bytes;
      const freed = this.#right.borrow()
        ? await this.#dropOldest(lane.channel, events, bytes)
        : await this.#askForRoom(lane, events, bytes);
      lane.stuckMs = freed.events > 0 ? undefined : (lane.stuckMs ?? performance.now());
      this.#release(lane.takeFitting({ events: room.events + freed.events, bytes: room.bytes + freed.bytes }));
      this.#watch(lane);
    } catch (error) {
      // The next commit tells of the disk; what waits has its own time.
      this.#parts.log('warn', 'no room could be made in the outbox', { channel: lane.channel, error: errorText(error) });
    } finally {
      lane.makesRoom = false;
    }
  }

  /** Of the process that sends. */
  async #askForRoom({ channel }: Lane, events: number, bytes: number): Promise<Room> {
    const seen = this.channels.get(channel)?.events ?? 0;
    await this.#change({ kind: 'want', channel, events, bytes, seen });
    return { events: 0, bytes: 0 };
  }

  /** @returns what it will free, in the commit that comes next: nothing when all is out */
  async #dropOldest(channel: string, events: number, bytes: number): Promise<Room> {
    const freed = { events: 0, bytes: 0 };
    for (;;) {
      const afterSeq = this.#lastOut(channel);
      const found = (await this.#query({ kind: 'oldest', channel, afterSeq, events, bytes })) as OldestResult;
      // What went out meanwhile stays, and what is behind it may go.
      const gone = this.#goingSeqs();
      const dropped = found.briefs.filter(({ seq }, i) => {
        if (this.#out.has(seq) || gone.has(seq)) return false;
        freed.events++;
        freed.bytes += found.bytes[i]!;
        return true;
      });
      this.#drop(dropped, 'oldest');
      if (dropped.length > 0 || found.briefs.length === 0) return freed;
      await this.settled();
    }
  }

  /** Another process asked for room. */
  async #grant({ name, wanted }: ChannelReport): Promise<void> {
    if (wanted.events === 0 || this.#granting.has(name)) return;
    this.#granting.add(name);
    try {
      await this.#dropOldest(name, wanted.events, wanted.bytes);
      await this.#change({ kind: 'want', channel: name, events: 0, bytes: 0, seen: 0 });
    } catch {
      // The disk fails or the outbox closes: who waits asks again.
    } finally {
      this.#granting.delete(name);
    }
  }

  /** @returns how many */
  #drop(briefs: readonly Brief[], reason: DropReason): number {
    const gone = this.#goingSeqs();
    const dropped = briefs.filter(({ seq }) => !this.#out.has(seq) && !gone.has(seq));
    if (dropped.length === 0) return 0;
    for (const { seq } of dropped) this.#removed.push(seq);
    this.#schedule();
    this.onDropped(dropped, reason);
    return dropped.length;
  }

  /** The highest place of what is out: what comes after it may go. */
  #lastOut(channel: string): number {
    const { first = 0, end = 0 } = this.channels.get(channel) ?? {};
    let last = 0;
    for (const seq of this.#out) if (seq >= first && seq < end && seq > last) last = seq;
    return last;
  }

  /** Deleted, but not yet on disk. */
  #goingSeqs(): Set<number> {
    const going = new Set(this.#removed);
    for (const { removed } of this.#inFlight) for (const seq of removed) going.add(seq);
    return going;
  }

  #returnRight(): void {
    if (this.#removed.length > 0 || this.#inFlight.some(({ removed }) => removed.length > 0)) return;
    for (const lane of this.#lanes.values()) if (lane.makesRoom) return;
    this.#right.giveBack();
  }

  #tick(): void {
    this.#right.look();
    const sends = this.#right.isHeld;
    if (sends && ++this.#ticks % TICKS_OF_SWEEP === 0) void this.#sweepAll();
    if (this.#parts.path === ':memory:' || !(sends || this.#right.isWanted || this.#someWait())) return;
    void this.#ask({ kind: 'poll' }).then(() => this.#pump());
  }

  /** Drops what is past its time, some at a time, as long as there is more. */
  async #sweepAll(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      while ((await this.#sweep()) >= MAX_SWEPT) await this.settled();
    } catch {
      // The disk fails or the outbox closes: what is left goes with the next time.
    } finally {
      this.#isSweeping = false;
    }
  }

  /** @returns how many were dropped */
  async #sweep(): Promise<number> {
    const nowMs = this.#parts.clock.now();
    const ages: [string, number][] = [];
    for (const { channel, maxAgeMs } of this.#lanes.values()) if (maxAgeMs !== undefined) ages.push([channel, nowMs - maxAgeMs]);
    // What is out stays, and must not hide what is behind it.
    const maxEvents = MAX_SWEPT + this.#out.size;
    const reply = await this.#ask({ kind: 'due', nowMs, ages, maxEvents });
    if (reply.failure || this.#closing) return 0;
    const { expired, aged } = reply.result as DueResult;
    return this.#drop(expired, 'expired') + this.#drop(aged, 'age');
  }

  #closedError(): HydrantError {
    return new HydrantError('HYD_CLOSED', `the outbox ${this.#parts.path} is closed`);
  }

  #rejectAll(error: HydrantError): void {
    for (const put of this.#puts.splice(0)) this.#settle(put, error);
    for (const { reject } of [...this.#changes.splice(0), ...this.#settling.splice(0)]) reject(error);
  }
}
