import { randomBytes } from 'node:crypto';

/** Random lower-case hex, `bytes` × 2 characters: journal ids, epochs, incarnations. */
export function createHexId(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
