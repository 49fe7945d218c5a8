import type { OutboxRecord } from '../outbox/outbox.ts';

/**
 * Finds the event that a server hangs up on. When it hung up twice in a row over the same first event, with nothing acknowledged in between,
 * all that were out are suspects: they go one by one until each is acknowledged or was out alone too often.
 */
export class Suspects {
  readonly #maxAttempts: number;
  readonly #seqs = new Set<number>();
  /** Was out alone at the last cut. */
  #alone: OutboxRecord | undefined;
  #headSeq: number | undefined;
  #acksThen = 0;
  #acks = 0;
  /** What is done with all that are out at the cut that is being told. */
  #verdict: { isTaken: boolean } | undefined;

  constructor(maxAttempts: number) {
    this.#maxAttempts = maxAttempts;
  }

  /** Whether one event at a time is to be out. */
  get isNarrow(): boolean {
    return this.#seqs.size > 0;
  }

  /** One that an earlier process has found out alone. */
  onLoad({ seq, attempts }: OutboxRecord): void {
    if (attempts > 0) this.#seqs.add(seq);
  }

  onAck(seq: number): void {
    this.#acks++;
    if (this.#seqs.size > 0) this.#seqs.delete(seq);
  }

  /** It is out of its channel for another reason. */
  forget(seq: number): void {
    this.#seqs.delete(seq);
  }

  /** The server ended the connection while it was out. @returns what becomes of it */
  onCut(record: OutboxRecord, others: number): 'stay' | 'take-back' | 'poison' {
    this.#verdict ??= this.#judge(record.seq);
    if (others === 0) {
      record.attempts++;
      if (record.attempts >= this.#maxAttempts) return 'poison';
      this.#seqs.add(record.seq);
      this.#alone = record;
      return 'take-back';
    }
    if (!this.#verdict.isTaken) return 'stay';
    this.#seqs.add(record.seq);
    return 'take-back';
  }

  /** Links break without it, too: its cuts do not count. @returns the event that was out alone */
  absolve(): OutboxRecord | undefined {
    const record = this.#alone;
    this.#alone = undefined;
    if (record) record.attempts = 0;
    return record;
  }

  /** @param headSeq of the one that was sent first */
  #judge(headSeq: number): { isTaken: boolean } {
    const isTaken = headSeq === this.#headSeq && this.#acks === this.#acksThen;
    this.#headSeq = headSeq;
    this.#acksThen = this.#acks;
    // All that were out are told in one turn.
    queueMicrotask(() => {
      this.#verdict = undefined;
    });
    return { isTaken };
  }
}
