import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { HydrantError, systemCode } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import type { SourceContext, SourceEvent } from '../source.ts';
import { LineReading } from './line-reading.ts';
import { findMissed, hasHead, isAt, type Place, readHead } from './rotated.ts';

export interface FollowerOptions {
  path: string;
  topic: string;
  maxLine: number;
  fromEnd: boolean;
  toEvent(line: Buffer): SourceEvent;
}

const POLL_MS = 200;
/** Once there is something in the new file the old one has to be quiet for so long. */
const QUIET_MS = 500;

/**
 * Reads a file as it grows, and what was rotated away meanwhile. By looking, not by being told: file systems on the network tell nothing. A program goes on
 * writing to the file that was renamed until it opens the new one, so as long as that is empty the old one is followed.
 */
export class Follower {
  readonly #options: FollowerOptions;
  readonly #context: SourceContext;
  /** By path, so that a source that is given another file begins with that, and finds its place again in the one before. */
  readonly #placeName: string;

  constructor(options: FollowerOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
    this.#placeName = `place in ${options.path}`;
  }

  /** @throws HYD_SOURCE when there is no file, or it cannot be read */
  async run(signal: AbortSignal): Promise<void> {
    const { path } = this.#options;
    try {
      let reading = await this.#goOn(signal);
      this.#context.up();
      while (reading) reading = await this.#next(reading, signal);
    } catch (error) {
      if (error instanceof HydrantError) throw error;
      throw new HydrantError('HYD_SOURCE', `${path} cannot be read: ${(error as Error).message}`, {
        cause: error,
        fix: `Check that ${path} is there and that this user may read it.`,
      });
    }
  }

  /** Reads a file until there is another in its place; then what comes after it. */
  async #next(reading: LineReading, signal: AbortSignal): Promise<LineReading | undefined> {
    await using _ = reading.file;
    const isRead = await this.#follow(reading, signal);
    return this.#catchUp(reading.place, isRead, signal);
  }

  /** From the place where it stood, or from the start. */
  async #goOn(signal: AbortSignal): Promise<LineReading | undefined> {
    const { cursor } = this.#context;
    const place = cursor.get<Place>(this.#placeName);
    if (place) return this.#catchUp(place, false, signal);
    const file = await open(this.#options.path);
    const { ino, size } = await file.stat();
    const offset = this.#options.fromEnd ? size : 0;
    const first = { origin: createHexId(8), generation: 0, inode: ino, offset, head: await readHead(file, offset), at: this.#now() };
    this.#keep(first);
    // Ids are made from the origin: it has to outlive a crash that leaves events behind.
    await cursor.saved();
    return this.#read(file, first);
  }

  /** Reads what was rotated away since a place, and opens the file that is there now. */
  async #catchUp(from: Place, isPlaceRead: boolean, signal: AbortSignal): Promise<LineReading | undefined> {
    let place = from;
    let isRead = isPlaceRead;
    let toldLoss: string | undefined;
    while (!signal.aborted) {
      await using stack = new AsyncDisposableStack();
      const file = stack.use(await open(this.#options.path));
      const { ino: inode, size } = await file.stat();
      if (!isRead && (await isAt(file, place))) {
        stack.move();
        return this.#read(file, place);
      }
      const missed = await findMissed(this.#options.path, place, isRead);
      if (missed.lost !== undefined && missed.lost !== toldLoss) await this.#tellGap(place, missed.lost);
      toldLoss = missed.lost;
      let isSame = true;
      const olds = missed.files.filter((old) => old.inode !== inode);
      for (const [i, old] of olds.entries()) {
        const reading = await this.#openOld(old, missed.goesOn && i === 0 ? place : { ...this.#after(place), inode: old.inode });
        isSame = reading !== undefined;
        if (!reading) break;
        if (i === olds.length - 1 && size === 0) return reading;
        await using _ = reading.file;
        await reading.readAll(signal);
        await reading.finish();
        if (signal.aborted) return undefined;
        ({ place } = reading);
        isRead = true;
      }
      // A rotation came in between: look again.
      if (!isSame) continue;
      const next = { ...this.#after(place), inode };
      this.#keep(next);
      stack.move();
      return this.#read(file, next);
    }
    return undefined;
  }

  /** @returns true when it was replaced and read to its end, false when it was emptied */
  async #follow(reading: LineReading, signal: AbortSignal): Promise<boolean> {
    let quietSinceMs: number | undefined;
    while (!signal.aborted) {
      const { ino, size } = await reading.file.stat();
      if (size < reading.readTo || !(await hasHead(reading.file, reading.place))) return false;
      const hasMore = await reading.readAll(signal);
      const isReplaced = await this.#isReplaced(ino);
      if (hasMore || !isReplaced) quietSinceMs = undefined;
      if (isReplaced) {
        quietSinceMs ??= performance.now();
        if (performance.now() - quietSinceMs >= QUIET_MS) {
          await reading.finish();
          return true;
        }
      }
      await sleep(POLL_MS, undefined, { signal }).catch(() => {});
    }
    return true;
  }

  async #isReplaced(inode: number): Promise<boolean> {
    try {
      const { ino, size } = await stat(this.#options.path);
      return ino !== inode && size > 0;
    } catch (error) {
      // It was moved away; the new one is not there yet.
      if (systemCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  async #openOld({ path, inode }: { path: string; inode: number }, place: Place): Promise<LineReading | undefined> {
    await using stack = new AsyncDisposableStack();
    try {
      const file = stack.use(await open(path));
      if ((await file.stat()).ino !== inode) return undefined;
      stack.move();
      return this.#read(file, place);
    } catch (error) {
      if (systemCode(error) === 'ENOENT') return undefined;
      throw error;
    }
  }

  #read(file: FileHandle, place: Place): LineReading {
    const { toEvent, maxLine } = this.#options;
    return new LineReading(file, place, { toEvent, maxLine, now: () => this.#now(), keep: (at) => this.#keep(at) }, this.#context);
  }

  #keep(place: Place): void {
    this.#context.cursor.set(this.#placeName, place);
  }

  #after({ origin, generation }: Place): Place {
    return { origin, generation: generation + 1, inode: 0, offset: 0, head: '', at: this.#now() };
  }

  #tellGap({ at }: Place, detail: string): Promise<void> {
    return this.#context.gap({ base: this.#options.topic, reason: 'history-lost', from: at, until: this.#now(), detail });
  }

  #now(): string {
    return new Date(this.#context.now()).toISOString();
  }
}
