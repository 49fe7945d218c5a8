import { DatabaseSync } from 'node:sqlite';

export interface FileLock {
  /** Twice is fine. */
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Locks a file for this process, at once or not at all: an fcntl lock held by SQLite, so the kernel frees it however the process ends.
 * The file is made when missing and stays empty.
 * @returns undefined when somebody has it
 */
export function lockFile(path: string): FileLock | undefined {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE;');
  } catch (error) {
    database.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    throw error;
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}
