import { zstdDecompressSync } from 'node:zlib';
import type { Compressors, DecodedArray, FileMetaData, RowGroup } from 'hyparquet';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { ReadableStore } from '../../storage/store.ts';
import { toLines } from './parquet-rows.ts';

/** A page says its own size: what is damaged must not take all memory. */
const MAX_PAGE_BYTES = 1024 * 1024 * 1024;
const TAIL_BYTES = 8;

const compressors: Compressors = {
  ZSTD: (packed, bytes) => zstdDecompressSync(packed, { maxOutputLength: Math.min(Math.max(bytes, 1), MAX_PAGE_BYTES) }),
};

interface GroupPlace {
  group: RowGroup;
  offset: number;
  bytes: number;
}

/** A Parquet file that compaction wrote: gives the lines of each row group from the bytes it is stored in. */
export class ParquetFile {
  readonly #metadata: FileMetaData;
  /** In the order of the file. */
  readonly groups: readonly GroupPlace[];

  private constructor(metadata: FileMetaData) {
    this.#metadata = metadata;
    this.groups = metadata.row_groups.map((group) => {
      const [first] = group.columns;
      const offset = Number(first?.meta_data?.dictionary_page_offset ?? first?.meta_data?.data_page_offset ?? 0n);
      return { group, offset, bytes: Number(group.total_compressed_size ?? 0n) };
    });
  }

  /**
   * @param footer the end of the file, from at or before its footer on
   * @throws HYD_OBJECT_DAMAGED
   */
  static async parse(footer: Buffer): Promise<ParquetFile> {
    const { parquetMetadata } = await import('hyparquet');
    try {
      return new ParquetFile(parquetMetadata(copyOf(footer, 0, footer.length)));
    } catch (cause) {
      throw new HydrantError('HYD_OBJECT_DAMAGED', `the footer of a Parquet file cannot be read: ${errorText(cause)}`, { cause });
    }
  }

  /** Reads the footer of an object of `bytes` bytes. @throws HYD_OBJECT_DAMAGED, HYD_OBJECT_MISSING, HYD_STORE */
  static async open(store: ReadableStore, key: string, bytes: number): Promise<ParquetFile> {
    const tail = await store.get(key, { start: Math.max(0, bytes - TAIL_BYTES), end: bytes });
    const length = tail.length === TAIL_BYTES ? tail.readUInt32LE(0) + TAIL_BYTES : 0;
    if (length === 0 || length > bytes) throw new HydrantError('HYD_OBJECT_DAMAGED', 'it does not end as a Parquet file does');
    return ParquetFile.parse(await store.get(key, { start: bytes - length, end: bytes }));
  }

  /**
   * The lines of the row group that begins at `offset` of the file, in the order of their sequences.
   * @throws HYD_OBJECT_DAMAGED
   */
  async unpack(packed: Buffer, offset: number): Promise<Buffer> {
    try {
      const place = this.groups.find((own) => own.offset === offset);
      if (place?.bytes !== packed.length) throw new Error(`there is no row group of ${packed.length} bytes at ${offset}`);
      return toLines(await this.#columns(place.group, packed, offset), Number(place.group.num_rows));
    } catch (cause) {
      throw new HydrantError('HYD_OBJECT_DAMAGED', `a row group cannot be unpacked: ${errorText(cause)}`, { cause });
    }
  }

  async #columns(group: RowGroup, packed: Buffer, offset: number): Promise<Map<string, DecodedArray>> {
    const { parquetRead } = await import('hyparquet');
    const pages = new Map<string, DecodedArray[]>();
    await parquetRead({
      file: { byteLength: offset + packed.length, slice: (start, end = start) => copyOf(packed, start - offset, end - offset) },
      metadata: { ...this.#metadata, row_groups: [group], num_rows: group.num_rows },
      compressors,
      parsers: {
        timestampFromMicroseconds: (micros: bigint) => micros,
        // The default one drops a byte order mark, which may stand in a topic.
        stringFromBytes: (bytes: Uint8Array | undefined) => bytes && asBuffer(bytes).toString(),
      },
      utf8: false,
      onChunk: ({ columnName, columnData }) => {
        const own = pages.get(columnName);
        if (own) own.push(columnData);
        else pages.set(columnName, [columnData]);
      },
    });
    return new Map([...pages].map(([name, parts]) => [name, parts.length === 1 ? parts[0]! : parts.flatMap((part) => [...part])]));
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function copyOf(bytes: Buffer, start: number, end: number): ArrayBuffer {
  return bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end) as ArrayBuffer;
}
