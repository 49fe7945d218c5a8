import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import { open } from 'node:fs/promises';
import type * as hyparquet from 'hyparquet-writer';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { ManifestBlock } from '../../wire/manifest.ts';
import { DEFAULT_LEVEL, packBlock } from '../codec.ts';
import { ParquetFile } from './parquet-file.ts';
import { COLUMNS, type Row, toRow } from './parquet-rows.ts';

export interface ParquetTarget {
  path: string;
  journal: string;
  epoch: string;
  /** Bounds of a row group: rows, default 32 768, and bytes of its lines, default 16 MiB. */
  groupRows?: number;
  groupBytes?: number;
}

export interface WrittenParquet {
  bytes: number;
  blocks: ManifestBlock[];
  sha256: string;
}

/** Bounds of their values are written for these: readers of Parquet skip row groups by them. */
const COLUMNS_WITH_BOUNDS = new Set(['ts', 'topic', 'seq']);

export async function openParquetWriter(target: ParquetTarget): Promise<ParquetObjectWriter> {
  return new ParquetObjectWriter(target, await import('hyparquet-writer'));
}

/**
 * Writes lines as a Parquet file. A row group holds lines that follow each other, sorted by time. Blocking, and what it holds in memory
 * is one row group: it lives in the sealing worker.
 */
export class ParquetObjectWriter {
  readonly #target: ParquetTarget;
  readonly #fd: number;
  readonly #bytes: hyparquet.ByteWriter;
  readonly #parquet: hyparquet.ParquetWriter;
  readonly #hash = createHash('sha256');
  readonly #blocks: ManifestBlock[] = [];
  #rows: Row[] = [];
  #block = emptyBlock();
  #closed = false;

  constructor(target: ParquetTarget, { ByteWriter, ParquetWriter }: typeof hyparquet) {
    this.#target = target;
    this.#fd = openSync(target.path, 'w', 0o600);
    this.#bytes = new ByteWriter();
    this.#parquet = new ParquetWriter({
      writer: this.#bytes,
      schema: [{ name: 'event', num_children: COLUMNS.length }, ...COLUMNS],
      codec: 'ZSTD',
      compressors: { ZSTD: (page) => packBlock(Buffer.from(page.buffer, page.byteOffset, page.byteLength), 'zstd', DEFAULT_LEVEL.zstd) },
      createdBy: 'hydrant',
    });
  }

  /** Adds the line in `bytes[start, end)`, newline excluded; `ts` is its time as written. */
  add(bytes: Buffer, start: number, end: number, ts: string): void {
    const { groupRows = 32_768, groupBytes = 16 * 1024 * 1024 } = this.#target;
    const block = this.#block;
    const length = end - start + 1;
    if (block.count >= groupRows || (block.count > 0 && block.rawBytes + length > groupBytes)) {
      this.#flush();
      this.add(bytes, start, end, ts);
      return;
    }
    const row = toRow(bytes, start, end);
    if (block.count === 0) Object.assign(block, { firstSeq: Number(row.seq), minTs: ts, maxTs: ts });
    else if (ts < block.minTs) block.minTs = ts;
    else if (ts > block.maxTs) block.maxTs = ts;
    block.count++;
    block.rawBytes += length;
    this.#rows.push(row);
  }

  #flush(): void {
    const rows = sortByTime(this.#rows);
    this.#rows = [];
    const { journal, epoch } = this.#target;
    const offset = this.#bytes.offset;
    const columnData = COLUMNS.map(({ name }) => ({
      name,
      data: name === 'journal' || name === 'epoch' ? rows.map(() => (name === 'journal' ? journal : epoch)) : rows.map((row) => row[name]),
      statistics: COLUMNS_WITH_BOUNDS.has(name),
      offsetIndex: false,
    }));
    this.#parquet.write({ columnData, rowGroupSize: rows.length });
    this.#blocks.push({ ...this.#block, offset, bytes: this.#bytes.offset - offset });
    this.#block = emptyBlock();
    this.#drain();
  }

  #drain(): void {
    const bytes = this.#bytes.getBytes();
    for (let done = 0; done < bytes.length; ) done += writeSync(this.#fd, bytes, done);
    this.#hash.update(bytes);
    this.#bytes.index = 0;
  }

  /** Writes what is left and the footer, syncs and closes. */
  finish(): WrittenParquet {
    if (this.#rows.length > 0) this.#flush();
    this.#parquet.finish();
    this.#drain();
    fsyncSync(this.#fd);
    this.close();
    return { bytes: this.#bytes.offset, blocks: this.#blocks, sha256: this.#hash.digest('hex') };
  }

  /** For a writer that is given up; `finish` does it itself. */
  close(): void {
    if (!this.#closed) closeSync(this.#fd);
    this.#closed = true;
  }
}

function emptyBlock(): ManifestBlock {
  return { part: 0, offset: 0, bytes: 0, rawBytes: 0, firstSeq: 0, count: 0, minTs: '', maxTs: '' };
}

function sortByTime(rows: Row[]): Row[] {
  const compare = (a: Row, b: Row): number => Number(a.ts - b.ts) || a.nanos - b.nanos || Number(a.seq - b.seq);
  for (let i = 1; i < rows.length; i++) if (compare(rows[i - 1]!, rows[i]!) > 0) return rows.sort(compare);
  return rows;
}

/**
 * Reads a Parquet file back: its sha256, and that its row groups give the very lines that it was made of.
 * @throws HYD_OBJECT_DAMAGED naming what differs
 */
export async function readParquetBack(path: string, { bytes, blocks, sha256 }: WrittenParquet, rawSha256: string): Promise<void> {
  const hash = createHash('sha256');
  const rawHash = createHash('sha256');
  try {
    await using handle = await open(path, 'r');
    const read = async (start: number, end: number): Promise<Buffer> => {
      const part = Buffer.allocUnsafeSlow(end - start);
      const { bytesRead } = await handle.read(part, 0, part.length, start);
      if (bytesRead !== part.length) throw new Error(`it ends at ${start + bytesRead}`);
      return part;
    };
    const footerAt = blocks.reduce((end, block) => Math.max(end, block.offset + block.bytes), 0);
    const footer = await read(footerAt, bytes);
    const file = await ParquetFile.parse(footer);
    hash.update(await read(0, blocks[0]?.offset ?? footerAt));
    for (const block of blocks) {
      const packed = await read(block.offset, block.offset + block.bytes);
      hash.update(packed);
      rawHash.update(await file.unpack(packed, block.offset));
    }
    if (hash.update(footer).digest('hex') !== sha256) throw new Error('its sha256 differs');
    if (rawHash.digest('hex') !== rawSha256) throw new Error('the sha256 of its lines differs');
  } catch (cause) {
    throw new HydrantError('HYD_OBJECT_DAMAGED', `${path} read back differs: ${errorText(cause)}`, { cause });
  }
}
