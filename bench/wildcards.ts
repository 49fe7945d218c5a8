import { generate, type Load } from './generator.ts';
import type { Result } from './results.ts';
import { removeData, type Server, startHydrant, startMosquitto } from './servers.ts';
import { alone, type RunOptions } from './throughput.ts';

const SUBSCRIBERS = 100;
/** As many different topics in every case, and more than anybody remembers the matches of. */
const SITES = 100_000;

/** Subscriptions, all with wildcards, and how many of them match each publish. */
export const WILDCARD_CASES = [
  { subscriptions: 1000, matches: 1 },
  { subscriptions: 10_000, matches: 1 },
  { subscriptions: 100_000, matches: 1 },
  { subscriptions: 100_000, matches: 10 },
  { subscriptions: 100_000, matches: 100 },
] as const;

type WildcardCase = (typeof WILDCARD_CASES)[number];

export function wildcardSeries(server: 'mosquitto' | 'hydrant', { subscriptions, matches }: WildcardCase): string {
  return `${server} ${subscriptions} ${matches}`;
}

/** What a publish costs the server's main thread, from its socket to the sockets of those whose subscriptions match. */
export async function runWildcards(options: RunOptions): Promise<Result['runs']> {
  const hydrant = await startHydrant(options.folder);
  const servers = { mosquitto: await startMosquitto(options.folder), hydrant };
  const runs: Result['runs'] = {};
  try {
    for (const server of Object.values(servers)) server.freeze();
    for (let run = -1; run < options.runs; run++) {
      for (const each of WILDCARD_CASES) {
        for (const name of ['mosquitto', 'hydrant'] as const) {
          const figures = await alone(servers[name], () => publish(servers[name], each, options.seconds));
          if (run < 0) continue;
          const series = wildcardSeries(name, each);
          runs[series] ??= { microseconds: [], peak_mb: [] };
          runs[series].microseconds!.push(figures.microseconds);
          runs[series].peak_mb!.push(figures.peak_mb);
        }
      }
    }
    return runs;
  } finally {
    await Promise.all(Object.values(servers).map((server) => server.stop()));
    await removeData(hydrant);
  }
}

async function publish(server: Server, { subscriptions, matches }: WildcardCase, seconds: number) {
  const topics = subscriptions / matches;
  const load: Load = {
    publishers: 1,
    subscribers: SUBSCRIBERS,
    qos: 1,
    bytes: 100,
    window: 500,
    filters: subscriptions / SUBSCRIBERS,
    matches,
  };
  const count = Math.ceil((seconds * 200_000) / (10 + matches));
  const result = await generate(server, { ...load, topics, sites: SITES }, count);
  if (result.lost > 0) throw new Error(`wildcards: ${result.lost} of ${result.published * matches} deliveries were lost`);
  return { microseconds: (result.cpu_s * 1e6) / result.published, peak_mb: result.peak_mb };
}
