import type { Readable } from 'node:stream';
import { createUlid } from '../../core/id.ts';
import { isObject, parseJson } from '../../core/objects.ts';
import { topicFault } from '../../wire/topic.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { SourceContext, SourceEvent, TestStep } from '../source.ts';
import type { LineOptions } from './options.ts';

/** Of a line, in the log. */
const SHOWN_BYTES = 200;
const SHOWN_EVENTS = 3;

/**
 * Makes events of the lines of streams that nobody can read twice: what could not be stored is kept and published again, under the same id, and
 * the next run reads the stream on where this one broke off.
 */
export class LineEvents {
  readonly #options: LineOptions;
  readonly #context: SourceContext;
  /** Published, and not known to be on disk, each with what tells when it is. */
  readonly #unstored = new Map<SourceEvent, Promise<void>>();

  constructor(options: LineOptions, context: SourceContext) {
    this.#options = options;
    this.#context = context;
  }

  /** The lines of a stream, for `publishFrom`. */
  linesOf(stream: Readable): AsyncGenerator<Buffer> {
    const { maxLine } = this.#options;
    return linesOf(stream, maxLine, () => this.#context.refused('a line is longer than the bound and came in parts', { maxLine }));
  }

  /** What an earlier run could not store. */
  async publishAgain(): Promise<void> {
    for (const event of [...this.#unstored.keys()]) await this.#publish(event);
  }

  /** Resolves once the stream has ended, or was destroyed, and its lines are on disk. What throws leaves the other lines for the next call. */
  async publishFrom(lines: AsyncGenerator<Buffer>): Promise<void> {
    // No for await: leaving it would end the stream.
    for (let next = await lines.next(); !next.done; next = await lines.next()) await this.#publish(this.#eventOf(next.value));
    await Promise.all(this.#unstored.values());
  }

  /** The events of the first lines of a stream, for a test. @returns whether these are enough; else the stream has ended */
  async *firstOf(stream: Readable): AsyncGenerator<TestStep, boolean> {
    let shown = 0;
    for await (const line of linesOf(stream, this.#options.maxLine, () => {})) {
      yield { event: this.#eventOf(line) };
      if (++shown === SHOWN_EVENTS) return true;
    }
    return false;
  }

  #eventOf(line: Buffer): SourceEvent {
    const { topic, format, topicField, contentType } = this.#options;
    const id = createUlid();
    if (format === 'line') return { topic, payload: line, id, contentType: contentType ?? 'text/plain' };
    const data = parseJson(line);
    if (!isObject(data)) {
      this.#context.refused('a line is no JSON object; it is published as text', { line: line.toString('utf8', 0, SHOWN_BYTES) });
      return { topic, payload: line, id, contentType: 'text/plain' };
    }
    const named = data[topicField] ?? topic;
    const fault = typeof named === 'string' ? topicFault(named) : 'it is no text';
    if (fault) this.#context.refused('a line names no topic that can be; it is published on the standard one', { topic: named, fault });
    return { topic: fault ? topic : (named as string), payload: line, data, id, contentType: contentType ?? 'application/json' };
  }

  async #publish(event: SourceEvent): Promise<void> {
    this.#unstored.set(event, Promise.resolve());
    const { stored } = await this.#context.publish(event);
    const noted = stored.then(() => void this.#unstored.delete(event));
    noted.catch(() => {});
    this.#unstored.set(event, noted);
  }
}

/**
 * The lines of a stream that are not empty, the last one also without a newline.
 * @param onCut told of each line that came in parts, because it is longer than `maxBytes`
 */
export async function* linesOf(stream: Readable, maxBytes: number, onCut: () => void): AsyncGenerator<Buffer> {
  const splitter = new LineSplitter(maxBytes);
  let cut = 0;
  try {
    for await (const chunk of stream) {
      for (const line of splitter.push(chunk as Buffer)) if (line.length > 0) yield line;
      if (splitter.cut > cut) onCut();
      cut = splitter.cut;
    }
  } catch (error) {
    if (!stream.destroyed) throw error;
  }
  const rest = splitter.end();
  if (rest?.length) yield rest;
}
