import { HydrantError } from '../core/errors.ts';
import { readGiven } from './given-file.ts';
import type { Io } from './io.ts';

export interface PayloadOptions {
  message?: string;
  file?: string;
  stdinLine?: boolean;
  stdinFile?: boolean;
  nullMessage?: boolean;
  repeat?: number;
  repeatDelay?: number;
}

const SOURCES = { message: '-m', file: '-f', stdinLine: '-l', stdinFile: '-s', nullMessage: '-n' } as const;
const LINE_LIMIT = 256 * 1024 * 1024;

/**
 * The payloads that `pub` is to send, one after the other, as bytes.
 * @throws HYD_USAGE unless exactly one source is named
 */
export function readPayloads(options: PayloadOptions, io: Pick<Io, 'stdin' | 'signal'>): AsyncIterable<Buffer> {
  const given = Object.entries(SOURCES).filter(([name]) => options[name as keyof typeof SOURCES] !== undefined);
  if (given.length !== 1) {
    const what = given.length === 0 ? 'no message was given' : `${given.map(([, flag]) => flag).join(' and ')} exclude each other`;
    throw new HydrantError('HYD_USAGE', what, {
      fix: 'Give one of -m TEXT, -f FILE, -l (each line of stdin), -s (all of stdin) or -n (empty).',
    });
  }
  if (options.stdinLine) return readLines(io.stdin);
  return repeated(options, io);
}

async function* repeated(options: PayloadOptions, io: Pick<Io, 'stdin' | 'signal'>): AsyncGenerator<Buffer> {
  const payload = await readOne(options, io);
  const { setTimeout } = await import('node:timers/promises');
  for (let i = 0; i < (options.repeat ?? 1); i++) {
    if (i > 0 && options.repeatDelay) await setTimeout(options.repeatDelay, undefined, { signal: io.signal });
    yield payload;
  }
}

async function readOne(options: PayloadOptions, io: Pick<Io, 'stdin'>): Promise<Buffer> {
  if (options.message !== undefined) return Buffer.from(options.message);
  if (options.file !== undefined) return readGiven('-f', options.file);
  if (options.nullMessage) return Buffer.alloc(0);
  const chunks: Buffer[] = [];
  for await (const chunk of io.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Lines as bytes, without `\n` or `\r\n`; what follows the last newline is a line too. */
export async function* readLines(source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let restBytes = 0;
  for await (const chunk of source) {
    let start = 0;
    for (let end = chunk.indexOf(10); end !== -1; start = end + 1, end = chunk.indexOf(10, start)) {
      const line = restBytes === 0 ? chunk.subarray(start, end) : Buffer.concat([...rest, chunk.subarray(start, end)]);
      rest = [];
      restBytes = 0;
      yield line.at(-1) === 13 ? line.subarray(0, -1) : line;
    }
    rest.push(chunk.subarray(start));
    restBytes += chunk.length - start;
    if (restBytes > LINE_LIMIT)
      throw new HydrantError('HYD_TOO_LARGE', `a line has more than ${LINE_LIMIT} bytes, the most that MQTT carries`);
  }
  if (restBytes > 0) yield Buffer.concat(rest);
}
