import { generate, type Load } from './generator.ts';
import type { Result } from './results.ts';
import { removeData, type Server, startHydrant, startMosquitto } from './servers.ts';

export interface Scenario {
  name: string;
  title: string;
  load: Load;
  /** Also measured with `bench/#` kept out of the journal. */
  unjournalled?: boolean;
  /** Hydrant ÷ Mosquitto that we want in the median, where one is wanted. */
  wanted?: { journalled?: number; unjournalled?: number };
}

const WINDOW = 500;

export const SCENARIOS: Scenario[] = [
  scenario('qos0', 'QoS 0, 1 → 1', { qos: 0 }, { unjournalled: true, wanted: { unjournalled: 2.5, journalled: 1 } }),
  scenario('qos1', 'QoS 1, 1 → 1', { qos: 1 }, { wanted: { journalled: 1.5 } }),
  scenario('fan-in', 'QoS 1, 50 → 1', { qos: 1, publishers: 50 }, { wanted: { journalled: 1 } }),
  scenario('fan-out', 'QoS 1, 1 → 50', { qos: 1, subscribers: 50 }, { wanted: { journalled: 1.5 } }),
  scenario('fan-in-1000', 'QoS 1, 1 000 → 1', { qos: 1, publishers: 1000 }),
  scenario('fan-out-1000', 'QoS 1, 1 → 1 000', { qos: 1, subscribers: 1000 }, { wanted: { journalled: 1.5 } }),
  scenario('fan-out-1000-qos0', 'QoS 0, 1 → 1 000', { qos: 0, subscribers: 1000 }, { wanted: { journalled: 1.5 } }),
  scenario('qos1-1k', 'QoS 1, 1 → 1, 1 kB', { qos: 1, bytes: 1000 }, { wanted: { journalled: 1 } }),
  scenario('qos2', 'QoS 2, 1 → 1', { qos: 2 }),
  scenario('qos0-window-20', 'QoS 0, 1 → 1, window 20', { qos: 0, window: 20 }, { unjournalled: true }),
  scenario('qos1-window-20', 'QoS 1, 1 → 1, window 20', { qos: 1, window: 20 }),
];

const FIGURES = ['dlv_per_s', 'p50ms', 'p99ms'] as const;

export interface RunOptions {
  /** Measured runs of each server. */
  runs: number;
  /** Each run takes at least this long. */
  seconds: number;
  /** For data folders. */
  folder: string;
}

/**
 * Measures the servers in turn, run by run, each on its own while the others are stopped. The first runs size the count (the
 * same for a server's every run) so that none is shorter than `seconds`, and warm the server up.
 */
export async function runScenario(scenario: Scenario, options: RunOptions): Promise<Result['runs']> {
  const { load } = scenario;
  const hydrant = await startHydrant(options.folder);
  const live = scenario.unjournalled ? await startHydrant(options.folder, { set: ['journal.exclude=["bench/#"]'] }) : undefined;
  const servers: [string, Server][] = [['mosquitto', await startMosquitto(options.folder)]];
  if (live) servers.push(['unjournalled', live]);
  servers.push(['hydrant', hydrant]);
  try {
    for (const [, server] of servers) server.freeze();
    const counts = new Map<string, number>();
    for (const [name, server] of servers) counts.set(name, await alone(server, () => sizeCount(server, load, options.seconds)));
    const runs: Result['runs'] = {};
    for (let run = 0; run < options.runs; run++) {
      for (const [name, server] of servers) {
        const result = await alone(server, () => measure(server, load, counts, name, options.seconds));
        if (result.lost > 0 && load.qos > 0) throw new Error(`${scenario.name}: ${name} lost ${result.lost} of ${result.published}`);
        runs[name] ??= {};
        for (const figure of [...FIGURES, 'lost', 'secs'] as const) {
          runs[name][figure] ??= [];
          runs[name][figure].push(result[figure]);
        }
      }
    }
    return runs;
  } finally {
    await Promise.all(servers.map(([, server]) => server.stop()));
    await removeData(hydrant);
    if (live) await removeData(live);
  }
}

async function measure(server: Server, load: Load, counts: Map<string, number>, name: string, seconds: number) {
  for (;;) {
    const count = counts.get(name)!;
    const result = await generate(server, load, count);
    if (result.secs >= seconds) return result;
    counts.set(name, Math.ceil((count * seconds * 1.15) / result.secs));
  }
}

/** A count that takes a bit longer than `seconds`, from runs of growing length. */
async function sizeCount(server: Server, load: Load, seconds: number): Promise<number> {
  let count = Math.ceil(100_000 / Math.max(50, load.subscribers));
  for (;;) {
    const { secs } = await generate(server, load, count);
    const next = Math.ceil((count * seconds * 1.15) / Math.max(secs, 0.05));
    if (secs > seconds / 3) return next;
    count = Math.min(next, count * 10);
  }
}

/** Runs `work` while this server may run, and stops it again. */
export async function alone<T>(server: Server, work: () => Promise<T>): Promise<T> {
  server.thaw();
  try {
    return await work();
  } finally {
    server.freeze();
  }
}

function scenario(name: string, title: string, load: Partial<Load>, rest: Partial<Scenario> = {}): Scenario {
  return { name, title, load: { publishers: 1, subscribers: 1, qos: 1, bytes: 100, window: WINDOW, ...load }, ...rest };
}
