import type { Client } from '../../client/client.ts';
import { type ErrorCode, HydrantError } from '../../core/errors.ts';
import type { Published, SourceEvent } from '../source.ts';

/** Events given to the outbox and not yet on disk, at most. */
const WINDOW = 1000;
/** What is longer is large: of these so many bytes, or one. An outbox refuses what comes when 64 MiB wait. */
const LARGE_BYTES = 32 * 1024;
const WINDOW_BYTES = 24 * 1024 * 1024;
/** Of a character as UTF-8, at most. */
const CHARACTER_BYTES = 3;

/** What an event is refused for, and would be each time. */
const LASTING: ReadonlySet<ErrorCode> = new Set(['HYD_TOPIC', 'HYD_TOO_LARGE', 'HYD_UNSUPPORTED']);

/** What is told of an event that is left out. */
type Refused = Pick<SourceEvent, 'topic'> & { schema: string | undefined };

/** Events whose way to the disk is waited for together. */
interface Group {
  waiting: number;
  readonly onStored: () => void;
  /** None of them, and none before them, is on its way any more. */
  readonly settled: Promise<void>;
  readonly settle: () => void;
}

/** Gives events to a client, in order, with room for so many on their way to the disk. */
export class Publishing {
  readonly #client: Pick<Client, 'publish'>;
  readonly #channel: string;
  readonly #isOrdered: boolean;
  #waiting = 0;
  #largeBytes = 0;
  /** In order; the last one takes what comes. */
  readonly #groups: Group[] = [];
  /** Told of an event that no repetition would store, such as one that is too large: it is left out once what stands for it is stored. */
  onRefused: (event: Refused, error: HydrantError) => Promise<unknown> = async () => {};
  /** The first that could not be stored: what came after it must not move a cursor. */
  #failure: unknown;
  /** Failures before this run. */
  #forgotten = 0;
  #wake: (() => void)[] = [];

  /** @param options.isOrdered false: each event stands for itself, and whoever sent one that could not be stored is told and sends it again */
  constructor(client: Pick<Client, 'publish'>, channel: string, { isOrdered }: { isOrdered: boolean }) {
    this.#client = client;
    this.#channel = channel;
    this.#isOrdered = isOrdered;
    this.#beginGroup();
  }

  /** @throws what kept an earlier event from the disk */
  async publish(event: SourceEvent): Promise<Published> {
    const { topic, payload, id, contentType = 'application/json', time, retain, schema } = event;
    const bytes = typeof payload === 'string' ? payload.length * CHARACTER_BYTES : payload.byteLength;
    const largeBytes = bytes > LARGE_BYTES ? bytes : 0;
    while (!this.#hasRoom(largeBytes)) await new Promise<void>((resolve) => this.#wake.push(resolve));
    this.#assertSound();
    const published = this.#client.publish({
      topic,
      payload,
      id,
      contentType,
      retain,
      channel: this.#channel,
      props: time ? { time } : undefined,
    });
    const group = this.#groups.at(-1)!;
    group.waiting++;
    this.#waiting++;
    // What was parsed is not held until then: that would cost more than to parse it.
    published.stored.then(group.onStored, (error: unknown) => this.#onFailure({ topic, schema }, error, group));
    if (largeBytes > 0) this.#countLarge(largeBytes, published.stored);
    return published;
  }

  /**
   * Resolves once all that was published so far is on disk, whatever is published meanwhile.
   * @throws what kept one from it, also when that was forgotten meanwhile
   */
  async stored(): Promise<void> {
    const forgotten = this.#forgotten;
    if (this.#groups.at(-1)!.waiting > 0) this.#beginGroup();
    await this.#groups.at(-2)?.settled;
    this.#assertSound();
    if (forgotten !== this.#forgotten) throw new HydrantError('HYD_OUTBOX', 'an event of the run before could not be stored');
  }

  /** A new run of the source begins where the cursor stands. @returns whether there was one */
  forgetFailure(): boolean {
    if (this.#failure === undefined) return false;
    this.#failure = undefined;
    this.#forgotten++;
    return true;
  }

  #hasRoom(largeBytes: number): boolean {
    return this.#waiting < WINDOW && (this.#largeBytes === 0 || this.#largeBytes + largeBytes <= WINDOW_BYTES);
  }

  #countLarge(bytes: number, stored: Promise<void>): void {
    this.#largeBytes += bytes;
    const settled = (): void => {
      this.#largeBytes -= bytes;
      this.#wakeAll();
    };
    stored.then(settled, settled);
  }

  #beginGroup(): void {
    const { promise: settled, resolve: settle } = Promise.withResolvers<void>();
    const onStored = (): void => {
      this.#waiting--;
      this.#onSettled(group);
    };
    const group: Group = { waiting: 0, onStored, settled, settle };
    this.#groups.push(group);
  }

  #onSettled(group: Group): void {
    group.waiting--;
    while (this.#groups.length > 1 && this.#groups[0]!.waiting === 0) this.#groups.shift()!.settle();
    this.#wakeAll();
  }

  #onFailure(event: Refused, error: unknown, group: Group): void {
    this.#waiting--;
    const isLasting = error instanceof HydrantError && LASTING.has(error.code);
    if (!isLasting && this.#isOrdered) this.#failure ??= error;
    const settle = (): void => this.#onSettled(group);
    if (isLasting) void this.onRefused(event, error).then(settle, settle);
    else settle();
  }

  #wakeAll(): void {
    if (this.#wake.length === 0 || (this.#waiting >= WINDOW && !this.#failure)) return;
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }

  #assertSound(): void {
    if (this.#failure === undefined) return;
    if (this.#failure instanceof HydrantError) throw this.#failure;
    throw new HydrantError('HYD_OUTBOX', `an event could not be stored: ${String(this.#failure)}`, { cause: this.#failure });
  }
}
