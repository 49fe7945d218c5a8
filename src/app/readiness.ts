import { statfs } from 'node:fs/promises';
import type { UploaderStatistics } from '../archive/upload/uploader-options.ts';
import { errorText } from '../core/errors.ts';
import { formatDuration, formatSize } from '../core/units.ts';

/** The parts that can keep a server from doing its work. */
export interface ReadinessSources {
  dataDir: string;
  minFreeBytes: number;
  journal: { readonly state: 'ok' | 'full' | 'failed' };
  store: { readonly failing: boolean };
}

/** Why the server is not ready for work, a sentence each; empty when it is. */
export async function readinessFaults({ dataDir, minFreeBytes, journal, store }: ReadinessSources): Promise<string[]> {
  const faults: string[] = [];
  if (journal.state === 'full') faults.push('the journal cannot be written: the disk is full');
  if (journal.state === 'failed') faults.push('the journal cannot be written: the disk refuses');
  if (store.failing) faults.push('the state store cannot commit');
  try {
    const { bavail, bsize } = await statfs(dataDir);

    if (bavail * bsize < minFreeBytes)
      faults.push(
        `the disk of the data folder has ${formatSize(bavail * bsize)} free, less than health.minFreeBytes (${formatSize(minFreeBytes)})`,
      );
  } catch (error) {
    faults.push(`the data folder cannot be looked at: ${errorText(error)}`);
  }
  return faults;
}

/** What somebody should know although the server does its work, a sentence each. Says nothing of where and why: anybody may ask. */
export function readinessNotes(uploads: UploaderStatistics | undefined): string[] {
  if (!uploads) return [];
  const { pending, pendingBytes, oldestPendingMs, conflicts, lastError } = uploads;
  const notes: string[] = [];
  if (pending > 0 && lastError !== '') {
    const oldest = formatDuration(Math.max(1, Math.floor(oldestPendingMs / 1000)) * 1000);
    notes.push(`uploads fail; archive objects that wait: ${pending} (${formatSize(pendingBytes)}), the oldest for ${oldest}`);
  }
  if (conflicts > 0) notes.push(`archive objects that cannot be uploaded, because other content holds their place: ${conflicts}`);
  return notes;
}
