import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createHexId } from '../src/core/id.ts';
import { type Journal, openJournal } from '../src/journal/journal.ts';
import type { JournalRecord } from '../src/journal/record.ts';
import type { Result } from './results.ts';
import type { RunOptions } from './throughput.ts';

/** Appended and not yet on disk, at most: as many as a few busy connections have in flight. */
const OUTSTANDING = 20_000;
const PAYLOAD = Buffer.alloc(100, 'x');
const TOPICS = Array.from({ length: 100 }, (_, i) => `bench/t${i}`);

/** Events of 100 B appended and on disk, a second, in one process, with nothing else in it. */
export async function runJournal(options: RunOptions): Promise<Result['runs']> {
  const dir = await mkdtemp(join(options.folder, 'journal-'));
  const perSecond: number[] = [];
  try {
    const journal = await openJournal(dir, { journalId: createHexId(8) });
    await appendFor(journal, 1000);
    for (let run = 0; run < options.runs; run++) perSecond.push(await appendFor(journal, options.seconds * 1000));
    await journal.close();
  } finally {
    await rm(dir, { recursive: true });
  }
  return { hydrant: { appendsPerSecond: perSecond } };
}

async function appendFor(journal: Journal, ms: number): Promise<number> {
  const start = performance.now();
  const count = await appendWhile(journal, () => performance.now() - start < ms);
  return Math.round(count / ((performance.now() - start) / 1000));
}

/** Resolves when everything appended is on disk, with the number of events. */
function appendWhile(journal: Journal, more: () => boolean): Promise<number> {
  return new Promise((resolve, reject) => {
    let count = 0;
    let durable = 0;
    const fill = () => {
      const goOn = more();
      while (goOn && count - durable < OUTSTANDING) journal.append(createRecord(count++));
      if (count === durable) resolve(count);
    };
    journal.onLost = (_, error) => reject(error);
    journal.onCommit = (records) => {
      durable += records.length;
      fill();
    };
    fill();
  });
}

function createRecord(n: number): JournalRecord {
  return { topic: TOPICS[n % TOPICS.length]!, payload: PAYLOAD, qos: 1, retain: false, seq: 0, ts: '', arrivalMs: 0 };
}
