import { existsSync, readFileSync, rmSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic-file.ts';
import { HydrantError } from '../core/errors.ts';
import { type FileLock, lockFile } from '../core/file-lock.ts';

/** Who runs on a data folder, for people and for commands that look for the server. */
export interface LockHolder {
  pid: number;
  host: string;
  /** RFC 3339. */
  since: string;
  /** The command line, such as `hydrant up --demo`. */
  command: string;
  /** URLs of its listeners, once it is ready. */
  listeners?: Record<string, string>;
  /** Its password file. */
  users?: string;
  /** When it last read its configuration again, and why it kept the old one, if it did. */
  reload?: { at: string; error?: string };
}

/** What a server tells other commands while it runs. */
export type LockFacts = Pick<LockHolder, 'listeners' | 'users' | 'reload'>;

export interface FolderLock {
  /** Adds to what other commands are told. */
  announce(facts: LockFacts): Promise<void>;
  /** Gives the folder free. Twice is fine. */
  release(): void;
}

/**
 * Locks a data folder for this process by its file `lock`, which the kernel frees however the process ends; `lock.json` beside it says
 * who holds it.
 * @throws HYD_DATA_BUSY at once, naming the holder
 */
export async function lockFolder(dir: string, command: string): Promise<FolderLock> {
  const lock = takeLock(dir);
  const path = join(dir, 'lock.json');
  let holder: LockHolder = { pid: process.pid, host: hostname(), since: new Date().toISOString(), command };
  await writeFileAtomic(path, `${JSON.stringify(holder)}\n`);
  let held = true;
  return {
    announce(facts) {
      holder = { ...holder, ...facts };
      return writeFileAtomic(path, `${JSON.stringify(holder)}\n`);
    },
    release() {
      if (!held) return;
      held = false;
      rmSync(path, { force: true });
      lock.release();
    },
  };
}

function takeLock(dir: string): FileLock {
  const lock = lockFile(join(dir, 'lock'));
  if (!lock) throw new HydrantError('HYD_DATA_BUSY', `the data folder ${dir} is in use by ${holderText(readHolder(dir))}`);
  return lock;
}

/** Who holds the folder now, or undefined when nobody does: whatever `lock.json` says of a dead server does not count. */
export function folderHolder(dir: string): Partial<LockHolder> | undefined {
  if (!existsSync(dir)) return undefined;
  const lock = lockFile(join(dir, 'lock'));
  lock?.release();
  return lock ? undefined : (readHolder(dir) ?? {});
}

function readHolder(dir: string): LockHolder | undefined {
  try {
    return JSON.parse(readFileSync(join(dir, 'lock.json'), 'utf8')) as LockHolder;
  } catch {
    return undefined;
  }
}

function holderText(holder: LockHolder | undefined): string {
  if (!holder) return 'another process that has just started';
  return `process ${holder.pid} on ${holder.host} since ${holder.since} (${holder.command})`;
}
