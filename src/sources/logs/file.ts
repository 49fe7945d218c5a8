import { open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename } from 'node:path';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import { parseJson } from '../../core/objects.ts';
import { hostOf } from '../gearman/options.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { Source, SourceContext, SourceEvent, TestStep } from '../source.ts';
import { fillTemplate } from '../topic.ts';
import { Follower } from './follower.ts';
import type { LogsOptions } from './logs.ts';

const OPENING_BRACE = 0x7b;
const SHOWN = 3;
const SHOWN_BYTES = 64 * 1024;

/** The lines of a file that grows and is rotated. */
export function openFile(options: LogsOptions & { file: string }, context: SourceContext): Source {
  const { file, maxLine, fromEnd } = options;
  const levels: Record<string, string> = { file: basename(file), path: file, host: hostOf(options) };
  for (const [, name] of options.topic.matchAll(/\{([^{}]+)\}/g))
    if (!Object.hasOwn(levels, name!.replace(/\.{3}$/, '')))
      throw new HydrantError('HYD_CONFIG', `topic: there is no {${name}} for the topic of a file`, {
        fix: 'Use {file}, {path} and {host}; {path...} keeps the slashes of the path as levels.',
      });
  const topic = fillTemplate(options.topic, (name) => levels[name]);
  const follower = new Follower({ path: file, topic, maxLine, fromEnd, toEvent: (line) => lineEvent(topic, line) }, context);
  return {
    run: (signal) => follower.run(signal),
    test: () => testFile(file, topic, maxLine),
  };
}

/** A line that is a JSON object is passed as one, byte for byte. */
function lineEvent(topic: string, line: Buffer): SourceEvent {
  const event = { topic, payload: line, schema: 'logs.line' };
  const data = line[0] === OPENING_BRACE ? parseJson(line) : undefined;
  return data === undefined ? { ...event, data: line.toString(), contentType: 'text/plain' } : { ...event, data };
}

async function* testFile(path: string, topic: string, maxLine: number): AsyncGenerator<TestStep> {
  try {
    await using file = await open(path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(SHOWN_BYTES), 0, SHOWN_BYTES, 0);
    yield { ok: true, what: `${path} can be read on ${hostname()}` };
    const lines = [...new LineSplitter(maxLine).push(buffer.subarray(0, bytesRead))];
    for (const line of lines.slice(0, SHOWN)) yield { event: lineEvent(topic, line) };
  } catch (error) {
    const fix = errorFix(error) ?? `Give the path of a file that user ${process.getuid?.() ?? ''} may read.`;
    yield { ok: false, what: path, why: errorText(error), fix };
  }
}
