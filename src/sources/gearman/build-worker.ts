import { hostname } from 'node:os';
import type { SourceContext } from '../source.ts';
import { joinTopic } from '../topic.ts';
import { type BuildJob, buildTopic, fieldText, JobFault, readBuildJob } from './build-job.ts';
import { download } from './download.ts';
import { JobEvents } from './job-events.ts';
import { type GearmanOptions, hostOf, readAddress } from './options.ts';
import { workServers } from './servers.ts';
import type { GearmanJob, JobOutcome } from './worker.ts';

/** What a kind does with the file of a build. */
export interface BuildWork {
  /** Reads the file from its beginning; called anew when an attempt to fetch it broke off. @throws JobFault, or what leaves the job with the server */
  read(bytes: AsyncIterable<Buffer>, build: BuildJob, events: JobEvents, signal: AbortSignal): Promise<void>;
  /** The last event of a build, which says whether its file was read: its schema, its level behind the topic of the build, and its word for no. */
  verdict: { schema: string; leaf?: string; failed: string };
  /** Part of the address that files are asked for with. */
  level?: string | undefined;
}

export type BuildOptions = GearmanOptions & { base: string };

/** Does the jobs of builds: fetch a file, publish what is in it, then what became of it, and only then answer. */
export async function workForBuilds(options: BuildOptions, build: BuildWork, context: SourceContext, signal: AbortSignal): Promise<void> {
  await workServers(
    options.gearman!.map(readAddress),
    {
      functionName: options.function,
      clientId: options.clientId ?? `${hostname()}-pusher`,
      exceptions: options.exceptions,
      silenceMs: options.silence,
      handle: (job, ended) => doJob(job, options, build, context, ended),
    },
    context,
    signal,
  );
}

async function doJob(
  job: GearmanJob,
  options: BuildOptions,
  work: BuildWork,
  context: SourceContext,
  signal: AbortSignal,
): Promise<JobOutcome> {
  const events = new JobEvents(context, [options.function, job.workload]);
  let build: BuildJob | undefined;
  let fault: JobFault | undefined;
  try {
    const known = readBuildJob(job.workload);
    build = known;
    if (fieldText(known, 'build_status') === 'ABORTED') {
      context.refused('a build was aborted: its file is not read', { source_url: known.sourceUrl });
      return { isDone: true };
    }
    const { maxBytes, timeout: timeoutMs, retryFor: retryForMs } = options;
    const how = { maxBytes, timeoutMs, retryForMs, level: work.level, signal, random: context.random };
    await download(known, how, (bytes) => work.read(bytes, known, events, signal));
  } catch (error) {
    if (!(error instanceof JobFault)) throw error;
    fault = error;
    context.refused(fault.reason, { why: fault.message, source_url: build?.sourceUrl });
  }
  if (build) {
    const { schema, leaf, failed } = work.verdict;
    const data = {
      build_uuid: fieldText(build, 'build_uuid') ?? null,
      source_url: build.sourceUrl,
      status: fault ? failed : 'success',
    };
    await events.publish({ topic: joinTopic(buildTopic(options.base, hostOf(options), build), leaf), schema, data, key: job.unique });
  }
  await events.stored();
  return fault ? { isDone: false, why: fault.message } : { isDone: true };
}
