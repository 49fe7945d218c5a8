import { z } from 'zod';
import { parseJson } from '../../core/objects.ts';
import { escapeLevel, escapeLevels, joinTopic } from '../topic.ts';

/** Why a job cannot be done, now or ever: it is failed, and whoever submitted it hears so. */
export class JobFault extends Error {
  /** In a few words, to count by. */
  readonly reason: string;

  constructor(reason: string, message: string = reason) {
    super(message);
    this.reason = reason;
  }
}

/** What a build's job says, as Zuul and the log clients submit it. */
export interface BuildJob {
  sourceUrl: string;
  /** Whether what is not there yet is to be waited for. */
  retry: boolean;
  fields: Record<string, unknown>;
  tags: unknown[];
}

const fields = z.record(z.string(), z.unknown());
const tags = z.array(z.unknown());
const JOB = z.object({
  source_url: z.string().min(1),
  retry: z.unknown().optional(),
  event: z.object({ fields: fields.optional(), '@fields': fields.optional(), tags: tags.nullish(), '@tags': tags.nullish() }),
});

/** @throws JobFault */
export function readBuildJob(workload: Buffer): BuildJob {
  const json = parseJson(workload);
  if (json === undefined) throw new JobFault('a job is no JSON');
  const job = JOB.safeParse(json);
  if (!job.success) throw new JobFault('a job lacks what it needs', `a job lacks what it needs: ${z.prettifyError(job.error)}`);
  const { source_url: sourceUrl, retry, event } = job.data;
  return {
    sourceUrl,
    retry: Boolean(retry),
    fields: event.fields ?? event['@fields'] ?? {},
    tags: event.tags ?? event['@tags'] ?? [],
  };
}

/** A field as text; undefined when it is missing, empty or something else than text or a number. */
export function fieldText({ fields }: Pick<BuildJob, 'fields'>, name: string): string | undefined {
  const value = fields[name];
  if (typeof value === 'number') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** `<base>/<host>/<namespace>/<repository>/<change>`; a build without a change, such as a periodic one, has its pipeline there. */
export function buildTopic(base: string, host: string, job: Pick<BuildJob, 'fields'>): string {
  const last = fieldText(job, 'build_change') ?? fieldText(job, 'build_queue');
  return joinTopic(base, escapeLevel(host), escapeLevels(fieldText(job, 'project') ?? ''), last && escapeLevel(last));
}
