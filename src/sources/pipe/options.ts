import { z } from 'zod';
import { byteSize } from '../../core/option-types.ts';
import { topicOption } from '../topic-option.ts';

/** How lines become events; of pipes and commands. */
const lineOptions = {
  topic: topicOption().meta({ short: 't' }).describe('Topic of the events. With ndjson, of lines that name none.'),
  format: z
    .enum(['line', 'ndjson'])
    .default('line')
    .describe('line: each line is an event, as it is. ndjson: each line is a JSON object that may name its topic.'),
  topicField: z.string().min(1).default('topic').describe('With ndjson, the field that names the topic.'),
  contentType: z.string().min(1).optional().describe('Content type of the events. Default: text/plain, with ndjson application/json.'),
  maxLine: byteSize({ min: 1024, max: 256 * 1024 ** 2 })
    .prefault('8MiB')
    .describe('A longer line comes in parts, each an event, and is counted.'),
};

export type LineOptions = z.output<z.ZodObject<typeof lineOptions>>;

export const stdinOptions = z.strictObject(lineOptions);

export const execOptions = z.strictObject({
  ...lineOptions,
  command: z.array(z.string().min(1)).min(1).describe('The program and its arguments; no shell reads them.'),
  cwd: z.string().min(1).meta({ path: true }).optional().describe('Folder that it runs in. Default: that of this process.'),
  restart: z
    .enum(['always', 'on-failure', 'never'])
    .default('always')
    .describe(
      'Run it again when it has ended: always, on-failure (it ended with an error), or never. After a random time that grows up to a minute.',
    ),
});

export type ExecOptions = z.output<typeof execOptions>;
