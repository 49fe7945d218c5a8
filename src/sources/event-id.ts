import { createHash } from 'node:crypto';

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const DIGIT_BITS = 5n;

/**
 * An id in the form of a ULID that is the same whenever the same event is read again: 48 bits of milliseconds, then 80 bits of the SHA-256 of
 * what makes the event one of its kind.
 * @param timeMs when it happened; what has no time of its own gives 0
 */
export function eventId(timeMs: number, ...parts: readonly (string | Uint8Array)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part) : part;
    hash.update(`${bytes.length}:`).update(bytes);
  }
  const tail = BigInt(`0x${hash.digest('hex').slice(0, 20)}`);
  return digits(BigInt(Math.min(Math.max(0, Math.trunc(timeMs) || 0), 2 ** 48 - 1)), 10) + digits(tail, 16);
}

function digits(value: bigint, count: number): string {
  let text = '';
  for (let at = 0; at < count; at++, value >>= DIGIT_BITS) text = DIGITS[Number(value & 31n)]! + text;
  return text;
}
