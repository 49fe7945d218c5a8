import { join } from 'node:path';
import { openSealer } from '../archive/seal/sealer.ts';
import { openUpkeep } from '../archive/upkeep/upkeep.ts';
import type { Log } from '../core/log.ts';
import { openJournal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';

/**
 * A process that opens a data folder, seals what is closed, puts hours together when told to, and ends; tests make it die at a named
 * place. Arguments: the folder, the layout or how hours are put together, the time as milliseconds.
 */
const [dir, how, nowMs] = process.argv.slice(2) as [string, 'hive' | 'daily' | 'same' | 'parquet', string];
const clock = { now: () => Number(nowMs) };
const journal = await openJournal(join(dir, 'journal'), { journalId: '0123456789abcdef', clock, rotate: { idleMs: 0, ageMs: 0 } });
const store = createFsStore(join(dir, 'archive'));
const log: Log = (level, message, fields) => console.log(JSON.stringify({ level, message, ...fields }));
const layout = how === 'daily' ? 'daily' : 'hive';
const sealer = await openSealer({ journal, store, workDir: join(dir, 'sealing'), layout, clock, blockBytes: 4096, log });
await sealer.run();
if (how === 'same' || how === 'parquet') {
  const upkeep = openUpkeep({
    journal,
    store,
    unsealed: () => sealer.unsealed,
    workDir: join(dir, 'compacting'),
    compact: { afterMs: 0, minObjects: 2, maxBytes: 2 ** 28, format: how },
    graceMs: 0,
    clock,
    log,
  });
  // The second look removes what the first has put together.
  await upkeep.run();
  await upkeep.run();
  await upkeep.close();
}
console.log(JSON.stringify({ statistics: sealer.statistics, maxRssMb: process.resourceUsage().maxRSS / 1024 }));
await sealer.close();
await journal.close();
