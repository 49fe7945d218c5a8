import { closeSync, openSync, readSync } from 'node:fs';

const CHUNK_BYTES = 1024 * 1024;

/** Calls `onLine` with the bounds of each line, newline excluded, in the first `limit` bytes; what follows the last newline is one too. */
export function readLines(path: string, limit: number, onLine: (bytes: Buffer, start: number, end: number, ordinal: number) => void): void {
  const fd = openSync(path, 'r');
  try {
    let carry: Buffer = Buffer.alloc(0);
    let ordinal = 0;
    for (let at = 0; at < limit; ) {
      const wanted = Math.min(Math.max(CHUNK_BYTES, carry.length), limit - at);
      const bytes = Buffer.allocUnsafe(carry.length + wanted);
      carry.copy(bytes);
      const read = readSync(fd, bytes, carry.length, wanted, at);
      if (read === 0) break;
      at += read;
      const filled = carry.length + read;
      let start = 0;
      const chunk = bytes.subarray(0, filled);
      for (let end = chunk.indexOf(10, carry.length); end !== -1; end = chunk.indexOf(10, start)) {
        onLine(chunk, start, end, ordinal++);
        start = end + 1;
      }
      carry = chunk.subarray(start);
    }
    if (carry.length > 0) onLine(carry, 0, carry.length, ordinal);
  } finally {
    closeSync(fd);
  }
}
