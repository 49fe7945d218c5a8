import { setTimeout as sleep } from 'node:timers/promises';
import { errorFix, errorText } from '../../core/errors.ts';
import type { SourceContext } from '../source.ts';
import type { EventsLog } from './events-log.ts';
import type { Intake } from './intake.ts';
import type { Position } from './position.ts';

export interface FillingParts {
  log: EventsLog;
  intake: Intake;
  position: Position;
  context: SourceContext;
  /** How long the plugin may take to store an event. */
  delayMs: number;
}

/** The clocks of events are in seconds, and events of about the same time may come in another order. */
const OVERLAP_S = 30;
/** What the server's clock may be ahead of ours. */
const AHEAD_S = 86_400;
/** Events between two commits of the position. */
const COMMIT_EVERY = 500;

/** The log, not the bus, failed. */
class PageError extends Error {}

/** Fills a hole in the stream from the events log, while the stream goes on. */
export class Filling {
  readonly #parts: FillingParts;
  #requests = 0;
  #running: Promise<void> | undefined;
  /** The hole is filled as far as the log had it: what the stream brought meanwhile may follow. */
  onFirst: () => Promise<void> = async () => {};

  constructor(parts: FillingParts) {
    this.#parts = parts;
  }

  /** From there on events may be missing. @returns rejects with what keeps events from being published */
  open(fromS: number, signal: AbortSignal): Promise<void> {
    this.#parts.position.openHole(fromS);
    this.#requests++;
    this.#running ??= this.#fill(fromS, signal).finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Twice: the log gets its events a little after the stream, so what is asked for at once may lack the last. */
  async #fill(openedS: number, signal: AbortSignal): Promise<void> {
    const { intake, position, context, delayMs } = this.#parts;
    for (let fromS = openedS; ; ) {
      const asked = this.#requests;
      const first = await this.#look(fromS, signal);
      await this.onFirst();
      await sleep(delayMs, undefined, { signal });
      const second = await this.#look(first.newestS ?? fromS, signal);
      signal.throwIfAborted();
      if (asked !== this.#requests) {
        fromS = position.completeS ?? openedS;
        continue;
      }
      if (second.why) await intake.lost('events-log-failed', second.why);
      else context.log('info', 'what was missed has been read from the events log');
      position.closeHole();
      intake.endFilling();
      return;
    }
  }

  /** @returns the time of the newest event that it gave, and why there were no more if that was a failure */
  async #look(fromS: number, signal: AbortSignal): Promise<{ newestS?: number | undefined; why?: string }> {
    let newestS: number | undefined;
    try {
      for (let startS = Math.max(0, fromS - OVERLAP_S); ; ) {
        const page = await this.#page(startS, signal);
        if (page.lastS !== undefined) newestS = Math.max(newestS ?? 0, page.lastS);
        if (page.lastS !== undefined && page.lastS > startS) {
          startS = page.lastS;
          continue;
        }
        // What comes of the next second, and did not come with this one, was cut off, unless it is new.
        const next = page.lastS === undefined ? undefined : (await this.#page(startS + 1, signal)).lastS;
        if (next === undefined && !page.isFull) return { newestS };
        const again = page.isFull ? page : await this.#page(startS, signal);
        if (again.lastS !== undefined && again.lastS > startS) continue;
        await this.#lostSecond(startS);
        startS++;
      }
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof PageError)) throw error;
      const why = errorText(error.cause);
      this.#parts.context.log('warn', 'events that were missed could not be read', { error: why, fix: errorFix(error.cause) });
      return { newestS, why };
    }
  }

  async #page(fromS: number, signal: AbortSignal): Promise<{ lastS: number | undefined; isFull: boolean }> {
    const { log, context } = this.#parts;
    const untilS = Math.ceil(context.now() / 1000) + AHEAD_S;
    const page = await log.read(fromS, untilS, signal).catch((cause: unknown) => {
      throw new PageError('no page', { cause });
    });
    return { lastS: await this.#publish(page.lines, untilS), isFull: page.isFull };
  }

  /** More events than the plugin gives at a time: what it leaves out is out of reach. */
  async #lostSecond(second: number): Promise<void> {
    const text = new Date(second * 1000).toISOString();
    await this.#parts.intake.lost('events-log-limit', `the events log has more events of ${text} than it gives`, second * 1000);
  }

  /** @returns the time of the last, as far as a time can be of the past */
  async #publish(lines: readonly Buffer[], untilS: number): Promise<number | undefined> {
    const { intake } = this.#parts;
    let lastS: number | undefined;
    for (const [index, line] of lines.entries()) {
      const event = await intake.take(line, 'log');
      if (event?.createdS !== undefined) lastS = Math.max(lastS ?? 0, Math.min(event.createdS, untilS));
      if (index % COMMIT_EVERY === 0) intake.commit();
    }
    intake.commit();
    return lastS;
  }
}
