import { chown, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Accounts, readAccounts, writeAccounts } from '../access/password-file.ts';
import { makeFolder } from '../core/files.ts';

/** Another `hydrant user` on the same file is waited for this long. */
const LOCK_MS = 10_000;

/**
 * Changes a password file, one process at a time. It and its folder are made when they are missing; what root writes belongs to the
 * owner of the folder, so that the server can read it.
 */
export async function changeAccounts(path: string, change: (before: Accounts) => Accounts): Promise<void> {
  const folder = dirname(path);
  await makeFolder(folder);
  const lock = new DatabaseSync(`${path}.lock`, { timeout: LOCK_MS });
  try {
    lock.exec('PRAGMA journal_mode = OFF; BEGIN EXCLUSIVE;');
    await writeAccounts(path, change(readAccounts(path) ?? new Map()));
    if (process.getuid?.() !== 0) return;
    const { uid, gid } = await stat(folder);
    for (const file of [path, `${path}.lock`]) await chown(file, uid, gid);
  } finally {
    lock.close();
  }
}
