import { setTimeout as sleep } from 'node:timers/promises';
import { backoffMs } from '../../core/backoff.ts';
import { errorFix, errorText, HydrantError } from '../../core/errors.ts';
import type { Source } from '../source.ts';
import type { Context } from './context.ts';
import type { CursorFile } from './cursor-file.ts';
import type { Publishing } from './publishing.ts';
import type { SourceCounts } from './source-status.ts';

const BACKOFF = { minMs: 500, maxMs: 60_000 };
/** A run that was connected for so long was a good one: what breaks it is not what broke the one before. */
const STEADY_MS = 10_000;

export interface SourceRun {
  context: Context;
  counts: SourceCounts;
  publishing: Publishing;
  cursor: CursorFile;
}

/**
 * Runs a source until it is aborted or has ended for good, again and again after errors.
 * @throws HYD_USAGE and HYD_CONFIG of the source, and its HYD_SOURCE that is not retryable: no repetition mends them
 */
export async function runSource(source: Source, { context, counts, publishing, cursor }: SourceRun, signal: AbortSignal): Promise<void> {
  let failures = 0;
  while (!signal.aborted) {
    if (publishing.forgetFailure()) cursor.restore();
    try {
      await source.run(signal);
      counts.ended = !signal.aborted;
      return;
    } catch (error) {
      if (signal.aborted) return;
      if (counts.upForMs(context.now()) >= STEADY_MS) failures = 0;
      counts.upSinceMs = undefined;
      counts.errors++;
      counts.lastError = errorText(error);
      if (isForGood(error)) throw error;
      const delayMs = backoffMs(BACKOFF, failures++, context.random);
      const fix = errorFix(error);
      context.log('warn', 'the source broke off', { error: errorText(error), fix, againInMs: Math.round(delayMs) });
      await sleep(delayMs, undefined, { signal }).catch(() => {});
    } finally {
      counts.upSinceMs = undefined;
      await cursor.saved().catch((error: unknown) => context.log('warn', 'the cursor could not be saved', { error: errorText(error) }));
    }
  }
}

function isForGood(error: unknown): boolean {
  if (!(error instanceof HydrantError)) return false;
  return error.code === 'HYD_USAGE' || error.code === 'HYD_CONFIG' || (error.code === 'HYD_SOURCE' && !error.retryable);
}
