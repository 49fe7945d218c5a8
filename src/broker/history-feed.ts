import type { JournalRecord } from '../journal/record.ts';
import type { EventReader } from './catch-up.ts';
import { DeliveryOrder } from './delivery.ts';
import type { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import { joinRoutes, type Subscription } from './subscription.ts';

const READ_RECORDS = 256;

/**
 * Reads one subscription's past for a session, at the session's pace, then makes it an ordinary subscription without gap or duplicate.
 * Its place is kept with the subscription, so it goes on after a reconnect and after a crash.
 */
export class HistoryFeed {
  readonly subscription: Subscription;
  /** Its deliveries in flight. */
  readonly order = new DeliveryOrder();
  readonly #host: SessionHost;
  readonly #session: Session;
  #reader: EventReader | undefined;
  /** Read, and not delivered yet. */
  #pending: JournalRecord[] = [];
  #next: number | undefined;
  #caughtUp = false;
  #reading = false;
  #stopped = false;

  constructor(host: SessionHost, session: Session, subscription: Subscription) {
    this.#host = host;
    this.#session = session;
    this.subscription = subscription;
  }

  /** Everything below this sequence is done with; undefined before the first was read. */
  get position(): number | undefined {
    this.order.settle();
    return this.order.lowest ?? this.#pending[0]?.seq ?? this.#next;
  }

  pump(): void {
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    void this.#read()
      .catch((error) => this.#host.onReadError(this.#session, error))
      .finally(() => {
        this.#reading = false;
        if (this.#stopped || !this.#session.sink) this.rest();
      });
  }

  /** Nobody is there: lets go of what is open. It goes on where it was. */
  rest(): void {
    this.#reader?.close();
  }

  stop(): void {
    this.#stopped = true;
    this.rest();
  }

  async #read(): Promise<void> {
    const session = this.#session;
    while (!this.#stopped && session.room > 0) {
      if (this.#pending.length > 0) this.#deliver();
      else if (this.#caughtUp && this.#next! > this.#host.tailSeq) this.#join();
      else await this.#readMore();
    }
  }

  async #readMore(): Promise<void> {
    const { filter, reading } = this.subscription;
    this.#reader ??= this.#host.read([filter], await this.#host.startOf(reading!));
    const reader = this.#reader;
    const result = await this.#host.takeTurn(() => reader.read(READ_RECORDS));
    this.#pending = result.records;
    this.#next = result.next;
    this.#caughtUp = result.caughtUp;
  }

  #deliver(): void {
    const session = this.#session;
    const subscription = { ...this.subscription, begin: 0 };
    let at = 0;
    for (; at < this.#pending.length && session.room > 0; at++) {
      const record = this.#pending[at]!;
      const route = joinRoutes([subscription], record, session.clientId);
      if (route) session.deliverPast(record, route, this.order);
    }
    this.#pending = this.#pending.slice(at);
  }

  #join(): void {
    this.#stopped = true;
    this.#session.endFeed(this);
  }
}
