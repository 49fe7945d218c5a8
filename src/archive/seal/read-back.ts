import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { HydrantError } from '../../core/errors.ts';
import type { Manifest, ManifestBlock } from '../../wire/manifest.ts';
import { unpackBlock } from '../codec.ts';
import type { Codec } from '../keys.ts';

/** What a file is expected to hold. */
export type Expected = Pick<Manifest, 'blocks' | 'count' | 'rawBytes' | 'bytes' | 'rawSha256' | 'sha256'> & { codec: Codec };

export interface ReadBackOptions {
  /** Where the object begins in the file, when it is not all of it. */
  at?: number;
  /** Sees each block as it is stored, and its lines. */
  onBlock?: (packed: Buffer, raw: Buffer, block: ManifestBlock) => void;
}

/**
 * Reads an object file back and compares sizes, both hashes and the number of lines; each block is unpacked from its own buffer.
 * Blocking: it lives in the sealing worker.
 * @throws HYD_OBJECT_DAMAGED naming what differs
 */
export function readBack(path: string, expected: Expected, options: ReadBackOptions = {}): void {
  const hash = createHash('sha256');
  const rawHash = createHash('sha256');
  let count = 0;
  let rawBytes = 0;
  let bytes = 0;
  const fd = openSync(path, 'r');
  try {
    if (options.at === undefined && fstatSync(fd).size !== expected.bytes) throw differs('size', fstatSync(fd).size, expected.bytes);
    for (const block of expected.blocks) {
      if (block.offset !== bytes) throw differs('offset of a block', block.offset, bytes);
      const packed = readExactly(fd, (options.at ?? 0) + block.offset, block.bytes);
      const raw = unpackBlock(packed, expected.codec, block.rawBytes);
      const lines = countLines(raw);
      if (lines !== block.count) throw differs('number of lines in a block', lines, block.count);
      options.onBlock?.(packed, raw, block);
      hash.update(packed);
      rawHash.update(raw);
      count += lines;
      rawBytes += raw.length;
      bytes += packed.length;
    }
  } finally {
    closeSync(fd);
  }
  if (bytes !== expected.bytes) throw differs('size of all blocks', bytes, expected.bytes);
  if (rawBytes !== expected.rawBytes) throw differs('uncompressed size', rawBytes, expected.rawBytes);
  if (count !== expected.count) throw differs('number of lines', count, expected.count);
  const [sha256, rawSha256] = [hash.digest('hex'), rawHash.digest('hex')];
  if (sha256 !== expected.sha256) throw differs('sha256', sha256, expected.sha256);
  if (rawSha256 !== expected.rawSha256) throw differs('sha256 of the lines', rawSha256, expected.rawSha256);

  function differs(what: string, found: unknown, wanted: unknown): HydrantError {
    return new HydrantError('HYD_OBJECT_DAMAGED', `${path} read back differs: its ${what} is ${found}, not ${wanted}`);
  }
}

function countLines(raw: Buffer): number {
  let lines = 0;
  for (let at = raw.indexOf(10); at !== -1; at = raw.indexOf(10, at + 1)) lines++;
  return lines;
}

function readExactly(fd: number, offset: number, length: number): Buffer {
  const bytes = Buffer.allocUnsafeSlow(length);
  let done = 0;
  while (done < length) {
    const read = readSync(fd, bytes, done, length - done, offset + done);
    if (read === 0) break;
    done += read;
  }
  return bytes.subarray(0, done);
}
