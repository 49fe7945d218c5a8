import { z } from 'zod';
import { HydrantError } from '../../core/errors.ts';
import { byteSize, filePath, listed } from '../../core/option-types.ts';
import { gearmanOptions } from '../gearman/options.ts';
import type { Source, SourceContext, SourceKind } from '../source.ts';
import { assertTemplate } from '../topic.ts';
import { topicOption } from '../topic-option.ts';
import type { OutputPlace } from './output.ts';
import { schemas } from './schemas.ts';

const OUTPUT = /^(tcp|udp):\/\/(?:\[([^\]]+)\]|([^:/[\]]+)):(\d{1,5})\/?$/;

const options = z.strictObject({
  ...gearmanOptions('push-log'),
  output: listed('a place such as tcp://logs.example.org:9999, udp://HOST:PORT or stdout', (text) =>
    readOutput(text) ? undefined : 'it has no such form',
  )
    .optional()
    .describe('where the lines of builds go: tcp://HOST:PORT, udp://HOST:PORT or stdout'),
  outputHost: z.string().min(1).optional().describe('the same in parts: the host'),
  outputPort: z.int().min(1).max(65_535).optional().describe('the same in parts: the port'),
  outputMode: z.enum(['tcp', 'udp', 'stdout']).optional().describe('the same in parts: how (default tcp)'),
  level: z.string().optional().describe('ask log servers that filter for this level (?level=INFO)'),
  base: topicOption().default('gearman-logstash').describe('first levels of the topic of builds'),
  file: filePath().optional().describe('follow this file instead, through rotation: each line is an event'),
  topic: z.string().default('logs/{file}').describe('with --file: the topic; {file} is its name, {path} its path, {host} this machine'),
  fromEnd: z.boolean().default(false).describe('with --file: begin at its end when it is followed for the first time'),
  maxLine: byteSize({ min: 16 }).prefault('1MiB').describe('a longer line comes in parts'),
});

export type LogsOptions = z.output<typeof options>;

/** Logs: of builds that a gearman server hands out, line by line to an output; or of one file that is followed. */
export const logs: SourceKind<LogsOptions> = {
  name: 'logs',
  summary: 'logs of builds from a gearman server to an output, or the lines of a file',
  options,
  schemas,
  examples: [
    ['--gearman ci.example.org:4730 --output tcp://logs.example.org:9999', 'the logs of builds'],
    ['--file /var/log/stock.log', 'follow one file'],
  ],
  writesStdout: ({ output, outputMode }) => output === 'stdout' || outputMode === 'stdout',
  async open(given: LogsOptions, context: SourceContext): Promise<Source> {
    if ((given.gearman?.length ?? 0) > 0 === (given.file !== undefined))
      throw new HydrantError('HYD_CONFIG', 'the source logs needs either gearman or file', {
        fix: 'Give gearman servers with --gearman HOST:PORT, or a file to follow with --file PATH.',
      });
    if (given.file !== undefined) {
      assertTemplate(given.topic, 'topic');
      const { openFile } = await import('./file.ts');
      return openFile({ ...given, file: given.file }, context);
    }
    const place = placeOf(given);
    const { openBuilds } = await import('./builds.ts');
    return openBuilds(given, place, context);
  },
};

function placeOf({ output, outputHost, outputPort, outputMode }: LogsOptions): OutputPlace {
  if (output !== undefined) return readOutput(output)!;
  if (outputMode === 'stdout') return { mode: 'stdout' };
  if (outputHost !== undefined && outputPort !== undefined) return { mode: outputMode ?? 'tcp', host: outputHost, port: outputPort };
  throw new HydrantError('HYD_CONFIG', 'the source logs has no output', {
    fix: 'Say where the lines go with --output tcp://HOST:PORT, udp://HOST:PORT or stdout.',
  });
}

function readOutput(text: string): OutputPlace | undefined {
  if (text === 'stdout') return { mode: 'stdout' };
  const [, mode, bracketed, name, port] = OUTPUT.exec(text) ?? [];
  if (mode === undefined || Number(port) < 1 || Number(port) > 65_535) return undefined;
  return { mode: mode as 'tcp' | 'udp', host: (bracketed ?? name)!, port: Number(port) };
}
