import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';

/**
 * The durable mark: how far the newest segment is known to be on disk. Written after each fdatasync
 * and before any acknowledgement, itself without a sync: after a power cut it may be old, never ahead.
 */
export interface Mark {
  /** File name of the segment. */
  segment: string;
  /** Bytes of it that are durable. */
  offset: number;
  /** Sequence of the last durable event. */
  seq: number;
  /** Set by an orderly close: the next sequence to give out, without a jump. */
  next?: number;
  /** When that was, milliseconds since 1970. */
  closedMs?: number;
}

const MARK_BYTES = 256;

export function markPath(dir: string): string {
  return join(dir, 'mark');
}

/** Always `MARK_BYTES` long: crc32 in hex, a space, JSON, spaces. */
export function encodeMark(mark: Mark): Buffer {
  const json = JSON.stringify(mark).padEnd(MARK_BYTES - 10);
  return Buffer.from(`${checksum(json)} ${json}\n`);
}

/** The mark of a journal folder, or undefined when there is none or it is damaged. A live writer is given three tries. */
export async function readMark(dir: string): Promise<Mark | undefined> {
  for (let attempt = 0; attempt < 3; attempt++) {
    const text = await readFile(markPath(dir), 'latin1').catch(() => '');
    const json = text.slice(9, -1);
    if (text.length === MARK_BYTES && text.slice(0, 8) === checksum(json)) return JSON.parse(json) as Mark;
  }
  return undefined;
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0');
}
