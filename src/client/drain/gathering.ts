import type { HydrantError } from '../../core/errors.ts';
import type { Gathered, Gatherer } from '../channels/gatherer.ts';
import type { Outbox, OutboxRecord } from '../outbox/outbox.ts';

/** What is sent next of a channel that gathers. */
export interface Ready {
  readonly event: Gathered['event'];
  readonly records: readonly OutboxRecord[];
}

/** What a gathering channel needs of the drain. */
export interface GatheringHost {
  readonly outbox: Pick<Outbox, 'read'>;
  now(): number;
  /** Calls back after the time; never when the drain has ended. */
  later(ms: number, callback: () => void): void;
  /** There is something to send. */
  onReady(): void;
  /** It can never be sent. */
  onUnsendable(record: OutboxRecord, error: HydrantError): Promise<void>;
  onReadFailed(error: unknown): void;
}

/** Makes ready the next publish of a channel that gathers, out of what waits in the outbox. */
export class Gathering {
  readonly #channel: string;
  readonly #gatherer: Gatherer;
  readonly #host: GatheringHost;
  #ready: Ready | undefined;
  #isLooking = false;
  #isOut = false;
  /** Counts waits, so that one that was cut short does not end twice. */
  #wait = 0;
  #isWaiting = false;

  constructor(channel: string, gatherer: Gatherer, host: GatheringHost) {
    this.#channel = channel;
    this.#gatherer = gatherer;
    this.#host = host;
    gatherer.onDue = () => {
      this.#isWaiting = false;
      this.look();
    };
  }

  get ready(): Ready | undefined {
    return this.#ready;
  }

  take(): Ready {
    const ready = this.#ready!;
    this.#ready = undefined;
    this.#isOut = true;
    return ready;
  }

  /** What was taken is acknowledged, or is to be gathered anew. */
  settle(): void {
    this.#isOut = false;
    this.look();
  }

  forget(seq: number): void {
    if (!this.#ready?.records.some((record) => record.seq === seq)) return;
    this.#ready = undefined;
    this.look();
  }

  /** Something may be due. */
  look(): void {
    if (!this.#isLooking && !this.#isOut && !this.#isWaiting && !this.#ready) void this.#look();
  }

  async #look(): Promise<void> {
    this.#isLooking = true;
    try {
      while (!this.#isWaiting && !this.#ready) {
        const records = await this.#host.outbox.read(this.#channel, 0, this.#gatherer.reach);
        if (records.length === 0) break;
        const nowMs = this.#host.now();
        const waitMs = this.#gatherer.waitMs(records[0]!, nowMs);
        if (waitMs > 0) this.#sleep(waitMs);
        else await this.#gather(records, nowMs);
      }
    } catch (error) {
      this.#host.onReadFailed(error);
      this.#sleep(1000);
    }
    this.#isLooking = false;
  }

  #sleep(ms: number): void {
    this.#isWaiting = true;
    if (ms === Number.POSITIVE_INFINITY) return;
    const wait = ++this.#wait;
    this.#host.later(ms, () => {
      if (wait !== this.#wait) return;
      this.#isWaiting = false;
      this.look();
    });
  }

  async #gather(records: readonly OutboxRecord[], nowMs: number): Promise<void> {
    let gathered: Gathered;
    try {
      gathered = this.#gatherer.gather(records, nowMs);
    } catch (error) {
      await this.#host.onUnsendable(records[0]!, error as HydrantError);
      return;
    }
    this.#ready = { event: gathered.event, records: records.slice(0, gathered.count) };
    this.#host.onReady();
  }
}
