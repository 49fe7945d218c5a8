import { join } from 'node:path';
import { openSealer } from '../archive/seal/sealer.ts';
import { openUploader } from '../archive/upload/uploader.ts';
import { openJournal } from '../journal/journal.ts';
import { createFsStore } from '../storage/drivers/fs.ts';
import { openStore } from '../storage/open.ts';
import { s3Options } from '../storage/options.ts';
import { createUnionStore } from '../storage/union.ts';
import { collect } from './collect.ts';
import { until } from './deadline.ts';

/**
 * A process that opens a data folder, seals what is closed, uploads it and ends once nothing that may go is local any more; tests make it
 * die at a named place. Arguments: the folder, the layout, the time as milliseconds, the remote store, the settings of S3 as JSON.
 */
const [dir, layout, nowMs, url, s3 = '{}'] = process.argv.slice(2) as [string, 'hive' | 'daily', string, string, string?];
const clock = { now: () => Number(nowMs) };
const log = (level: string, message: string, fields?: object): void => console.log(JSON.stringify({ level, message, ...fields }));
const localDir = join(dir, 'archive');
const local = createFsStore(localDir);
const remote = await openStore(url, { s3: s3Options.parse(JSON.parse(s3)), makeBucket: true });
const journal = await openJournal(join(dir, 'journal'), { journalId: '0123456789abcdef', clock, rotate: { idleMs: 0, ageMs: 0 } });
const uploader = await openUploader({
  localDir,
  remote,
  remoteName: url,
  marksPath: join(dir, 'uploads.db'),
  journal,
  layout,
  parallel: 2,
  minRetryMs: 10,
  maxRetryMs: 100,
  clock,
  log,
});
const stored = createUnionStore([
  { name: localDir, store: local },
  { name: url, store: remote },
]);
const sealer = await openSealer({
  journal,
  store: local,
  stored,
  uploads: uploader,
  workDir: join(dir, 'sealing'),
  layout,
  clock,
  blockBytes: 4096,
  log,
});
await sealer.run();
await until(
  async () => uploader.statistics.pending === 0 && (await collect(local.list())).length === 0,
  () => `everything to be uploaded: ${JSON.stringify(uploader.statistics)}`,
);
console.log(JSON.stringify({ sealer: sealer.statistics, uploader: uploader.statistics }));
await sealer.close();
await uploader.close({ deadlineMs: 5000 });
await journal.close();
await remote.close();
