import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { createPrivateFile } from './files.ts';

export interface FileLock {
  /** Twice is fine. */
  release(): void;
}

const SQLITE_BUSY = 5;

/**
 * Locks a file for this process, at once or not at all: an fcntl lock held by SQLite, so the kernel frees it however the process ends.
 * The file is made when missing (mode 0600) and stays empty.
 * @returns undefined when somebody has it
 * @throws what the file system says, such as EACCES, when the file cannot be made or written
 */
export function lockFile(path: string): FileLock | undefined {
  createPrivateFile(path);
  // Loaded only now: a Node that has no SQLite can load this file, and is told so.
  const sqlite = process.getBuiltinModule('node:sqlite');
  let database: DatabaseSync | undefined;
  try {
    database = new sqlite.DatabaseSync(path, { timeout: 0 });
    database.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE;');
  } catch (error) {
    database?.close();
    if ((error as { errcode?: number }).errcode === SQLITE_BUSY) return undefined;
    assertWritable(path);
    throw error;
  }
  return {
    release() {
      if (database.isOpen) database.close();
    },
  };
}

/** SQLite says only that it could not. Nothing of this process has the lock, or that were the reason, so closing the file ends none. */
function assertWritable(path: string): void {
  closeSync(openSync(path, 'a'));
}
