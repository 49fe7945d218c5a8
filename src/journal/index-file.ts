import { open, readFile, rename, writeFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
import { decodeLine } from '../wire/line.ts';
import { type IndexTables, SegmentIndex } from './segment-index.ts';

/** `x.ndjson` → `x.idx`. */
export function indexPath(segmentPath: string): string {
  return segmentPath.replace(/\.ndjson$/, '.idx');
}

/** Writes an index beside its segment. Not synced: a missing or damaged index is built again. */
export async function saveIndex(path: string, index: SegmentIndex): Promise<void> {
  await writeFile(`${path}.tmp`, encodeIndex(index), { mode: 0o600 });
  await rename(`${path}.tmp`, path);
}

/** One JSON line with the lengths and a crc32, then the tables as they are in memory (little-endian), then the topics as JSON. */
export function encodeIndex(index: SegmentIndex): Buffer {
  const { topics, offsets, previous, latest, times } = index.tables();
  const body = Buffer.concat([bytesOf(times), bytesOf(offsets), bytesOf(previous), bytesOf(latest), Buffer.from(JSON.stringify(topics))]);
  const head = { v: 1, records: offsets.length, topics: topics.length, times: times.length, crc: crc32(body) };
  return Buffer.concat([Buffer.from(JSON.stringify(head).padEnd(HEAD_BYTES - 1)), Buffer.from('\n'), body]);
}

const HEAD_BYTES = 120;

/** The index saved at `path`, or undefined when there is none or it is damaged. */
export async function loadIndex(path: string): Promise<SegmentIndex | undefined> {
  const file = await readFile(path).catch(() => undefined);
  return file && decodeIndex(file);
}

/** Reads what `encodeIndex` gave; undefined when it is damaged. */
export function decodeIndex(file: Buffer): SegmentIndex | undefined {
  if (file.length < HEAD_BYTES) return undefined;
  try {
    const head = JSON.parse(file.toString('latin1', 0, HEAD_BYTES)) as {
      v: number;
      records: number;
      topics: number;
      times: number;
      crc: number;
    };
    const body = new Uint8Array(file.subarray(HEAD_BYTES)).buffer;
    if (head.v !== 1 || crc32(new Uint8Array(body)) !== head.crc) return undefined;
    let at = 0;
    const words = (count: number): Uint32Array => {
      const table = new Uint32Array(body, at, count);
      at += count * 4;
      return table;
    };
    const times = new Float64Array(body, 0, head.times);
    at = head.times * 8;
    const tables: Omit<IndexTables, 'topics'> = {
      times,
      offsets: words(head.records),
      previous: words(head.records),
      latest: words(head.topics),
    };
    const topics = JSON.parse(Buffer.from(body, at).toString()) as string[];
    return new SegmentIndex({ tables: { ...tables, topics } });
  } catch {
    return undefined;
  }
}

export interface BuildOptions {
  /** Bytes of the file to read; default all of it. */
  bytes?: number;
  /** The last sequence that counts: what follows was rewritten into the next segment. */
  last?: number;
  maxTopics?: number;
  /** Told of each line that cannot be read. */
  onDamaged?: (offset: number, error: unknown) => void;
}

/** Reads a segment from start to end and builds its index. Yields to the event loop at each MiB. */
export async function buildIndex(segmentPath: string, first: number, options: BuildOptions = {}): Promise<SegmentIndex> {
  const index = new SegmentIndex({ maxTopics: options.maxTopics });
  await using file = await open(segmentPath, 'r');
  const end = options.bytes ?? (await file.stat()).size;
  let carry = Buffer.alloc(0);
  let at = 0;
  let header = true;
  while (at < end) {
    const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(Math.min(1 << 20, end - at)), 0, undefined, at);
    if (bytesRead === 0) break;
    const chunk = carry.length > 0 ? Buffer.concat([carry, buffer.subarray(0, bytesRead)]) : buffer.subarray(0, bytesRead);
    const base = at - carry.length;
    at += bytesRead;
    let start = 0;
    for (let stop = chunk.indexOf(10, start); stop !== -1; start = stop + 1, stop = chunk.indexOf(10, start)) {
      if (header) header = false;
      else addLine(index, chunk, start, stop, base + start, first, options);
    }
    carry = Buffer.from(chunk.subarray(start));
  }
  return index;
}

function addLine(
  index: SegmentIndex,
  bytes: Buffer,
  start: number,
  stop: number,
  offset: number,
  first: number,
  options: BuildOptions,
): void {
  try {
    const event = decodeLine(bytes, start, stop, { crc: 'required' });
    if (options.last !== undefined && event.seq > options.last) return;
    while (first + index.records < event.seq) index.addDamaged();
    index.add(event.topic, offset, Date.parse(event.ts));
  } catch (error) {
    options.onDamaged?.(offset, error);
  }
}

function bytesOf(table: Uint32Array | Float64Array): Buffer {
  return Buffer.from(table.buffer, table.byteOffset, table.byteLength);
}
