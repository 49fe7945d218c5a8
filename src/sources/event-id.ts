import { hash } from 'node:crypto';
import { Scratch } from './scratch.ts';

const DIGITS = Buffer.from('0123456789ABCDEFGHJKMNPQRSTVWXYZ');
/** Where an id is put together. */
const text = Buffer.alloc(26);
/** Digits of a length, and what ends them, at most. */
const HEAD_BYTES = 17;

const joined = new Scratch();

/**
 * An id in the form of a ULID that is the same whenever the same event is read again: 48 bits of milliseconds, then 80 bits of the SHA-256 of
 * what makes the event one of its kind. The callback plugin for Ansible makes the same.
 * @param timeMs when it happened; what has no time of its own gives 0
 */
export function eventId(timeMs: number, ...parts: readonly (string | Uint8Array)[]): string {
  // As text, since a buffer for it costs as much as the hash.
  const digest = hash('sha256', join(parts), 'binary');
  write(Math.min(Math.max(0, Math.trunc(timeMs) || 0), 2 ** 48 - 1), 0, 10);
  write(number40(digest, 0), 10, 18);
  write(number40(digest, 5), 18, 26);
  return text.toString('latin1');
}

/** Each with its length in front, so that the borders count. @returns valid until the next call */
function join(parts: readonly (string | Uint8Array)[]): Buffer {
  joined.begin();
  let at = 0;
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.byteLength(part) : part.length;
    joined.reserve(at, HEAD_BYTES + bytes);
    const { bytes: to } = joined;
    at += to.write(`${bytes}:`, at, 'latin1');
    if (typeof part === 'string') to.write(part, at);
    else to.set(part, at);
    at += bytes;
  }
  return joined.bytes.subarray(0, at);
}

/** 40 bits. */
function number40(digest: string, from: number): number {
  let value = 0;
  for (let at = from; at < from + 5; at++) value = value * 256 + digest.charCodeAt(at);
  return value;
}

/** Into these places of the text, the lowest digit last. */
function write(value: number, from: number, to: number): void {
  for (let at = to - 1, rest = value; at >= from; at--, rest = Math.floor(rest / DIGITS.length)) text[at] = DIGITS[rest % DIGITS.length]!;
}
