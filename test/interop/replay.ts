import { readFile } from 'node:fs/promises';
import type { QoS } from 'mqtt-packet';
import { within } from '../../src/testing/deadline.ts';
import { openStream, type RawStream } from '../../src/testing/raw-stream.ts';

/** One line of a replay: what a library sends, what the server must answer to the byte, what somebody else publishes meanwhile. */
export type Step =
  | { do: 'send' | 'expect'; bytes: Buffer; line: string }
  | { do: 'publish'; qos: QoS; topic: string; payload: string }
  | { do: 'end' };

/** Reads a file of `replays/`: `> hex`, `< hex`, `! qos topic payload`, `.` for the end of the connection; `#` begins a comment. */
export async function readReplay(path: string): Promise<Step[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return lines.map((line) => {
    const [mark, ...words] = line.split(' ');
    if (mark === '.') return { do: 'end' };
    if (mark === '!') return { do: 'publish', qos: Number(words[0]) as QoS, topic: words[1] as string, payload: words[2] as string };
    if (mark !== '>' && mark !== '<') throw new Error(`${path}: ${line}`);
    // What stands behind several spaces says what it is.
    const hex = line.slice(2).split('    ')[0]?.replaceAll(' ', '') as string;
    return { do: mark === '>' ? 'send' : 'expect', bytes: Buffer.from(hex, 'hex'), line };
  });
}

/** A connection on which bytes are sent and awaited. */
export class ByteStream implements Disposable {
  readonly #stream: RawStream;
  #received = Buffer.alloc(0);
  #ended = false;
  #wake = (): void => {};

  private constructor(stream: RawStream) {
    this.#stream = stream;
    stream.onData = (chunk) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    };
    stream.onClose = () => {
      this.#ended = true;
      this.#wake();
    };
  }

  static async open(url: string, ca?: Buffer): Promise<ByteStream> {
    return new ByteStream(await openStream(url, { ca }));
  }

  send(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  /** The next bytes, in hexadecimal, once so many are there. */
  async take(count: number): Promise<string> {
    await this.#until(() => this.#received.length >= count, `${count} bytes`);
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken.toString('hex');
  }

  /** Resolves with what was still to be taken when the server has closed, in hexadecimal. */
  async end(): Promise<string> {
    await this.#until(() => this.#ended, 'the end of the connection');
    return this.#received.toString('hex');
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }

  async #until(ready: () => boolean, what: string): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.#wake = () => {
      if (ready()) done.resolve();
      else if (this.#ended) done.reject(new Error(`closed before ${what}; received: ${this.#received.toString('hex')}`));
    };
    this.#wake();
    await within(done.promise, 10_000, () => `${what}; received: ${this.#received.toString('hex')}`);
  }
}
