import { closeSync, existsSync, openSync } from 'node:fs';
import { mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { systemCode } from './errors.ts';

/** Makes what was created, renamed or removed in a folder durable. */
export async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Makes a folder and those above it that are missing. Unlike Node's own way it ends where the file system finds no place for it in
 * a folder that is there, as `/proc` and automounters do.
 * @param mode default 0700
 * @returns the uppermost that was made, or undefined when all were there
 */
export async function makeFolder(path: string, mode = 0o700): Promise<string | undefined> {
  try {
    return (await makeOne(path, mode)) ? path : undefined;
  } catch (error) {
    if (systemCode(error) !== 'ENOENT' || dirname(path) === path) throw error;
  }
  const uppermost = await makeFolder(dirname(path), mode);
  await makeOne(path, mode);
  return uppermost ?? path;
}

/** False when it is there. */
async function makeOne(path: string, mode: number): Promise<boolean> {
  try {
    await mkdir(path, { mode });
    return true;
  } catch (error) {
    const code = systemCode(error);
    if ((code === 'EEXIST' || code === 'EISDIR') && (await stat(path)).isDirectory()) return false;
    throw error;
  }
}

/**
 * Makes an empty file with mode 0600 when it is missing. One that is there is not touched: to close it would end the locks that this
 * process holds on it.
 */
export function createPrivateFile(path: string): void {
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
}
