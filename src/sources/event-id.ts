import { hash } from 'node:crypto';

const DIGITS = Buffer.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ');
/** Where an id is put together. */
const text = Buffer.alloc(26);

/**
 * An id in the form of a ULID that is the same whenever the same event is read again: 48 bits of milliseconds, then 80 bits of the SHA-256 of
 * what makes the event one of its kind.
 * @param timeMs when it happened; what has no time of its own gives 0
 */
export function eventId(timeMs: number, ...parts: readonly (string | Uint8Array)[]): string {
  const digest = hash('sha256', join(parts), 'buffer');
  write(Math.min(Math.max(0, Math.trunc(timeMs) || 0), 2 ** 48 - 1), 0, 10);
  // Twice 40 bits, each of them a number.
  write(digest.readUInt32BE(0) * 256 + digest[4]!, 10, 18);
  write(digest.readUInt32BE(5) * 256 + digest[9]!, 18, 26);
  return text.toString('latin1');
}

/** Each with its length in front, so that the borders count. Text stays text, which is hashed faster. */
function join(parts: readonly (string | Uint8Array)[]): string | Buffer {
  if (parts.every((part) => typeof part === 'string')) return parts.map((part) => `${Buffer.byteLength(part)}:${part}`).join('');
  const bytes = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return Buffer.concat(bytes.flatMap((part) => [Buffer.from(`${part.length}:`), part]));
}

/** Into these places of the text, the lowest digit last. */
function write(value: number, from: number, to: number): void {
  for (let at = to - 1, rest = value; at >= from; at--, rest = Math.floor(rest / DIGITS.length)) text[at] = DIGITS[rest % DIGITS.length]!;
}
