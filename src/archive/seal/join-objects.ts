import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { errorText, HydrantError } from '../../core/errors.ts';
import { SegmentIndex } from '../../journal/segment-index.ts';
import { decodeLine } from '../../wire/line.ts';
import type { ManifestBlock, TopicDigest } from '../../wire/manifest.ts';
import { LineView } from '../line-view.ts';
import { packIndex } from '../object-index.ts';
import { openParquetWriter, type ParquetTarget, readParquetBack } from '../parquet/parquet-writer.ts';
import { TopicCollector } from '../topic-digest.ts';
import { type Expected, readBack } from './read-back.ts';

/** A file of objects one after the other: to be one object as it is, or to be written as a Parquet file. */
export interface JoinJob {
  kind: 'join';
  path: string;
  /** With the name of each for the error. */
  objects: (Expected & { name: string })[];
  /** Where its index is written; none where it would be too large. */
  indexPath: string;
  maxTopics?: number;
  parquet?: ParquetTarget;
}

/** What the manifest of the whole says besides the sums of the manifests of its parts. */
export interface JoinedObjects {
  sha256: string;
  rawSha256: string;
  topics: TopicDigest;
  hasIndex: boolean;
  /** Of a Parquet file. */
  written?: { bytes: number; blocks: ManifestBlock[] };
}

/** What offsets of 32 bits reach. */
const MAX_INDEXED_BYTES = 0xffff_0000;
/** Each costs 8 bytes of memory while the index is made. */
const MAX_INDEXED_LINES = 8 * 1024 * 1024;

/**
 * Reads the file back against what each object was sealed with, and gathers what the manifest of the whole says.
 * @throws HYD_OBJECT_DAMAGED when it differs, or the Parquet file does not give the same lines
 */
export async function joinObjects(job: JoinJob): Promise<JoinedObjects> {
  const hash = createHash('sha256');
  const rawHash = createHash('sha256');
  const topics = new TopicCollector();
  const sum = (key: 'rawBytes' | 'count'): number => job.objects.reduce((total, object) => total + object[key], 0);
  const hasIndex = sum('rawBytes') <= MAX_INDEXED_BYTES && sum('count') <= MAX_INDEXED_LINES;
  const index = new SegmentIndex({ maxTopics: job.maxTopics });
  const view = new LineView();
  const writer = job.parquet && (await openParquetWriter(job.parquet));
  let at = 0;
  let rawAt = 0;
  const onBlock = (packed: Buffer, raw: Buffer): void => {
    hash.update(packed);
    rawHash.update(raw);
    for (let start = 0, end = raw.indexOf(10); end !== -1; start = end + 1, end = raw.indexOf(10, start)) {
      const line = view.read(raw, start, end) ? { topic: view.topic(), ts: view.ts(), ms: view.tsMs() } : slowLine(raw, start, end);
      topics.add(line.topic);
      if (hasIndex) index.add(line.topic, rawAt + start, line.ms);
      writer?.add(raw, start, end, line.ts);
    }
    rawAt += raw.length;
  };
  try {
    for (const object of job.objects) {
      try {
        readBack(job.path, object, { at, onBlock });
      } catch (cause) {
        throw new HydrantError('HYD_OBJECT_DAMAGED', `${object.name}: ${errorText(cause)}`, { cause });
      }
      at += object.bytes;
    }
    const written = writer?.finish();
    const rawSha256 = rawHash.digest('hex');
    if (job.parquet && written) await readParquetBack(job.parquet.path, written, rawSha256);
    if (hasIndex) writeFileSync(job.indexPath, packIndex(index), { mode: 0o600 });
    return { sha256: written?.sha256 ?? hash.digest('hex'), rawSha256, topics: topics.digest(), hasIndex, written };
  } finally {
    writer?.close();
  }
}

function slowLine(raw: Buffer, start: number, end: number): { topic: string; ts: string; ms: number } {
  const { topic, ts } = decodeLine(raw, start, end);
  return { topic, ts, ms: Date.parse(ts) };
}
