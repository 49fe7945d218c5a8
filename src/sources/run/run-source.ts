import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { Source } from '../source.ts';
import type { Context } from './context.ts';
import type { Publishing } from './publishing.ts';
import type { SourceCounts } from './source-status.ts';

const BACKOFF = { minMs: 500, maxMs: 60_000 };

/**
 * Runs a source until it is aborted or has ended for good, again and again after errors.
 * @throws HYD_USAGE and HYD_CONFIG of the source: no repetition mends them
 */
export async function runSource(
  source: Source,
  { context, counts, publishing }: { context: Context; counts: SourceCounts; publishing: Publishing },
  signal: AbortSignal,
): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    counts.up = false;
    publishing.forgetFailure();
    try {
      await source.run(signal);
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof HydrantError && (error.code === 'HYD_USAGE' || error.code === 'HYD_CONFIG')) throw error;
      if (counts.up) failures = 0;
      const delayMs = backoffMs(BACKOFF, failures++, context.random);
      counts.up = false;
      counts.errors++;
      counts.lastError = errorText(error);
      const fix = error instanceof HydrantError ? error.fix : undefined;
      context.log('warn', 'the source broke off', { error: errorText(error), fix, againInMs: Math.round(delayMs) });
      await sleep(delayMs, undefined, { signal }).catch(() => {});
    } finally {
      await context.cursor
        .saved()
        .catch((error: unknown) => context.log('warn', 'the cursor could not be saved', { error: errorText(error) }));
    }
  }
}
