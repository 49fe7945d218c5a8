import { join } from 'node:path';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { makeFolder } from '../../core/files.ts';

/** The file in which an outbox folder keeps its events. */
export function outboxFile(path: string): string {
  return join(path, 'outbox.db');
}

/** Makes the folder when it is missing, mode 0700. @throws HYD_OUTBOX */
export async function makeOutboxFolder(path: string): Promise<void> {
  await makeFolder(path).catch((cause: unknown) => {
    const isFile = systemCode(cause) === 'EEXIST' || systemCode(cause) === 'ENOTDIR';
    throw new HydrantError('HYD_OUTBOX', `the outbox ${path} cannot be made: ${errorText(cause)}`, {
      cause,
      retryable: false,
      fix: isFile
        ? 'Give a folder: the outbox, or something above it, is a file.'
        : 'Give a folder that this account may make, or one that it may write to.',
    });
  });
}
