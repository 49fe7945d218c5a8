import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** A folder for the files of one query, removed with all it holds when disposed. */
export interface Scratch extends AsyncDisposable {
  path: string;
}

/**
 * Below the data folder, where objects can be linked instead of copied, or when that may not be written (or is not known) below the system's
 * folder for temporary files. What a query that was killed has left goes.
 */
export async function openScratch(dataDir: string | undefined): Promise<Scratch> {
  const path =
    (dataDir && (await makeBeside(join(dataDir, 'query')).catch(() => undefined))) ?? (await mkdtemp(join(tmpdir(), 'hydrant-query-')));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

async function makeBeside(parent: string): Promise<string> {
  await mkdir(parent, { mode: 0o700 }).catch((error) => {
    if (error.code !== 'EEXIST') throw error;
  });
  for (const name of await readdir(parent)) {
    if (!isAlive(Number.parseInt(name, 10))) await rm(join(parent, name), { recursive: true, force: true });
  }
  return await mkdtemp(join(parent, `${process.pid}-`));
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
