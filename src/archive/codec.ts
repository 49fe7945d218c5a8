import { constants, gunzipSync, gzipSync, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { errorText, HydrantError } from '../core/errors.ts';
import type { Codec } from './keys.ts';

export const DEFAULT_LEVEL: Readonly<Record<Codec, number>> = Object.freeze({ gzip: 6, zstd: 3 });

/** One gzip member or one zstd frame; a zstd frame carries a checksum, as a gzip member always does. */
export function packBlock(lines: Buffer, codec: Codec, level: number): Buffer {
  if (codec === 'gzip') return gzipSync(lines, { level });
  const params = { [constants.ZSTD_c_compressionLevel]: level, [constants.ZSTD_c_checksumFlag]: 1 };
  return zstdCompressSync(lines, { params });
}

/**
 * Unpacks one block, which must be all of `packed` and give exactly `rawBytes`.
 * @throws HYD_OBJECT_DAMAGED
 */
export function unpackBlock(packed: Buffer, codec: Codec, rawBytes: number): Buffer {
  let raw: Buffer;
  try {
    raw = codec === 'gzip' ? gunzipSync(packed, { maxOutputLength: rawBytes }) : unpackFrame(packed, rawBytes);
  } catch (cause) {
    throw cause instanceof HydrantError
      ? cause
      : new HydrantError('HYD_OBJECT_DAMAGED', `a ${codec} block cannot be unpacked: ${errorText(cause)}`, { cause });
  }
  if (raw.length === rawBytes) return raw;
  throw new HydrantError('HYD_OBJECT_DAMAGED', `a ${codec} block gives ${raw.length} bytes, not ${rawBytes}`);
}

/** Node decodes the first frame of a buffer only and says nothing of the rest. */
function unpackFrame(packed: Buffer, rawBytes: number): Buffer {
  const { buffer, bytes } = unpackFirstFrame(packed, rawBytes);
  if (bytes === packed.length) return buffer;
  throw new HydrantError('HYD_OBJECT_DAMAGED', `a zstd block ends after ${bytes} of its ${packed.length} bytes`);
}

/** The first zstd frame of a buffer, and how many bytes of the buffer it took. */
export function unpackFirstFrame(packed: Buffer, maxBytes: number): { buffer: Buffer; bytes: number } {
  const { buffer, engine } = zstdDecompressSync(packed, { maxOutputLength: maxBytes, info: true }) as unknown as {
    buffer: Buffer;
    engine: { bytesWritten: number };
  };
  return { buffer, bytes: engine.bytesWritten };
}
