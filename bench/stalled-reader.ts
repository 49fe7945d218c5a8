import { generate, type Load } from './generator.ts';
import type { Result } from './results.ts';
import { removeData, startHydrant } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const RATE = 5000;
const FLOW = { publishers: 1, subscribers: 10, bytes: 1000, window: 0, rate: RATE } as const;
const WARM_UP_SECONDS = 2;
const LEAST_SECONDS = 15;
const FIGURES = ['p50ms', 'p99ms', 'lost', 'peak_mb'] as const;

/** Series of the results: everybody reads, or one more subscribes and reads nothing. */
export const STALLED_SERIES = [
  { series: 'qos0', title: 'QoS 0', qos: 0, stalled: 0 },
  { series: 'qos0-stalled', title: 'QoS 0', qos: 0, stalled: 1 },
  { series: 'qos1', title: 'QoS 1', qos: 1, stalled: 0 },
  { series: 'qos1-stalled', title: 'QoS 1', qos: 1, stalled: 1 },
] as const;

/**
 * 5 000 events of 1 kB a second to ten readers, with and without one more that subscribes and then takes nothing from its socket.
 * A new server for each run, so that its memory is of this run.
 */
export async function runStalledReader(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = {};
  for (let run = 0; run < options.runs; run++) {
    for (const { series, qos, stalled } of STALLED_SERIES) {
      const server = await startHydrant(options.folder);
      try {
        const load: Load = { ...FLOW, qos };
        await generate(server, load, RATE * WARM_UP_SECONDS);
        const result = await generate(server, { ...load, stalled }, RATE * Math.max(options.seconds, LEAST_SECONDS));
        runs[series] ??= Object.fromEntries(FIGURES.map((figure) => [figure, []]));
        for (const figure of FIGURES) runs[series][figure]!.push(result[figure]);
      } finally {
        await server.stop();
      }
      await removeData(server);
    }
  }
  return runs;
}
