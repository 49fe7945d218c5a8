import { randomBytes } from 'node:crypto';

const CROCKFORD = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';

/**
 * A ULID: 48 bits of time in milliseconds, 80 random bits, 26 characters, sorts by time.
 * Source: the ULID specification (Crockford base 32).
 */
export function createUlid(timeMs: number): string {
  let text = '';
  for (let left = timeMs, i = 0; i < 10; i++) {
    text = CROCKFORD[left % 32] + text;
    left = Math.floor(left / 32);
  }
  const random = randomBytes(16);
  for (const byte of random) text += CROCKFORD[byte % 32];
  return text;
}

/** Random lower-case hex, `bytes` × 2 characters: journal ids, epochs, incarnations. */
export function createHexId(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}
