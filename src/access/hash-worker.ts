import { parentPort } from 'node:worker_threads';
import { verifyPassword } from './password-hash.ts';

/** One password to check. */
export interface HashJob {
  password: Uint8Array;
  /** Undefined: there is no such account. */
  stored: string | undefined;
}

parentPort!.on('message', ({ password, stored }: HashJob) => parentPort!.postMessage(verifyPassword(password, stored)));
