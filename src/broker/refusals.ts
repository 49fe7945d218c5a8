import type { Log } from '../core/log.ts';
import type { ClientEvents, ClientNames } from './client-events.ts';
import { count, type Statistics } from './statistics.ts';

/** Notes kept between two ticks; what is beyond is counted all the same. */
const MAX_NOTES = 1000;
const TELL_EVERY_MS = 10_000;
/** Of a topic of 64 KiB. */
const TOLD_CHARACTERS = 1000;

interface Note {
  names: ClientNames;
  reason: string;
  /** The topic, filter or value of the last one. */
  what: string;
  times: number;
}

/**
 * What clients asked for and did not get. Each is counted; the log and `$hydrant/clients/…/refused` get the first of a kind at once and the
 * rest as a number, so that a client that tries without end costs a line now and then.
 */
export class Refusals {
  readonly #statistics: Statistics;
  readonly #log: Log;
  readonly #events: ClientEvents;
  readonly #notes = new Map<string, Note>();
  #toldAtMs = 0;

  constructor(statistics: Statistics, log: Log, events: ClientEvents) {
    this.#statistics = statistics;
    this.#log = log;
    this.#events = events;
  }

  /** @param reason counted under this, and what people read: `not-allowed` @param what the topic or filter */
  note(names: ClientNames, reason: string, what: string): void {
    count(this.#statistics.refused, reason);
    const key = `${names.clientId}\0${reason}`;
    const note = this.#notes.get(key);
    if (note) {
      note.times++;
      note.what = what;
    } else if (this.#notes.size < MAX_NOTES) {
      this.#notes.set(key, { names, reason, what, times: 0 });
      this.#tell({ names, reason, what, times: 1 });
    }
  }

  /** Tells, every ten seconds, what was only counted since. */
  tick(nowMs: number): void {
    if (nowMs - this.#toldAtMs < TELL_EVERY_MS) return;
    this.#toldAtMs = nowMs;
    for (const [key, note] of this.#notes) {
      if (note.times === 0) this.#notes.delete(key);
      else {
        this.#tell(note);
        note.times = 0;
      }
    }
  }

  #tell({ names, reason, what: whole, times }: Note): void {
    const { clientId: client, user, remote } = names;
    const what = whole.slice(0, TOLD_CHARACTERS);
    this.#log('warn', 'a client was refused', { client, user, remote, reason, what, times });
    this.#events.tell('refused', names, { reason, what }, times);
  }
}
