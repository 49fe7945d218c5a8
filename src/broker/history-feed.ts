import type { EventReader } from './catch-up.ts';
import type { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import { joinRoutes, type Subscription } from './subscription.ts';

const READ_RECORDS = 256;

/** Reads one subscription's past for a session, at the session's pace, then makes it an ordinary subscription without gap or duplicate. */
export class HistoryFeed {
  readonly subscription: Subscription;
  readonly #host: SessionHost;
  readonly #session: Session;
  readonly #first: number;
  #reader: EventReader | undefined;
  #reading = false;
  #stopped = false;

  constructor(host: SessionHost, session: Session, subscription: Subscription, first: number) {
    this.#host = host;
    this.#session = session;
    this.subscription = subscription;
    this.#first = first;
  }

  pump(): void {
    if (this.#reading || this.#stopped) return;
    this.#reading = true;
    void this.#read()
      .catch((error) => this.#host.onReadError(this.#session, error))
      .finally(() => {
        this.#reading = false;
      });
  }

  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#session.endFeed(this);
  }

  async #read(): Promise<void> {
    const session = this.#session;
    const { filter } = this.subscription;
    while (!this.#stopped && session.room > 0) {
      this.#reader ??= await this.#host.read([filter], this.#first);
      const reader = this.#reader;
      const result = await this.#host.takeTurn(() => reader.read(Math.min(READ_RECORDS, session.room)));
      if (this.#stopped) break;
      for (const record of result.records) {
        const route = joinRoutes([this.subscription], record, session.clientId);
        if (route) session.deliverPast(record, route);
      }
      if (!result.caughtUp || result.next <= this.#host.tailSeq) continue;
      this.#stopped = true;
      session.endFeed(this, { ...this.subscription, begin: this.#host.tailSeq });
    }
  }
}
