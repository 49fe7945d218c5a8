import { errorFix, errorText } from '../../core/errors.ts';
import type { BuildJob } from '../gearman/build-job.ts';
import { type BuildWork, workForBuilds } from '../gearman/build-worker.ts';
import { testServers } from '../gearman/server-test.ts';
import { LineSplitter } from '../line-splitter.ts';
import type { Source, SourceContext, TestStep } from '../source.ts';
import type { LogsOptions } from './logs.ts';
import { type LineOutput, type OutputPlace, openOutput, outputText } from './output.ts';

/** Logs of builds that a gearman server names, to an output; an event for each. */
export function openBuilds(options: LogsOptions, place: OutputPlace, context: SourceContext): Source {
  const work: BuildWork = {
    level: options.level,
    async read(bytes, build, _events, signal) {
      using output = await openOutput(place, { signal, refused: context.refused.bind(context) });
      await forward(bytes, build, output, options.maxLine);
      await output.finish();
    },
    verdict: { schema: 'logs.retrieved', leaf: 'retrieve_logs', failed: 'failure' },
  };
  return {
    run: (signal) => workForBuilds(options, work, context, signal),
    async *test(signal) {
      yield* testServers(options, signal);
      yield* testOutput(place, signal);
    },
  };
}

/** Each line becomes a document: the fields of its build, the tags and itself as `message`. */
async function forward(bytes: AsyncIterable<Buffer>, { fields, tags }: BuildJob, output: LineOutput, maxBytes: number): Promise<void> {
  const { message: _, ...rest } = fields;
  const head = `${JSON.stringify({ ...rest, tags }).slice(0, -1)},"message":`;
  const lines = new LineSplitter(maxBytes);
  for await (const piece of bytes) for (const line of lines.push(piece)) await output.send(document(head, line));
  const last = lines.end();
  if (last) await output.send(document(head, last));
}

function document(head: string, line: Buffer): string {
  return `${head}${JSON.stringify(line.toString())}}\n`;
}

async function* testOutput(place: OutputPlace, signal: AbortSignal): AsyncGenerator<TestStep> {
  const what = `the output ${outputText(place)}`;
  try {
    using _ = await openOutput(place, { signal, refused: () => {} });
    yield { ok: true, what: place.mode === 'tcp' ? `${what} takes connections` : what };
  } catch (error) {
    yield { ok: false, what, why: errorText(error), fix: errorFix(error) ?? '' };
  }
}
