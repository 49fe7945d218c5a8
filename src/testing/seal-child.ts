import { join } from 'node:path';
import { openSealer } from '../archive/sealer.ts';
import { openJournal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';

/**
 * A process that opens a data folder, seals what is closed and ends; tests make it die at a named place.
 * Arguments: the folder, the layout, the time as milliseconds.
 */
const [dir, layout, nowMs] = process.argv.slice(2) as [string, 'hive' | 'daily', string];
const clock = { now: () => Number(nowMs) };
const journal = await openJournal(join(dir, 'journal'), { journalId: '0123456789abcdef', clock, rotate: { idleMs: 0, ageMs: 0 } });
const sealer = await openSealer({
  journal,
  store: createFsStore(join(dir, 'archive')),
  workDir: join(dir, 'sealing'),
  layout,
  clock,
  blockBytes: 4096,
  log: (level, message, fields) => console.log(JSON.stringify({ level, message, ...fields })),
});
await sealer.run();
console.log(JSON.stringify({ statistics: sealer.statistics }));
await sealer.close();
await journal.close();
