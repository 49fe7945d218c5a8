import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { Catalogue } from '../src/archive/catalogue.ts';
import { scan } from '../src/archive/read/scan.ts';
import { openSealer } from '../src/archive/seal/sealer.ts';
import { createEventWriter } from '../src/cli/event-output.ts';
import type { Io } from '../src/cli/io.ts';
import { compileWhere } from '../src/cli/where.ts';
import { createHexId } from '../src/core/id.ts';
import { openJournal } from '../src/journal/journal.ts';
import { createFsStore } from '../src/storage/drivers/fs.ts';
import type { Result } from './results.ts';
import type { RunOptions } from './throughput.ts';

const EVENTS = 1_000_000;
const TOPICS = 50_000;
const OUTSTANDING = 20_000;
const SEGMENT_BYTES = 64 * 1024 * 1024;

/** What is searched for in an archive of 1 000 000 events of 100 B on 50 000 topics, ndjson.zst. */
const SEARCHES: Record<string, { filters: string[]; where?: string }> = {
  /** Everything, printed. */
  all: { filters: ['#'] },
  /** A filter too wide for the index: each topic is looked at, and half of the lines are printed. */
  half: { filters: ['plant/0/#', 'plant/1/#'] },
  /** Each payload is parsed for an expression, which few of them meet. */
  where: { filters: ['#'], where: 'json.t > 39.5' },
};

/** Events looked at a second of processor time, which is what one core does; printing goes nowhere. */
export async function runFind(options: RunOptions): Promise<Result['runs']> {
  const dir = await mkdtemp(join(options.folder, 'find-'));
  const figures: Record<string, number[]> = {};
  try {
    await writeArchive(dir);
    for (const [name, search] of Object.entries(SEARCHES)) {
      await searchOnce(dir, search);
      const perSecond: number[] = [];
      for (let run = 0; run < options.runs; run++) perSecond.push(await searchOnce(dir, search));
      figures[name] = perSecond;
    }
  } finally {
    await rm(dir, { recursive: true });
  }
  return { hydrant: figures };
}

async function writeArchive(dir: string): Promise<void> {
  const journal = await openJournal(join(dir, 'journal'), { journalId: createHexId(8), rotate: { bytes: SEGMENT_BYTES } });
  for (let n = 0; n < EVENTS; n++) {
    const payload = Buffer.from(JSON.stringify({ t: ((n * 7919) % 40_000) / 1000, n, unit: 'celsius', state: 'ok' }).padEnd(100));
    const at = n % TOPICS;
    journal.append({
      topic: `plant/${at % 4}/sensor/${at}/temp`,
      payload,
      qos: 1,
      retain: false,
      source: `client-${at % 50}`,
      seq: 0,
      ts: '',
      arrivalMs: 0,
    });
    while (n - journal.head > OUTSTANDING) await new Promise((resolve) => setImmediate(resolve));
  }
  while (journal.head < EVENTS) await new Promise((resolve) => setImmediate(resolve));
  await journal.rotate();
  const sealer = await openSealer({ journal, store: createFsStore(join(dir, 'archive')), workDir: join(dir, 'sealing'), codec: 'zstd' });
  await sealer.run();
  await sealer.close();
  await journal.close();
}

async function searchOnce(dir: string, { filters, where: expression }: (typeof SEARCHES)[string]): Promise<number> {
  const where = expression === undefined ? undefined : await compileWhere(expression);
  const stdout = new Writable({ write: (_chunk, _encoding, done) => done() });
  const io: Io = { stdin: new PassThrough(), stdout, stderr: stdout, env: {}, signal: new AbortController().signal };
  const writer = createEventWriter(io, 'ndjson', { time: String });
  const search = scan(new Catalogue({ store: createFsStore(join(dir, 'archive')) }), {
    filters,
    where: where && ((event) => where.matches(event)),
  });
  const start = process.cpuUsage();
  for await (const records of search) {
    for (const record of records) {
      const full = writer.record(record);
      if (full) await full;
    }
    await writer.flush();
  }
  const { user, system } = process.cpuUsage(start);
  if (search.statistics.linesScanned !== EVENTS) throw new Error(`${search.statistics.linesScanned} events were looked at, not ${EVENTS}`);
  return Math.round(EVENTS / ((user + system) / 1e6));
}
