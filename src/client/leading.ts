import { SYSTEM_TIMING } from '../bus/mqtt/steady-link.ts';
import type { Outbox } from './outbox/outbox.ts';
import type { Publications } from './publications.ts';

const POLL_MS = 200;

/** Which of several processes on one outbox sends: waits for the right, and until then looks at what becomes of what was stored here. */
export class Leading {
  /** Resolves when this process is the one that sends. */
  readonly begun: Promise<void>;
  readonly #outbox: Pick<Outbox, 'claim'>;
  readonly #publications: Publications;
  readonly #begin: () => void;
  readonly #ending = new AbortController();
  #hasBegun = false;

  constructor(outbox: Pick<Outbox, 'claim'>, publications: Publications) {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#outbox = outbox;
    this.#publications = publications;
    this.begun = promise;
    this.#begin = resolve;
  }

  /** @param onBegin called once this process is the one that sends */
  start(onBegin: () => void): void {
    void this.#watchOthers();
    void this.#claim(onBegin);
  }

  stop(): void {
    this.#ending.abort();
  }

  async #claim(onBegin: () => void): Promise<void> {
    try {
      await this.#outbox.claim({ signal: this.#ending.signal });
    } catch {
      return;
    }
    this.#hasBegun = true;
    this.#begin();
    onBegin();
  }

  /** Also once after the right is here: the other may have sent something just before it ended. */
  async #watchOthers(): Promise<void> {
    const { signal } = this.#ending;
    for (;;) {
      await SYSTEM_TIMING.sleep(POLL_MS, signal);
      if (signal.aborted) return;
      const hadBegun = this.#hasBegun;
      const hasLooked = await this.#publications.poll().then(
        () => true,
        () => false,
      );
      if (hadBegun && hasLooked) return;
    }
  }
}
