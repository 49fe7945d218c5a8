import { readdir, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { HydrantError } from '../core/errors.ts';
import { folderHolder } from './folder-lock.ts';

const RELOAD_MS = 10_000;
const LOOK_MS = 50;

/**
 * Makes the server that runs on a data folder read its configuration and accounts again, and waits until it has.
 * @returns its process id; undefined when none runs
 * @throws HYD_CONFIG when it keeps the old ones, with its reason; HYD_TIMEOUT; HYD_UNSUPPORTED when it cannot be told from here
 */
export async function reloadServer(dataDir: string, signal: AbortSignal): Promise<number | undefined> {
  const before = folderHolder(dataDir);
  if (!before) return undefined;
  const { pid } = before;
  if (pid === undefined || before.host !== hostname() || !(await holdsLock(pid, dataDir))) {
    throw new HydrantError('HYD_UNSUPPORTED', `the server on ${dataDir} cannot be told from here: it is process ${pid} on ${before.host}`, {
      fix: 'Send SIGHUP to that process, where it runs.',
    });
  }
  process.kill(pid, 'SIGHUP');
  const deadlineMs = performance.now() + RELOAD_MS;
  while (performance.now() < deadlineMs) {
    const reload = folderHolder(dataDir)?.reload;
    if (reload && reload.at !== before.reload?.at) {
      if (reload.error === undefined) return pid;
      throw new HydrantError('HYD_CONFIG', `the running server (process ${pid}) keeps its old configuration: ${reload.error}`);
    }
    await sleep(LOOK_MS, undefined, { signal });
  }
  throw new HydrantError('HYD_TIMEOUT', `the running server (process ${pid}) has not read its configuration again`, {
    fix: 'Look into its log, then send it SIGHUP.',
  });
}

/** Whether a process has the lock of a folder open: a process id from a file may be anybody's. Linux only; elsewhere it is believed. */
async function holdsLock(pid: number, dataDir: string): Promise<boolean> {
  if (process.platform !== 'linux') return true;
  const lock = await stat(join(dataDir, 'lock'));
  for (const name of await readdir(`/proc/${pid}/fd`).catch(() => [])) {
    const open = await stat(`/proc/${pid}/fd/${name}`).catch(() => undefined);
    if (open?.ino === lock.ino && open.dev === lock.dev) return true;
  }
  return false;
}
