import type { Receipt } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { Repeats } from '../core/repeats.ts';
import { droppedError } from './dropped-error.ts';
import type { Listeners } from './listeners.ts';
import type { Metrics } from './metrics.ts';
import type { DropReason, OutboxRecord } from './outbox/outbox.ts';
import type { Publications } from './publications.ts';

/** Of events set aside for one reason a line at once, and then at most this often: with a wrong account each of them is. */
const REPEAT_MS = 10_000;

export interface EndingsParts {
  publications: Publications;
  metrics: Metrics;
  listeners: Listeners;
  log: Log;
}

/** What becomes of events: counted, and told to who published them and to who listens. */
export class Endings {
  readonly #parts: EndingsParts;
  readonly #repeats = new Repeats(REPEAT_MS);
  /** Something an operator wants to know. */
  onLoss: () => void = () => {};

  constructor(parts: EndingsParts) {
    this.#parts = parts;
  }

  acked(record: OutboxRecord, receipt: Receipt, tookMs: number): void {
    const { metrics, publications } = this.#parts;
    metrics.acked++;
    metrics.ack.add(tookMs, performance.now());
    publications.onAcked(record, receipt);
  }

  dropped(records: readonly Pick<OutboxRecord, 'seq' | 'id' | 'channel' | 'topic'>[], reason: DropReason): void {
    const { metrics, publications, listeners } = this.#parts;
    metrics.dropped[reason] += records.length;
    for (const { seq, id, channel } of records) {
      publications.onEnded(seq, droppedError(id, channel, reason));
    }
    // What took its place has what it said.
    if (reason === 'replaced') return;
    listeners.tell('dropped', { reason, events: records.map(({ id, channel, topic }) => ({ id, channel, topic })) });
    this.onLoss();
  }

  quarantined({ seq, id, channel, topic }: OutboxRecord, cause: HydrantError): void {
    const { publications, listeners, log } = this.#parts;
    const error = new HydrantError('HYD_QUARANTINED', `the event ${id} for ${topic} is set aside: ${cause.message}`, { cause });
    publications.onEnded(seq, error);
    const more = this.#repeats.take(cause.code, performance.now());
    if (more !== undefined) log('error', 'an event is set aside', { id, channel, topic, error: cause.message, ...(more > 0 && { more }) });
    listeners.tell('quarantined', { id, channel, topic, error });
    this.onLoss();
  }
}
