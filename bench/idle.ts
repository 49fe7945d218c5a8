import { generate, type Load } from './generator.ts';
import type { Result } from './results.ts';
import { removeData, type Server, startHydrant, startMosquitto } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const CONNECTIONS = 5000;
const RATE = 100;
const HELD_SECONDS = 20;
const LOAD: Load = {
  publishers: 1,
  subscribers: CONNECTIONS,
  own: true,
  topics: CONNECTIONS,
  qos: 0,
  bytes: 100,
  window: 0,
  rate: RATE,
  ping: 30,
};

/**
 * 5 000 plain connections, each with one subscription to a topic of its own and a PINGREQ every 30 seconds, and a hundred events a
 * second for all of them together.
 */
export async function runIdle(options: RunOptions): Promise<Result['runs']> {
  const runs: Result['runs'] = {};
  for (let run = 0; run < options.runs; run++) {
    const hydrant = await startHydrant(options.folder);
    try {
      await hold('hydrant', hydrant, runs);
    } finally {
      await hydrant.stop();
    }
    await removeData(hydrant);
    const mosquitto = await startMosquitto(options.folder);
    try {
      await hold('mosquitto', mosquitto, runs);
    } finally {
      await mosquitto.stop();
    }
  }
  return runs;
}

async function hold(name: string, server: Server, runs: Result['runs']): Promise<void> {
  const result = await generate(server, LOAD, RATE * HELD_SECONDS);
  if (result.lost > 0) throw new Error(`idle-5000: ${name} lost ${result.lost} of ${result.published}`);
  runs[name] ??= { peak_mb: [], connect_s: [], cpuPercent: [] };
  runs[name].peak_mb!.push(result.peak_mb);
  runs[name].connect_s!.push(result.connect_s);
  runs[name].cpuPercent!.push((result.cpu_s / result.secs) * 100);
}
