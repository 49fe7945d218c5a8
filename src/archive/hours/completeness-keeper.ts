import { rmSync } from 'node:fs';
import { type Clock, systemClock } from '../../core/clock.ts';
import { errorText } from '../../core/errors.ts';
import { type Log, silentLog } from '../../core/log.ts';
import type { Manifest } from '../../wire/manifest.ts';
import type { Catalogue } from '../catalogue.ts';
import { DAY_MS } from '../keys.ts';
import { newFacts } from './completeness.ts';
import { HourCatalogue } from './hour-catalogue.ts';
import { type Facts, factsOfManifest } from './hour-facts.ts';

export interface KeeperOptions {
  /** The SQLite file; made when it is missing. */
  path: string;
  /** Whose process this is. Another epoch follows when events were lost. */
  journal: { readonly id: string; readonly epoch: string };
  clock?: Clock;
  /** Time that goes on only while the process may run, milliseconds from any moment. */
  ranMs?: () => number;
  log?: Log;
}

const ALIVE_EVERY_MS = 60_000;
/** What a clock may be corrected by. */
const LEAST_PAUSE_MS = 30_000;

/** Keeps the catalogue of hours of a process that archives: what is sealed, and that it runs. Its failures cost the archive nothing. */
export class CompletenessKeeper implements Disposable {
  readonly #options: KeeperOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #timer: NodeJS.Timeout;
  #hours: HourCatalogue | undefined;
  #epoch = '';
  #last: { aliveMs: number; ranMs: number } | undefined;
  #failed = false;
  #closed = false;

  constructor(options: KeeperOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.#alive();
    this.#timer = setInterval(() => this.#alive(), ALIVE_EVERY_MS).unref();
  }

  /** @param fromMs begin of the hour under which the object lies */
  sealed(manifest: Manifest, fromMs: number): void {
    this.#add(factsOfManifest(manifest, fromMs));
  }

  /**
   * Takes in what was sealed while nobody kept the catalogue: before it was there, or right before a crash. What is not known after this
   * is read from manifests by those who ask.
   * @throws HYD_STORE
   */
  async catchUp(catalogue: Catalogue): Promise<void> {
    const newestMs = this.#tried(() => this.#open().newestMs());
    const range = { sinceMs: newestMs === undefined ? undefined : newestMs - DAY_MS };
    const known = this.#tried(() => this.#open().facts(range));
    if (!known) return;
    const sealed = { manifest: catalogue.manifest.bind(catalogue), store: catalogue.store, segments: async () => [] };
    for await (const facts of newFacts(sealed, known, range)) {
      if (this.#closed) return;
      if (typeof facts !== 'string') this.#add(facts);
    }
  }

  #alive(): void {
    const { id: journal, epoch } = this.#options.journal;
    const nowMs = this.#clock.now();
    const isNew = epoch !== this.#epoch;
    this.#epoch = epoch;
    this.#notePause(nowMs);
    this.#add({ hours: [], gaps: [], epochs: [{ journal, epoch, aliveMs: nowMs, ...(isNew && { openedMs: nowMs }) }] });
  }

  /** A clock that went on further than this process has run was set, or the machine slept. */
  #notePause(nowMs: number): void {
    const { journal, ranMs = () => performance.now() } = this.#options;
    const last = this.#last;
    this.#last = { aliveMs: nowMs, ranMs: ranMs() };
    if (!last) return;
    const untilMs = nowMs - (this.#last.ranMs - last.ranMs);
    if (untilMs - last.aliveMs < LEAST_PAUSE_MS) return;
    const pause = { journal: journal.id, epoch: journal.epoch, fromMs: Math.floor(last.aliveMs), untilMs: Math.floor(untilMs) };
    this.#tried(() => this.#open().addPause(pause));
  }

  #add(facts: Facts): void {
    this.#tried(() => this.#open().add(facts));
  }

  #open(): HourCatalogue {
    this.#hours ??= HourCatalogue.open(this.#options.path, (path) => rmSync(path, { force: true }));
    return this.#hours;
  }

  #tried<T>(act: () => T): T | undefined {
    try {
      const result = act();
      this.#failed = false;
      return result;
    } catch (error) {
      if (!this.#failed)
        this.#log('warn', 'the catalogue of hours cannot be written; it is made up for later', { error: errorText(error) });
      this.#failed = true;
      return undefined;
    }
  }

  /** Notes the end. Twice is fine. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearInterval(this.#timer);
    this.#alive();
    const { id: journal, epoch } = this.#options.journal;
    this.#add({ hours: [], gaps: [], epochs: [{ journal, epoch, closedMs: this.#clock.now() }] });
    this.#hours?.[Symbol.dispose]();
    this.#hours = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
