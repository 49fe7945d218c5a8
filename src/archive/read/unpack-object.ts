import { HydrantError } from '../../core/errors.ts';
import type { ReadableStore } from '../../storage/store.ts';
import type { Manifest, ManifestBlock } from '../../wire/manifest.ts';
import { unpackBlock } from '../codec.ts';
import type { ObjectCodec } from '../keys.ts';
import { ParquetFile } from '../parquet/parquet-file.ts';
import { unpackStream } from './unpack-stream.ts';

/** Gives the lines of a block from the bytes it is stored in. @throws HYD_OBJECT_DAMAGED */
export type Unpack = (packed: Buffer, block: Pick<ManifestBlock, 'offset' | 'rawBytes'>) => Buffer | Promise<Buffer>;

/**
 * How the blocks of an object are unpacked. Of a Parquet file the footer is read when the first block is wanted.
 * @throws HYD_OBJECT_DAMAGED, HYD_OBJECT_MISSING, HYD_STORE when a block is unpacked
 */
export function createUnpack(store: ReadableStore, key: string, { codec, bytes, blocks }: Manifest): Unpack {
  if (codec !== 'parquet') return (packed, block) => unpackBlock(packed, codec, block.rawBytes);
  let file: Promise<ParquetFile> | undefined;
  return async (packed, { offset, rawBytes }) => {
    file ??= store
      .get(key, { start: blocks.reduce((end, block) => Math.max(end, block.offset + block.bytes), 0), end: bytes })
      .then(ParquetFile.parse);
    const raw = await (await file).unpack(packed, offset);
    if (raw.length === rawBytes) return raw;
    throw new HydrantError('HYD_OBJECT_DAMAGED', `a row group gives ${raw.length} bytes, not ${rawBytes}`);
  };
}

/**
 * All lines of an object of which no block table is known. What can be unpacked is given before damage is told of.
 * @throws HYD_OBJECT_DAMAGED, HYD_OBJECT_MISSING, HYD_STORE
 */
export function unpackObject(store: ReadableStore, key: string, codec: ObjectCodec | 'plain'): AsyncIterable<Buffer> {
  return codec === 'parquet' ? unpackParquet(store, key) : unpackStream(store.stream(key), codec);
}

async function* unpackParquet(store: ReadableStore, key: string): AsyncGenerator<Buffer> {
  const info = await store.head(key);
  if (!info) throw new HydrantError('HYD_OBJECT_MISSING', `there is no object ${key}`);
  const file = await ParquetFile.open(store, key, info.bytes);
  for (const { offset, bytes } of file.groups)
    yield await file.unpack(await store.get(key, { start: offset, end: offset + bytes }), offset);
}
