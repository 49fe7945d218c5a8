import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { errorText, HydrantError } from '../core/errors.ts';
import { makeFolder } from '../core/files.ts';
import type { Log } from '../core/log.ts';

/**
 * Makes the folder that `archive.to` names, and says at once what keeps objects from going there, not when the first is sealed. That is
 * logged and keeps nobody from starting: uploads wait, the archive stays in the data folder.
 * @param localDir the archive of the data folder; made when it is missing
 * @throws HYD_CONFIG when it is the local archive itself: what is uploaded is removed there
 */
export async function prepareRemoteFolder(path: string, { to, localDir, log }: { to: string; localDir: string; log: Log }): Promise<void> {
  await makeFolder(localDir);
  try {
    await makeFolder(path);
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    log('error', 'nothing can be uploaded now; it is tried again by itself', {
      error: `archive.to is ${to}: ${errorText(cause)}`,
      fix: 'Name a folder that this account may write to, or leave archive.to out to keep the archive in the data folder.',
    });
    return;
  }
  const [here, there] = await Promise.all([stat(localDir, { bigint: true }), stat(path, { bigint: true })]);
  if (here.ino === there.ino && here.dev === there.dev) {
    throw new HydrantError('HYD_CONFIG', `archive.to is ${to}, which is the archive of the data folder itself`, {
      fix: 'Leave archive.to out to keep the archive in the data folder, or name another folder.',
    });
  }
}
