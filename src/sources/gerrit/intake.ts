import type { SourceContext } from '../source.ts';
import { type GerritEvent, idOf, isRefUpdatedMeta, readEvent, topicOf } from './gerrit-event.ts';
import type { Position } from './position.ts';
import { RecentIds } from './recent-ids.ts';
import { schemaOf } from './schemas.ts';

export interface IntakeOptions {
  base: string;
  /** Types that are wanted; none: all. The events log does not filter. */
  type: readonly string[];
  refUpdatedMeta: boolean;
  /** Undefined: nothing gives again what the stream gave, and nothing of it has to be known. */
  eventsLog?: object | undefined;
}

/** What was published and is not known to be stored yet. */
interface Batch {
  newestS: number | undefined;
  ids: string[];
}

/** Makes events of lines and publishes them, in order. */
export class Intake {
  readonly #options: IntakeOptions;
  readonly #context: SourceContext;
  readonly #position: Position;
  /** What the events log gave: the stream may bring it too. */
  #filled = new RecentIds();
  #batch: Batch = { newestS: undefined, ids: [] };
  #second = { seconds: Number.NaN, text: '' };
  /** Told of `dropped-output`: the server's queue of this connection was full. */
  onDropped: () => Promise<void> = async () => {};
  /** Told of what kept an event from being stored: it has to be read again. */
  onFailure: (error: unknown) => void = () => {};

  constructor(options: IntakeOptions, context: SourceContext, position: Position) {
    this.#options = options;
    this.#context = context;
    this.#position = position;
  }

  /** @returns what it was, or undefined for a line that is no event */
  async take(line: Buffer, origin: 'stream' | 'log'): Promise<GerritEvent | undefined> {
    const event = readEvent(line);
    if (!event) {
      await this.#refuse(line);
      return undefined;
    }
    if (event.hadPrefix) this.#context.refused(`the prefix )]}' in front of an event was left out`);
    if (!event.isUtf8) this.#context.refused('a line is not UTF-8', { type: event.type });
    if (this.#isWanted(event)) await this.#publish(event, origin);
    if (event.type === 'dropped-output' && origin === 'stream') await this.onDropped();
    return event;
  }

  /** Once what was published so far is stored, the position moves there. */
  commit(): void {
    const { newestS, ids } = this.#batch;
    if (newestS === undefined) return;
    this.#batch = { newestS: undefined, ids: [] };
    this.#context.stored().then(
      () => this.#position.advance(newestS),
      (error: unknown) => {
        this.#position.recent.forget(ids);
        this.onFailure(error);
      },
    );
  }

  /** The stream has caught up with the events log. */
  endFilling(): void {
    this.#filled = new RecentIds();
  }

  /** Nothing follows: what is not committed is not known to have been stored. */
  abandon(): void {
    this.#position.recent.forget(this.#batch.ids);
  }

  /** @param fromMs default: the position */
  async lost(reason: string, detail: string, fromMs = (this.#position.completeS ?? Number.NaN) * 1000): Promise<void> {
    const { base } = this.#options;
    const from = Number.isNaN(fromMs) ? undefined : new Date(fromMs).toISOString();
    await this.#context.gap({ base, reason, from, until: new Date(this.#context.now()).toISOString(), detail });
  }

  async #publish(event: GerritEvent, origin: 'stream' | 'log'): Promise<void> {
    const { recent } = this.#position;
    const id = idOf(event);
    if (id !== undefined && this.#options.eventsLog) {
      if (origin === 'log' ? recent.has(id) : this.#filled.has(id)) return;
      if (origin === 'log') this.#filled.add(id);
      recent.add(id);
      this.#batch.ids.push(id);
    }
    const { payload, data, type, createdS } = event;
    await this.#context.publish({
      topic: topicOf(event, this.#options.base),
      payload,
      data,
      schema: schemaOf(type),
      id,
      time: createdS === undefined ? undefined : this.#timeOf(createdS),
    });
    const nowMs = this.#context.now();
    // A clock of the server that runs ahead must not move the position beyond what has happened.
    const seenS = Math.min(createdS ?? nowMs / 1000, nowMs / 1000);
    this.#batch.newestS = Math.max(this.#batch.newestS ?? 0, Math.floor(seenS));
    if (createdS !== undefined) this.#context.seen(nowMs - createdS * 1000);
  }

  /** Many events have the same second. */
  #timeOf(seconds: number): string {
    if (this.#second.seconds !== seconds) this.#second = { seconds, text: new Date(seconds * 1000).toISOString() };
    return this.#second.text;
  }

  #isWanted(event: GerritEvent): boolean {
    const { type, refUpdatedMeta } = this.#options;
    if (!refUpdatedMeta && isRefUpdatedMeta(event)) return false;
    return type.length === 0 || event.type === 'dropped-output' || (event.type !== undefined && type.includes(event.type));
  }

  async #refuse(line: Buffer): Promise<void> {
    const text = line.toString('utf8', 0, 200);
    if (text.trim() === `)]}'`) return this.#context.refused(`a line with nothing but )]}' was left out`);
    this.#context.refused('a line is no JSON object', { bytes: line.length, begins: text });
    // Only what begins as an event can have been one.
    if (text.trimStart().startsWith('{')) await this.lost('unreadable', `a line of ${line.length} bytes is no JSON`);
  }
}
