import { measureGerrit } from './gerrit.ts';
import type { Result } from './results.ts';
import type { RunOptions } from './throughput.ts';

/** Series → what measures it, by figure. */
const SERIES: Record<string, (options: RunOptions) => Promise<Record<string, number>>> = {
  gerrit: measureGerrit,
};

/** Sources at full speed, each as a user runs it. */
export async function runSources(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = {};
  for (let run = 0; run < options.runs; run++) {
    for (const [series, measure] of Object.entries(SERIES)) {
      const figures = (runs[series] ??= {});
      for (const [figure, value] of Object.entries(await measure(options))) (figures[figure] ??= []).push(value);
    }
  }
  return runs;
}
