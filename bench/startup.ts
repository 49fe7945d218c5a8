import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { openJournal } from '../src/journal/journal.ts';
import { fillJournal } from './journal.ts';
import type { Result } from './results.ts';
import { removeData, residentMb, startHydrant } from './servers.ts';
import type { RunOptions } from './throughput.ts';

const SETTLE_MS = 5000;

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

/** A journal of 10 GB, written beforehand in the data folder of a stopped server: time to ready. */
export async function runBigJournal(options: RunOptions): Promise<Result['runs']> {
  const empty = await startHydrant(options.folder);
  await empty.stop();
  const { journal: journalId } = JSON.parse(readFileSync(join(empty.data, 'hydrant.json'), 'utf8')) as { journal: string };
  const journal = await openJournal(join(empty.data, 'journal'), { journalId });
  await fillJournal(journal, 10e9);
  const { bytes, segments } = journal.counters;
  await journal.close();
  const readyMs: number[] = [];
  const rssMb: number[] = [];
  for (let run = 0; run < options.runs; run++) {
    const server = await startHydrant(options.folder, { data: empty.data });
    readyMs.push(server.readyMs);
    rssMb.push(residentMb(server));
    await server.stop();
  }
  await removeData(empty);
  return { hydrant: { readyMs, rssMb, journalGb: [bytes / 1e9], segments: [segments] } };
}
