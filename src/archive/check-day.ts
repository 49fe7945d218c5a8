import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { errorText, HydrantError } from '../core/errors.ts';
import { SegmentIndex } from '../journal/segment-index.ts';
import { decodeLine } from '../wire/line.ts';
import type { TopicDigest } from '../wire/manifest.ts';
import { LineView } from './line-view.ts';
import { packIndex } from './object-index.ts';
import { type Expected, readBack } from './read-back.ts';
import { TopicCollector } from './topic-digest.ts';

/** A file of objects put together, one after the other. */
export interface CheckDayJob {
  kind: 'day';
  path: string;
  /** With the name of each for the error. */
  objects: (Expected & { name: string })[];
  /** Where its index is written; none past 4 GiB of lines, which its offsets cannot reach. */
  indexPath: string;
  maxTopics?: number;
}

export interface CheckedDay {
  sha256: string;
  rawSha256: string;
  topics: TopicDigest;
  hasIndex: boolean;
}

const MAX_INDEXED_BYTES = 0xffff_0000;

/**
 * Reads the file back against what each object was sealed with, and gathers what the day's own manifest says.
 * @throws HYD_OBJECT_DAMAGED when it differs
 */
export function checkDay(job: CheckDayJob): CheckedDay {
  const hash = createHash('sha256');
  const rawHash = createHash('sha256');
  const topics = new TopicCollector();
  const hasIndex = job.objects.reduce((sum, object) => sum + object.rawBytes, 0) <= MAX_INDEXED_BYTES;
  const index = new SegmentIndex({ maxTopics: job.maxTopics });
  const view = new LineView();
  let at = 0;
  let rawAt = 0;
  const onBlock = (packed: Buffer, raw: Buffer): void => {
    hash.update(packed);
    rawHash.update(raw);
    for (let start = 0, end = raw.indexOf(10); end !== -1; start = end + 1, end = raw.indexOf(10, start)) {
      const line = view.read(raw, start, end) ? { topic: view.topic(), ms: view.tsMs() } : slowLine(raw, start, end);
      topics.add(line.topic);
      if (hasIndex) index.add(line.topic, rawAt + start, line.ms);
    }
    rawAt += raw.length;
  };
  for (const object of job.objects) {
    try {
      readBack(job.path, object, { at, onBlock });
    } catch (cause) {
      throw new HydrantError('HYD_OBJECT_DAMAGED', `${object.name}: ${errorText(cause)}`, { cause });
    }
    at += object.bytes;
  }
  if (hasIndex) writeFileSync(job.indexPath, packIndex(index), { mode: 0o600 });
  return { sha256: hash.digest('hex'), rawSha256: rawHash.digest('hex'), topics: topics.digest(), hasIndex };
}

function slowLine(raw: Buffer, start: number, end: number): { topic: string; ms: number } {
  const event = decodeLine(raw, start, end);
  return { topic: event.topic, ms: Date.parse(event.ts) };
}
