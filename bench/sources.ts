import { runGerrit } from './gerrit.ts';
import type { Result } from './results.ts';
import { runSubunit } from './subunit.ts';
import type { RunOptions } from './throughput.ts';

/** Sources at full speed: each gives the series of its own. */
const SOURCES: ((options: RunOptions) => Promise<Result['runs']>)[] = [runGerrit, runSubunit];

export async function runSources(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = {};
  for (const run of SOURCES) Object.assign(runs, await run(options));
  return runs;
}
