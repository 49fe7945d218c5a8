import { createReadStream } from 'node:fs';
import { errorText, HydrantError } from '../../core/errors.ts';
import { parseJson } from '../../core/objects.ts';
import type { StoredEvent } from '../../wire/event.ts';
import { decodeLine } from '../../wire/line.ts';
import type { Io } from '../io.ts';
import { readLines } from '../payloads.ts';

const NEWLINE = Buffer.from('\n');

/** A line of the input, with its place. */
export interface InputLine {
  file: string;
  line: number;
  bytes: Buffer;
}

/**
 * Lines that are not empty, of files one after the other; `-`, and no file at all, is standard input.
 * @throws HYD_USAGE for a file that cannot be read
 */
export async function* inputLines(files: readonly string[], io: Pick<Io, 'stdin'>): AsyncGenerator<InputLine> {
  for (const file of files.length === 0 ? ['-'] : files) {
    let line = 0;
    for await (const bytes of readLines(openInput(file, io))) {
      line++;
      if (bytes.length > 0) yield { file, line, bytes };
    }
  }
}

/** The same, but JSON documents over several lines come whole, each with the number of its first line. */
export async function* inputPayloads(files: readonly string[], io: Pick<Io, 'stdin'>): AsyncGenerator<InputLine> {
  for (const file of files.length === 0 ? ['-'] : files) {
    const lines: InputLine[] = [];
    for await (const line of inputLines([file], io)) lines.push(line);
    const documents = documentsOf(lines);
    yield* documents.every(({ bytes }) => parseJson(bytes) !== undefined) ? documents : lines;
  }
}

/** As jq and others print them, one after the other: only their brackets stand at the beginning of a line. */
function documentsOf(lines: readonly InputLine[]): InputLine[] {
  const documents: { first: InputLine; parts: Buffer[] }[] = [];
  for (const [i, line] of lines.entries()) {
    const isFirst = i === 0 || ('{['.includes(characterOf(line)) && '}]'.includes(characterOf(lines[i - 1]!)));
    if (isFirst) documents.push({ first: line, parts: [] });
    documents.at(-1)!.parts.push(line.bytes, NEWLINE);
  }
  return documents.map(({ first, parts }) => ({ ...first, bytes: Buffer.concat(parts) }));
}

function characterOf({ bytes }: InputLine): string {
  return String.fromCharCode(bytes[0]!);
}

/** @throws HYD_USAGE for a line that is no event, with its place */
export function readEventLine({ file, line, bytes }: InputLine): StoredEvent {
  try {
    return decodeLine(bytes, 0, bytes.length);
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${file}:${line}: it is no event: ${errorText(error)}`, {
      cause: error,
      fix: 'Give events as `hydrant find` and `hydrant sub` print them with -o ndjson.',
    });
  }
}

async function* openInput(file: string, { stdin }: Pick<Io, 'stdin'>): AsyncGenerator<Buffer> {
  try {
    yield* file === '-' ? stdin : createReadStream(file);
  } catch (error) {
    throw new HydrantError('HYD_USAGE', `${file}: ${errorText(error)}`, { cause: error, fix: 'Give a file that exists and is readable.' });
  }
}
