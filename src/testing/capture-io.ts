import { PassThrough, Readable, Writable } from 'node:stream';

/** Streams for running a command inside the test's process. */
export interface CapturedIo {
  stdin: Readable;
  stdout: CapturedStream;
  stderr: CapturedStream;
  env: NodeJS.ProcessEnv;
  signal: AbortSignal;
  /** What Ctrl-C does. */
  abort(reason: unknown): void;
}

class CapturedStream extends Writable {
  isTTY: boolean | undefined;
  columns: number | undefined;
  readonly #chunks: Buffer[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#chunks.push(chunk);
    done();
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  get text(): string {
    return this.bytes.toString();
  }
}

/** @param options.terminal columns of a terminal on both outputs; a pipe when left out */
export function captureIo(options: { env?: NodeJS.ProcessEnv; input?: string | Uint8Array; terminal?: number } = {}): CapturedIo {
  const controller = new AbortController();
  const stdout = new CapturedStream();
  const stderr = new CapturedStream();
  for (const stream of [stdout, stderr]) {
    if (options.terminal === undefined) continue;
    stream.isTTY = true;
    stream.columns = options.terminal;
  }
  const stdin = options.input === undefined ? new PassThrough().end() : Readable.from([Buffer.from(options.input)]);
  return { stdin, stdout, stderr, env: options.env ?? {}, signal: controller.signal, abort: (reason) => controller.abort(reason) };
}
