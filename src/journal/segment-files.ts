import { open, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { HydrantError, systemCode } from '../core/errors.ts';
import { decodeLine } from '../wire/line.ts';
import { decodeSegmentHeader, parseSegmentName, type SegmentHeader } from '../wire/segment.ts';
import { readMark } from './mark.ts';

/** A segment as a process that only reads sees it. */
export interface SegmentFile {
  path: string;
  journal: string;
  epoch: string;
  /** Sequence of its first event. */
  first: number;
  /** Events above this one are not this segment's to tell: they were written again into the next. */
  last: number;
  /** Bytes that may be read: for the segment of the durable mark only up to it, for a later one none. */
  bytes: number;
}

/**
 * The segments of a journal folder, oldest first. Safe beside a running server: nothing above the durable mark is shown.
 * @throws HYD_DATA_MISSING when there is no such folder
 */
export async function listSegmentFiles(dir: string): Promise<SegmentFile[]> {
  const mark = await readMark(dir);
  const files = await readSegmentNames(dir);
  const marked = files.find((file) => basename(file.path) === mark?.segment);
  for (const [i, file] of files.entries()) {
    const next = files[i + 1];
    if (next?.journal === file.journal) file.last = next.first - 1;
    if (marked && file.journal === marked.journal) {
      if (file === marked) file.bytes = Math.min(file.bytes, mark!.offset);
      else if (file.first > marked.first) file.bytes = 0;
    }
  }
  return files;
}

/** Every segment file, whatever the mark says. */
export async function readSegmentNames(dir: string): Promise<SegmentFile[]> {
  const names = await readdir(dir).catch((error) => {
    if (systemCode(error) === 'ENOENT') throw new HydrantError('HYD_DATA_MISSING', `there is no journal in ${dir}`, { cause: error });
    throw error;
  });
  const files: SegmentFile[] = [];
  for (const name of names.sort()) {
    const parsed = parseSegmentName(name);
    if (!parsed) continue;
    const path = join(dir, name);
    const size = await stat(path).then(
      (stats) => stats.size,
      () => undefined,
    );
    if (size !== undefined) files.push({ path, ...parsed, last: Number.MAX_SAFE_INTEGER, bytes: size });
  }
  return files.sort((a, b) => (a.journal === b.journal ? a.first - b.first : a.journal < b.journal ? -1 : 1));
}

/** The header of a segment (undefined when that line is damaged) and the offset after its line (undefined when there is no whole line). */
export async function readSegmentHeader(path: string): Promise<{ header?: SegmentHeader; bytes?: number }> {
  await using file = await open(path, 'r');
  const { buffer, bytesRead } = await file.read(Buffer.alloc(1024), 0, 1024, 0);
  const end = buffer.subarray(0, bytesRead).indexOf(10);
  if (end === -1) return {};
  try {
    return { header: decodeSegmentHeader(buffer, 0, end), bytes: end + 1 };
  } catch {
    return { bytes: end + 1 };
  }
}

/** Sequence and arrival time of the first and of the last readable event in the first `bytes` of a segment. */
export async function readSegmentEnds(path: string, bytes: number): Promise<{ last: number; minMs: number; maxMs: number } | undefined> {
  const head = (await readSegmentHeader(path)).bytes ?? bytes;
  await using file = await open(path, 'r');
  let span = 64 * 1024;
  for (;;) {
    const from = Math.max(head, bytes - span);
    const tail = await readSpan(file, from, bytes);
    const last = lastLine(tail, from > head);
    if (last) {
      const front = await readSpan(file, head, Math.min(bytes, head + span));
      const first = firstLine(front) ?? last;
      return { last: last.seq, minMs: Date.parse(first.ts), maxMs: Date.parse(last.ts) };
    }
    if (from === head) return undefined;
    span *= 8;
  }
}

async function readSpan(file: import('node:fs/promises').FileHandle, from: number, to: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(Math.max(0, to - from)), 0, to - from, from);
  return buffer.subarray(0, bytesRead);
}

function lastLine(bytes: Buffer, partialHead: boolean): { seq: number; ts: string } | undefined {
  let stop = bytes.lastIndexOf(10);
  while (stop > 0) {
    const before = bytes.lastIndexOf(10, stop - 1);
    if (before === -1 && partialHead) return undefined;
    try {
      return decodeLine(bytes, before + 1, stop, { crc: 'required' });
    } catch {
      stop = before;
    }
  }
  return undefined;
}

function firstLine(bytes: Buffer): { ts: string } | undefined {
  for (let start = 0, stop = bytes.indexOf(10); stop !== -1; start = stop + 1, stop = bytes.indexOf(10, start)) {
    try {
      return decodeLine(bytes, start, stop, { crc: 'required' });
    } catch {}
  }
  return undefined;
}
