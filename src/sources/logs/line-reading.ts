import type { FileHandle } from 'node:fs/promises';
import { eventId } from '../event-id.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { SourceContext, SourceEvent } from '../source.ts';
import { type Place, readHead } from './rotated.ts';

export interface LineReadingOptions {
  maxLine: number;
  toEvent(line: Buffer): SourceEvent;
  /** RFC 3339. */
  now(): string;
  /** For the next start, once the lines before it are on disk. */
  keep(place: Place): void;
}

const CHUNK_BYTES = 64 * 1024;

/** Publishes the lines of an open file from a place on, and moves the cursor with them. */
export class LineReading {
  readonly file: FileHandle;
  place: Place;
  /** The byte that is read next: behind the place by the line that has no end yet. */
  readTo: number;
  readonly #options: LineReadingOptions;
  readonly #context: SourceContext;
  /** Where the lines begin. */
  readonly #from: number;
  readonly #lines: LineSplitter;
  #toldCut = 0;

  constructor(file: FileHandle, place: Place, options: LineReadingOptions, context: SourceContext) {
    this.file = file;
    this.place = place;
    this.readTo = place.offset;
    this.#from = place.offset;
    this.#options = options;
    this.#context = context;
    this.#lines = new LineSplitter(options.maxLine);
  }

  /** Reads to the end of now. @returns whether there was anything */
  async readAll(signal: AbortSignal): Promise<boolean> {
    let hasMore = false;
    while (!signal.aborted) {
      const { bytesRead, buffer } = await this.file.read(Buffer.allocUnsafeSlow(CHUNK_BYTES), 0, CHUNK_BYTES, this.readTo);
      if (bytesRead === 0) break;
      hasMore = true;
      this.readTo += bytesRead;
      await this.#publish(this.#lines.push(buffer.subarray(0, bytesRead)));
    }
    return hasMore;
  }

  /** Nothing more will be written: the last line has no end and is one. */
  async finish(): Promise<void> {
    const last = this.#lines.end();
    await this.#publish(last ? [last] : []);
  }

  async #publish(lines: Iterable<Buffer>): Promise<void> {
    const { origin, generation } = this.place;
    let { offset } = this.place;
    for (const line of lines) {
      const id = eventId(0, origin, String(generation), String(offset), line);
      await this.#context.publish({ ...this.#options.toEvent(line), id });
      offset = this.#from + this.#lines.offset;
    }
    if (this.#lines.cut > this.#toldCut)
      this.#context.refused('a line is longer than the bound and came in parts', { maxLine: this.#options.maxLine });
    this.#toldCut = this.#lines.cut;
    this.place = { ...this.place, offset, head: await readHead(this.file, offset), at: this.#options.now() };
    this.#options.keep(this.place);
  }
}
