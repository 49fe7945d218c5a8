import type { Receipt } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import { droppedError } from './dropped-error.ts';
import type { Metrics } from './metrics.ts';
import type { Publication } from './options.ts';
import type { Outbox, OutboxEvent, OutboxRecord, Storer } from './outbox/outbox.ts';

/** So many are told what became of them without having been asked for; of more the outbox is asked when somebody asks. */
const MAX_UNASKED = 2_000;
/** Endings that are remembered for those who ask late. */
const MAX_ENDINGS = 10_000;
const ONE = { maxEvents: 1, maxBytes: 1 };

/**
 * One publish of this process. Its promises are made when somebody asks for them: a backlog costs little, and what nobody asks for is never
 * rejected unheard.
 */
class Tracked implements Publication, Storer {
  readonly id: string;
  readonly sinceMs = performance.now();
  readonly #publications: Publications;
  #storing: PromiseWithResolvers<void> | undefined;
  #acking: PromiseWithResolvers<Receipt> | undefined;
  #receipt: Receipt | undefined;
  #error: HydrantError | undefined;
  /** Its place, once it is stored. */
  seq = 0;
  channel = '';

  constructor(id: string, publications: Publications) {
    this.id = id;
    this.#publications = publications;
  }

  get stored(): Promise<void> {
    if (!this.#storing) {
      this.#storing = Promise.withResolvers<void>();
      if (this.seq > 0) this.#storing.resolve();
      else if (this.#error) refuse(this.#storing, this.#error);
    }
    return this.#storing.promise;
  }

  get acked(): Promise<Receipt> {
    if (!this.#acking) {
      this.#acking = Promise.withResolvers<Receipt>();
      if (this.#receipt) this.#acking.resolve(this.#receipt);
      else if (this.#error) refuse(this.#acking, this.#error);
      else if (this.seq > 0) this.#publications.ask(this);
    }
    return this.#acking.promise;
  }

  /** Somebody waits for its end. */
  get isAsked(): boolean {
    return this.#acking !== undefined;
  }

  onStored({ seq, channel }: OutboxRecord): void {
    this.seq = seq;
    this.channel = channel;
    this.#storing?.resolve();
    this.#publications.onStored(this);
  }

  onRefused(error: HydrantError): void {
    this.#publications.onRefused();
    this.fail(error);
  }

  onAcked(receipt: Receipt): void {
    this.#receipt = receipt;
    this.#acking?.resolve(receipt);
  }

  fail(error: HydrantError): void {
    this.#error = error;
    if (this.seq === 0 && this.#storing) refuse(this.#storing, error);
    if (this.#acking) refuse(this.#acking, error);
  }
}

/** Nobody has to listen to it. */
function refuse({ promise, reject }: Pick<PromiseWithResolvers<unknown>, 'promise' | 'reject'>, error: HydrantError): void {
  promise.catch(() => {});
  reject(error);
}

/** What this process has published and has not seen the end of, by place in the outbox. */
export class Publications {
  readonly #outbox: Pick<Outbox, 'store' | 'read' | 'quarantined' | 'dropped'>;
  readonly #metrics: Metrics;
  readonly #waiting = new Map<number, Tracked>();
  readonly #endings = new Map<number, HydrantError>();
  /** The first of these was forgotten: what became of who asks late is known no more. */
  #hasForgotten = false;
  #closed: HydrantError | undefined;
  /** Puts that are not on disk yet. */
  storing = 0;

  constructor(outbox: Pick<Outbox, 'store' | 'read' | 'quarantined' | 'dropped'>, metrics: Metrics) {
    this.#outbox = outbox;
    this.#metrics = metrics;
  }

  /** Publishes somebody waits for. */
  get waiting(): number {
    return this.#waiting.size;
  }

  store(event: OutboxEvent): Publication {
    const tracked = new Tracked(event.id, this);
    this.storing++;
    this.#outbox.store(event, tracked);
    return tracked;
  }

  /** One that is not stored at all. */
  refuse(id: string, error: HydrantError): Publication {
    const tracked = new Tracked(id, this);
    this.#metrics.refused++;
    tracked.fail(error);
    return tracked;
  }

  onStored(tracked: Tracked): void {
    const { seq, sinceMs } = tracked;
    const nowMs = performance.now();
    this.storing--;
    this.#metrics.stored++;
    this.#metrics.commit.add(nowMs - sinceMs, nowMs);
    const ending = this.#endings.size > 0 ? this.#endings.get(seq) : undefined;
    if (ending) {
      this.#endings.delete(seq);
      tracked.fail(ending);
    } else if (this.#closed) tracked.fail(this.#closed);
    else if (tracked.isAsked || this.#waiting.size < MAX_UNASKED) this.#waiting.set(seq, tracked);
  }

  onRefused(): void {
    this.storing--;
    this.#metrics.refused++;
  }

  onAcked({ seq }: OutboxRecord, receipt: Receipt): void {
    const tracked = this.#waiting.get(seq);
    if (!tracked) return;
    this.#waiting.delete(seq);
    tracked.onAcked(tracked.id === receipt.id ? receipt : { id: tracked.id, seq: receipt.seq });
  }

  /** It will not be acknowledged. */
  onEnded(seq: number, error: HydrantError): void {
    const tracked = this.#waiting.get(seq);
    this.#waiting.delete(seq);
    if (tracked) return tracked.fail(error);
    this.#endings.set(seq, error);
    if (this.#endings.size <= MAX_ENDINGS) return;
    this.#endings.delete(this.#endings.keys().next().value!);
    this.#hasForgotten = true;
  }

  /** Somebody asks for the first time, and it may be over already. */
  ask(tracked: Tracked): void {
    const { seq } = tracked;
    if (this.#closed) return tracked.fail(this.#closed);
    if (this.#waiting.has(seq)) return;
    this.#waiting.set(seq, tracked);
    void this.#look(tracked).catch(() => {});
  }

  /** While another process sends: settles those that are no longer in the outbox. @throws HYD_OUTBOX */
  async poll(): Promise<void> {
    const gone: number[] = [];
    const channels = Map.groupBy(this.#waiting.values(), ({ channel }) => channel);
    for (const [channel, waiting] of channels) {
      const [lowest] = await this.#outbox.read(channel, 0, ONE);
      for (const { seq } of waiting) if (!lowest || seq < lowest.seq) gone.push(seq);
    }
    if (gone.length === 0) return;
    const errors = await this.#errorsOf(gone);
    for (const seq of gone) this.#settleGone(seq, errors.get(seq));
  }

  /** @throws HYD_OUTBOX */
  async #look(tracked: Tracked): Promise<void> {
    const { seq, channel } = tracked;
    const [record] = await this.#outbox.read(channel, seq - 1, ONE);
    if (record?.seq === seq) return;
    this.#settleGone(seq, this.#endings.get(seq) ?? (await this.#errorsOf([seq])).get(seq) ?? this.#unknown(tracked));
  }

  /** Of those that left otherwise than by an acknowledgement, in whatever process. */
  async #errorsOf(seqs: readonly number[]): Promise<Map<number, HydrantError>> {
    const errors = new Map<number, HydrantError>();
    for (const [seq, reason] of await this.#reasonsOf(seqs)) errors.set(seq, new HydrantError('HYD_QUARANTINED', reason));
    const ranges = await this.#outbox.dropped();
    for (const seq of seqs) {
      const range = ranges.find(({ first, last }) => first <= seq && seq <= last);
      const tracked = this.#waiting.get(seq);
      if (range && tracked) errors.set(seq, droppedError(tracked.id, tracked.channel, range.reason));
    }
    return errors;
  }

  /** Why some of these are in quarantine, however much else is. */
  async #reasonsOf(seqs: readonly number[]): Promise<Map<number, string>> {
    const wanted = [...seqs].sort((a, b) => a - b);
    const reasons = new Map<number, string>();
    for (let afterSeq = wanted[0]! - 1; afterSeq < wanted.at(-1)!; ) {
      const piece = await this.#outbox.quarantined({ afterSeq });
      for (const { seq, reason } of piece) reasons.set(seq, reason);
      afterSeq = piece.at(-1)?.seq ?? Number.POSITIVE_INFINITY;
    }
    return reasons;
  }

  /** All that nothing is known of stay in the outbox. */
  close(error: HydrantError): void {
    this.#closed = error;
    for (const tracked of this.#waiting.values()) tracked.fail(error);
    this.#waiting.clear();
  }

  /** Too much was dropped to say of one that was not asked about that it was not. */
  #unknown({ id, channel }: Tracked): HydrantError | undefined {
    if (!this.#hasForgotten) return undefined;
    return new HydrantError('HYD_DROPPED', `the event ${id} has left the channel ${channel}, perhaps unsent: many were dropped meanwhile`, {
      fix: 'Ask for `acked` when you publish, not later.',
    });
  }

  #settleGone(seq: number, error: HydrantError | undefined): void {
    const tracked = this.#waiting.get(seq);
    if (!tracked) return;
    this.#waiting.delete(seq);
    if (error) tracked.fail(error);
    else tracked.onAcked({ id: tracked.id, seq: 0 });
  }
}
