import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../core/atomic-file.ts';
import { HydrantError } from '../core/errors.ts';
import { createHexId } from '../core/id.ts';

const NAME = 'operator.token';

/** Makes the secret by which whoever may read the data folder is an operator of the server on it: another one at each start, mode 0600. */
export async function createOperatorToken(dataDir: string): Promise<{ token: string } & Disposable> {
  const path = join(dataDir, NAME);
  const token = createHexId(32);
  await writeFileAtomic(path, `${token}\n`);
  return { token, [Symbol.dispose]: () => rmSync(path, { force: true }) };
}

/**
 * The token of the server that runs on a data folder.
 * @throws HYD_REFUSED when it cannot be read
 */
export function readOperatorToken(dataDir: string): string {
  const path = join(dataDir, NAME);
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (cause) {
    throw new HydrantError('HYD_REFUSED', `${path} cannot be read`, {
      cause,
      fix: 'Run this as the user that the server runs as, or give --http and an account that is one of access.admins.',
    });
  }
}
