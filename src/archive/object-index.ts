import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { decodeIndex, encodeIndex } from '../journal/index-file.ts';
import type { SegmentIndex } from '../journal/segment-index.ts';

/** The index of an object as it is kept beside it: that of a segment, in one zstd frame. Its offsets count uncompressed bytes. */
export function packIndex(index: SegmentIndex): Buffer {
  return zstdCompressSync(encodeIndex(index));
}

/** Undefined when it is damaged: nothing depends on an index. */
export function unpackIndex(packed: Buffer): SegmentIndex | undefined {
  try {
    return decodeIndex(zstdDecompressSync(packed));
  } catch {
    return undefined;
  }
}
