import { join } from 'node:path';
import type { Log } from '../core/log.ts';
import { type Journal, openJournal } from '../journal/journal.ts';
import type { Config } from './config-schema.ts';

/** Opens the journal of a data folder as the configuration wants it. */
export function openConfiguredJournal(dataDir: string, journalId: string, { journal }: Config, log: Log): Promise<Journal> {
  const { maxPendingBytes, rotate } = journal;
  return openJournal(join(dataDir, 'journal'), {
    journalId,
    maxPendingBytes,
    rotate: { bytes: rotate.bytes, ageMs: rotate.age, idleMs: rotate.idle },
    log,
  });
}
