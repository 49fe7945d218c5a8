import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { errorFix, errorText } from '../../core/errors.ts';
import type { SourceContext } from '../source.ts';
import { connectGearman, GearmanFault, type GearmanServer } from './connection.ts';
import { type WorkerOptions, work } from './worker.ts';

const BACKOFF = { minMs: 500, maxMs: 60_000 };

/**
 * Takes jobs from all servers, one at a time from each. A server that is away is tried again here as long as another one is there: the source is not broken,
 * and must not leave the jobs of the others. When none is left it is, and that is thrown, so that it is counted, told and tried again by the frame.
 * @throws HYD_SOURCE when no server is left; what `handle` throws
 */
export async function workServers(
  servers: readonly GearmanServer[],
  options: Omit<WorkerOptions, 'onUp'> & { silenceMs: number },
  context: SourceContext,
  signal: AbortSignal,
): Promise<void> {
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const handle: WorkerOptions['handle'] = async (job, ended) => {
    context.seen();
    try {
      return await options.handle(job, ended);
    } catch (error) {
      // The reason of an end is the connection's; all else is the source's.
      if (ended.aborted) ended.throwIfAborted();
      throw new JobLeft(error);
    }
  };
  let away = 0;
  const keepWorking = async (server: GearmanServer): Promise<void> => {
    let failures = 0;
    while (!either.aborted) {
      try {
        using connection = await connectGearman(server, { silenceMs: options.silenceMs, signal: either });
        await work(connection, {
          ...options,
          handle,
          onUp() {
            failures = 0;
            context.up();
          },
        });
      } catch (error) {
        if (either.aborted) return;
        if (error instanceof JobLeft) throw error.cause;
        if (error instanceof GearmanFault && error.isJunk)
          context.refused('a gearman server sent what is not its protocol', { why: error.message });
        if (++away === servers.length) throw error;
        const delayMs = backoffMs(BACKOFF, failures++, context.random);
        const fix = errorFix(error);
        context.log('warn', 'a gearman server is away', { error: errorText(error), fix, againInMs: Math.round(delayMs) });
        await sleep(delayMs, undefined, { signal: either }).catch(() => {});
        away--;
      }
    }
  };
  const stopAll = (error: unknown): never => {
    stop.abort();
    throw error;
  };
  const ends = await Promise.allSettled(servers.map((server) => keepWorking(server).catch(stopAll)));
  const broken = ends.find((end) => end.status === 'rejected');
  if (broken) throw broken.reason;
}

/** A job that could be neither done nor refused: it stays with the server. */
class JobLeft extends Error {
  constructor(cause: unknown) {
    super('a job was left', { cause });
  }
}
