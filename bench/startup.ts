import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate, type Load } from './generator.ts';
import { RawClient } from './raw-client.ts';
import type { Result } from './results.ts';
import { removeData, residentMb, startHydrant } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const SETTLE_MS = 5000;
const WANTED_BYTES = 10e9;

/** An empty data folder: time to ready, and memory once it has been idle for five seconds. */
export async function runStartup(options: RunOptions): Promise<Result['runs']> {
  const readyMs: number[] = [];
  const rssMb: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const server = await startHydrant(options.folder);
    readyMs.push(server.readyMs);
    await sleep(SETTLE_MS);
    rssMb.push(residentMb(server));
    await server.stop();
    await removeData(server);
  }
  return { hydrant: { readyMs, rssMb } };
}

/**
 * A journal of 10 GB, kept because the archive is off: events of 1 kB, published to the server itself, and one absent session that has
 * yet to read them all. Time to ready after a stop.
 */
export async function runBigJournal(options: RunOptions): Promise<Result['runs']> {
  const set = ['archive.enabled=false'];
  const first = await startHydrant(options.folder, { set });
  const { data } = first;
  const reader = new RawClient(first.mqttPort);
  await reader.connect('absent');
  await reader.subscribe(['bench/#']);
  await reader.close();
  const load: Load = { publishers: 4, subscribers: 0, qos: 1, bytes: 1000, window: 2000, topics: 1000 };
  while (journalBytes(data) < WANTED_BYTES) await generate(first, load, 200_000);
  await first.stop();
  const readyMs: number[] = [];
  const rssMb: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const server = await startHydrant(options.folder, { set, data });
    readyMs.push(server.readyMs);
    await sleep(SETTLE_MS);
    rssMb.push(residentMb(server));
    await server.stop();
  }
  const journalGb = [journalBytes(data) / 1e9];
  await removeData(first);
  return { hydrant: { readyMs, rssMb, journalGb } };
}

function journalBytes(data: string): number {
  const folder = join(data, 'journal');
  const segments = readdirSync(folder).filter((name) => name.endsWith('.ndjson'));
  return segments.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
}
