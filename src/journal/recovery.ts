import { open, rename, stat, truncate } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { writeFileAtomic } from '../core/atomic-file.ts';
import { syncFolder } from '../core/files.ts';
import type { Log } from '../core/log.ts';
import { decodeLine } from '../wire/line.ts';
import type { EpochStart } from '../wire/segment.ts';
import { encodeMark, type Mark, markPath, readMark } from './mark.ts';
import { RESERVED_BLOCK } from './rotate.ts';
import { readSegmentEnds, readSegmentHeader, readSegmentNames, type SegmentFile } from './segment-files.ts';

/** A segment that is not written any more. */
export interface RecoveredSegment extends SegmentFile {
  minMs: number;
  maxMs: number;
}

export interface Recovered {
  segments: RecoveredSegment[];
  /** The first sequence that may be given out now. */
  next: number;
  /** The epoch that was written last, by this journal. */
  previous?: EpochStart['previous'];
  /** Bytes that were cut from above the durable mark and kept aside. */
  tornBytes: number;
}

/**
 * Makes a journal folder fit to be written again. Only the newest segment can have a torn tail; what is above the
 * durable mark is checked line by line (crc, sequence) and cut at the last whole one, the cut bytes kept in `*.torn`.
 * A bad line at or below the mark is never cut: readers report and skip it.
 * Segments of older journals below our own are what a restored backup brought along: they are read on under their own id.
 */
export async function recoverJournal(dir: string, journal: string, log: Log): Promise<Recovered> {
  const mark = await readMark(dir);
  const own = await readOwnSegments(dir, journal);
  const segments: RecoveredSegment[] = [];
  let next = 1;
  let tornBytes = 0;
  for (const [i, file] of own.entries()) {
    const newest = i === own.length - 1;
    const marked = basename(file.path) === mark?.segment;
    const { header, bytes: start } = await readSegmentHeader(file.path);
    if (newest && !marked && (start === undefined || (!header && mark))) {
      tornBytes += await setAside(file, log);
      next = Math.max(next, file.first);
      continue;
    }
    if (!header) log('error', 'the first line of a segment is damaged; its events are read all the same', { segment: file.path });
    if (newest) {
      const from = marked ? mark!.offset : start!;
      const end = await findTornTail(file, from, marked ? mark!.seq : file.first - 1, mark !== undefined);
      if (end < file.bytes) {
        tornBytes += file.bytes - end;
        await cutTail(file, end, log);
      }
    }
    const isKept = newest && (!marked || file.bytes > mark!.offset);
    const clean = newest && marked && mark!.offset === file.bytes ? mark!.next : undefined;
    next = clean ?? Math.max(next, (header?.reserved ?? file.first + RESERVED_BLOCK) + 1);
    const later = own[i + 1];
    const ends = await readSegmentEnds(file.path, file.bytes);
    if (!ends) {
      if (file.bytes !== start) log('warn', 'a segment holds no readable event', { segment: file.path });
      continue;
    }
    if (isKept) await makeDurable(file, ends.last);
    file.last = later ? Math.min(ends.last, later.first - 1) : ends.last;
    if (file.last >= file.first) segments.push({ ...file, minMs: ends.minMs, maxMs: ends.maxMs });
  }
  return { segments, next, previous: previousEpoch(segments, journal, mark), tornBytes };
}

function previousEpoch(segments: readonly RecoveredSegment[], journal: string, mark: Mark | undefined): EpochStart['previous'] {
  const newest = segments.at(-1);
  if (newest?.journal !== journal) return undefined;
  const { epoch, last, path } = newest;
  const closed = mark?.segment === basename(path) && mark.seq === last && mark.closedMs !== undefined;
  return { epoch, last, ...(closed && { closed: new Date(mark.closedMs!).toISOString() }) };
}

async function readOwnSegments(dir: string, journal: string): Promise<SegmentFile[]> {
  const files = (await readSegmentNames(dir)).sort((a, b) => a.first - b.first);
  const first = files.find((file) => file.journal === journal)?.first ?? Number.POSITIVE_INFINITY;
  return files.filter((file) => file.journal === journal || file.first < first);
}

/**
 * The offset after the last whole line; everything after it is torn.
 * @param trusted there is a durable mark, so the first bad line ends it; without one only what follows the last good line is torn
 */
async function findTornTail(file: SegmentFile, from: number, seq: number, trusted: boolean): Promise<number> {
  await using handle = await open(file.path, 'r');
  let at = from;
  let carry = Buffer.alloc(0);
  let good = from;
  while (at < file.bytes) {
    const { buffer, bytesRead } = await handle.read(Buffer.allocUnsafe(Math.min(1 << 20, file.bytes - at)), 0, undefined, at);
    if (bytesRead === 0) break;
    const bytes = Buffer.concat([carry, buffer.subarray(0, bytesRead)]);
    const base = at - carry.length;
    at += bytesRead;
    let start = 0;
    for (let stop = bytes.indexOf(10); stop !== -1; start = stop + 1, stop = bytes.indexOf(10, start)) {
      const found = lineSeq(bytes, start, stop);
      if (found !== undefined && (found === seq + 1 || (!trusted && found > seq))) {
        seq = found;
        good = base + stop + 1;
      } else if (trusted) return good;
    }
    carry = Buffer.from(bytes.subarray(start));
  }
  return good;
}

function lineSeq(bytes: Buffer, start: number, stop: number): number | undefined {
  try {
    return decodeLine(bytes, start, stop, { crc: 'required' }).seq;
  } catch {
    return undefined;
  }
}

/** What is kept from above the mark is going to be served, so it must be on disk first, and the mark must say so to other readers. */
async function makeDurable(file: SegmentFile, last: number): Promise<void> {
  await using segment = await open(file.path, 'r+');
  await segment.sync();
  await writeFileAtomic(markPath(dirname(file.path)), encodeMark({ segment: basename(file.path), offset: file.bytes, seq: last }));
}

async function cutTail(file: SegmentFile, end: number, log: Log): Promise<void> {
  const torn = `${file.path}.torn`;
  await using source = await open(file.path, 'r');
  const { buffer } = await source.read(Buffer.allocUnsafe(file.bytes - end), 0, file.bytes - end, end);
  await using kept = await open(torn, 'a', 0o600);
  await kept.appendFile(buffer);
  await kept.sync();
  await truncate(file.path, end);
  await using cut = await open(file.path, 'r+');
  await cut.sync();
  await syncFolder(dirname(file.path));
  log('warn', 'cut a torn tail above the durable mark; nothing in it was acknowledged', {
    segment: file.path,
    bytes: file.bytes - end,
    kept: torn,
  });
  file.bytes = end;
}

/** A file that died before its first line was whole holds nothing acknowledged. */
async function setAside(file: SegmentFile, log: Log): Promise<number> {
  const { size } = await stat(file.path);
  await rename(file.path, `${file.path}.torn`);
  await syncFolder(dirname(file.path));
  log('warn', 'a segment without a whole first line was set aside', { kept: `${file.path}.torn`, bytes: size });
  return size;
}
