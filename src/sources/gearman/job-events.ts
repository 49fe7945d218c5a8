import { eventId } from '../event-id.ts';
import type { SourceContext } from '../source.ts';

export interface JobEvent {
  topic: string;
  schema: string;
  data: object;
  /** RFC 3339. */
  time?: string | undefined;
  /** What makes it another than an equal one of the same job. */
  key: string;
}

/** Publishes what a job makes, and knows when all of it is on disk. The same job makes the same ids. */
export class JobEvents {
  readonly #context: SourceContext;
  readonly #identity: string;
  #waiting = 0;
  #failure: unknown;
  #settle: (() => void) | undefined;

  /** @param identity what the job is known by, whenever it is given */
  constructor(context: SourceContext, identity: readonly (string | Uint8Array)[]) {
    this.#context = context;
    this.#identity = eventId(0, ...identity);
  }

  /** @throws what keeps events from the outbox */
  async publish({ topic, schema, data, time, key }: JobEvent): Promise<void> {
    const payload = JSON.stringify(data);
    const id = eventId(time === undefined ? 0 : Date.parse(time), this.#identity, key, payload);
    const { stored } = await this.#context.publish({ topic, payload, schema, data, id, ...(time !== undefined && { time }) });
    this.#waiting++;
    stored.then(this.#done, this.#failed);
  }

  /** Resolves once all is on disk. @throws what kept one from it */
  async stored(): Promise<void> {
    while (this.#waiting > 0) await new Promise<void>((resolve) => (this.#settle = resolve));
    if (this.#failure !== undefined) throw this.#failure;
  }

  readonly #done = (): void => {
    if (--this.#waiting === 0) this.#settle?.();
  };

  readonly #failed = (error: unknown): void => {
    this.#failure ??= error;
    this.#done();
  };
}
