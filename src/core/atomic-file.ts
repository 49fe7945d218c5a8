import { open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { syncFolder } from './files.ts';

/**
 * Replaces a file's text so that a crash leaves the old text or the new one, never half: temporary file,
 * fsync, rename, fsync of the folder. Mode 0600.
 */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  {
    await using file = await open(temporary, 'w', 0o600);
    await file.writeFile(text);
    await file.sync();
  }
  await rename(temporary, path);
  await syncFolder(dirname(path));
}
