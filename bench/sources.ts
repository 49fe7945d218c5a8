import { measureGerrit } from './gerrit.ts';
import type { Result } from './results.ts';
import type { RunOptions } from './throughput.ts';

/** Series → what measures it, by figure. */
const SERIES: Record<string, (options: RunOptions) => Promise<Record<string, number>>> = {
  gerrit: measureGerrit,
};

/** Sources at full speed, each as a user runs it. */
export async function runSources(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = Object.fromEntries(Object.keys(SERIES).map((series) => [series, {}]));
  for (let run = 0; run < options.runs; run++) {
    for (const [series, measure] of Object.entries(SERIES)) {
      const figures = Object.entries(await measure(options));
      runs[series] = Object.fromEntries(figures.map(([figure, value]) => [figure, [...(runs[series]?.[figure] ?? []), value]]));
    }
  }
  return runs;
}
