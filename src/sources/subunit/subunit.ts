import { z } from 'zod';
import { HydrantError } from '../../core/errors.ts';
import { filePath } from '../../core/option-types.ts';
import { gearmanOptions } from '../gearman/options.ts';
import type { Source, SourceContext, SourceKind } from '../source.ts';
import { topicOption } from '../topic-option.ts';
import { schemas } from './schemas.ts';

const options = z.strictObject({
  ...gearmanOptions('push-subunit'),
  file: filePath().optional().describe('read this subunit v2 file, packed or not, instead of working for gearman; - for standard input'),
  base: topicOption().default('gearman-subunit').describe('first levels of the topic'),
  tests: z.boolean().default(true).describe('an event for each test, not only the totals'),
  project: z.string().optional().describe('with --file: the project, NAMESPACE/REPOSITORY'),
  change: z.string().optional().describe('with --file: the change or pipeline'),
  buildUuid: z.string().optional().describe('with --file: the build'),
});

export type SubunitOptions = z.output<typeof options>;

/** Results of tests in the form of subunit v2: of builds that a gearman server hands out, or of one file. Topics and payloads: `facts` of the firehose. */
export const subunit: SourceKind<SubunitOptions> = {
  name: 'subunit',
  summary: 'test results of builds, from a gearman server, a file or a pipe',
  options,
  schemas,
  examples: [
    ['--gearman ci.example.org:4730', 'the files that the CI names'],
    ['--file results.subunit --project store/stock --change 1042', 'one file'],
  ],
  async open(given: SubunitOptions, context: SourceContext): Promise<Source> {
    if ((given.gearman?.length ?? 0) > 0 === (given.file !== undefined))
      throw new HydrantError('HYD_CONFIG', 'the source subunit needs either gearman or file', {
        fix: 'Give gearman servers with --gearman HOST:PORT, or a file with --file PATH (- for standard input).',
      });
    const { openBuilds, openFile } = await import('./work.ts');
    return given.file === undefined ? openBuilds(given, context) : openFile({ ...given, file: given.file }, context);
  },
};
