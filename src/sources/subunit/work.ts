import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { createUlid } from '../../core/id.ts';
import { formatSize } from '../../core/units.ts';
import { buildTopic, fieldText, JobFault } from '../gearman/build-job.ts';
import { type BuildWork, workForBuilds } from '../gearman/build-worker.ts';
import { JobEvents } from '../gearman/job-events.ts';
import { hostOf } from '../gearman/options.ts';
import { testServers } from '../gearman/server-test.ts';
import { bounded, unpacked } from '../gearman/unpack.ts';
import type { Source, SourceContext, SourceEvent, TestStep } from '../source.ts';
import { escapeLevel } from '../topic.ts';
import type { TestResult } from './results.ts';
import { readStream, type StreamTotals } from './stream.ts';
import type { SubunitOptions } from './subunit.ts';

/** Where the events of one stream go, and what they say of its build. */
interface Build {
  topic: string;
  facts: { build_uuid?: string | undefined; source_url: string };
}

const SHOWN = 3;

/** Of the builds whose files a gearman server names. */
export function openBuilds(options: SubunitOptions, context: SourceContext): Source {
  const work: BuildWork = {
    async read(bytes, build, events) {
      await publishStream(
        bytes,
        { topic: buildTopic(options.base, hostOf(options), build), facts: factsOf(build) },
        options.tests,
        events,
        context,
      );
    },
    verdict: { schema: 'subunit.build', failed: 'failed' },
  };
  return {
    run: (signal) => workForBuilds(options, work, context, signal),
    test: (signal) => testServers(options, signal),
  };
}

/** Of one file or standard input, to its end. */
export function openFile(options: SubunitOptions & { file: string }, context: SourceContext): Source {
  const { file, project, change } = options;
  const topic = buildTopic(options.base, hostOf(options), { fields: { project, build_change: change } });
  const build: Build = { topic, facts: { build_uuid: options.buildUuid, source_url: file } };
  return {
    async run(signal) {
      context.up();
      try {
        const events = new JobEvents(context, [topic, ...(await identify(file))]);
        await publishStream(readFile(file, options.maxBytes, signal), build, options.tests, events, context);
        await events.stored();
      } catch (error) {
        if (signal.aborted) return;
        throw unreadable(file, error);
      }
    },
    async *test(signal) {
      yield* testFile(build, options, signal);
    },
  };
}

async function publishStream(
  bytes: AsyncIterable<Buffer>,
  { topic, facts }: Build,
  hasTests: boolean,
  events: JobEvents,
  context: SourceContext,
): Promise<void> {
  const totals = await readStream(bytes, async (test, number) => {
    if (hasTests) await events.publish({ ...testEvent(topic, facts, test), key: String(number) });
  });
  await events.publish({
    topic: `${topic}/total`,
    schema: 'subunit.total',
    data: { ...facts, ...totals },
    time: totals.stop_time,
    key: 'total',
  });
  tellDamage(totals, facts.source_url, context);
}

function testEvent(topic: string, facts: Build['facts'], test: TestResult) {
  const name = escapeLevel(test.test) || '-';
  return { topic: `${topic}/test/${name}`, schema: 'subunit.test', data: { ...facts, ...test }, time: test.stop_time };
}

function tellDamage({ damaged, other_bytes, left_out }: StreamTotals, source_url: string, context: SourceContext): void {
  if (damaged > 0) context.refused('a subunit stream has damaged packets', { source_url, damaged });
  if (other_bytes > 0) context.refused('a subunit stream has bytes between its packets', { source_url, other_bytes });
  if (left_out > 0)
    context.refused('a subunit stream has more begun tests, tags and attachments than are kept in mind', { source_url, left_out });
}

function factsOf(build: Parameters<BuildWork['read']>[1]): Build['facts'] {
  return { build_uuid: fieldText(build, 'build_uuid'), source_url: build.sourceUrl };
}

function readFile(file: string, maxBytes: number, signal: AbortSignal): AsyncIterable<Buffer> {
  const stream = file === '-' ? process.stdin : createReadStream(file);
  signal.addEventListener('abort', () => stream.destroy(signal.reason), { once: true });
  return bounded(unpacked(stream), maxBytes, () => new JobFault('a file is too large', `it has more than ${formatSize(maxBytes)}`));
}

/** What makes a file the same when it is read again. A pipe is not: what comes from it is new each time. */
async function identify(file: string): Promise<string[]> {
  if (file === '-') return [createUlid()];
  const { size, mtimeMs } = await stat(file);
  return [file, String(size), String(mtimeMs)];
}

function unreadable(file: string, error: unknown): unknown {
  if (!(error instanceof JobFault) && (error instanceof HydrantError || systemCode(error) === undefined)) return error;
  return new HydrantError('HYD_USAGE', `${file}: ${errorText(error)}`, {
    cause: error,
    fix: 'Give the path of a subunit v2 file that can be read.',
  });
}

async function* testFile(
  { topic, facts }: Build,
  { file, maxBytes }: SubunitOptions & { file: string },
  signal: AbortSignal,
): AsyncGenerator<TestStep> {
  if (file === '-') {
    yield { ok: true, what: 'standard input is read when the source runs' };
    return;
  }
  const shown: SourceEvent[] = [];
  try {
    await (await open(file)).close();
    yield { ok: true, what: `${file} can be opened` };
    const totals = await readStream(readFile(file, maxBytes, signal), (test) => {
      if (shown.length >= SHOWN) return;
      const { data, ...event } = testEvent(topic, facts, test);
      shown.push({ ...event, data, payload: JSON.stringify(data) });
    });
    yield { ok: true, what: `${totals.packets} packets, ${totals.tests} tests, ${totals.damaged} damaged` };
  } catch (error) {
    yield {
      ok: false,
      what: `a subunit v2 stream in ${file}`,
      why: errorText(error),
      fix: 'Give the path of a subunit v2 file that can be read.',
    };
  }
  for (const event of shown) yield { event };
}
