import { HydrantError } from '../core/errors.ts';
import { decodeLine, encodeLine } from './line.ts';

/**
 * What a segment file says of itself in its first line, which is an archive line on the topic
 * `$hydrant/segment` without a sequence, so that every line of the file reads the same.
 */
export interface SegmentHeader {
  /** Random per data folder, 16 hex digits. */
  journal: string;
  /** Random per start, 8 hex digits. */
  epoch: string;
  /** Sequence of the first event; they follow without a hole. */
  first: number;
  /** No sequence up to here will ever be given out by another segment of a later start. */
  reserved: number;
  /** In the first segment of an epoch. */
  start?: EpochStart;
}

/** How an epoch began: what is missing at the end of the one before, or was never archived between them, can then be seen. */
export interface EpochStart {
  /** When its journal was opened, RFC 3339. */
  opened: string;
  /** The epoch before: the last sequence that it had on disk, and when it was closed in order. */
  previous?: { epoch: string; last: number; closed?: string };
}

export const SEGMENT_TOPIC = '$hydrant/segment';

/** `{journal}-{epoch}-{first, 15 digits}.ndjson`: sorts by sequence within a journal. */
export function segmentName(header: Pick<SegmentHeader, 'journal' | 'epoch' | 'first'>): string {
  return `${header.journal}-${header.epoch}-${padSeq(header.first)}.ndjson`;
}

export function padSeq(seq: number): string {
  return String(seq).padStart(15, '0');
}

const NAME = /^([0-9a-f]{16})-([0-9a-f]{8})-(\d{15})\.ndjson$/;

/** What a segment's name says, or undefined when the file is not a segment. */
export function parseSegmentName(name: string): { journal: string; epoch: string; first: number } | undefined {
  const match = NAME.exec(name);
  return match ? { journal: match[1]!, epoch: match[2]!, first: Number(match[3]) } : undefined;
}

export function encodeSegmentHeader(header: SegmentHeader, nowMs: number): Buffer {
  return encodeLine({ topic: SEGMENT_TOPIC, payload: Buffer.from(JSON.stringify(header)), qos: 0, retain: false }, 0, nowMs);
}

/** @throws HYD_JOURNAL_DAMAGED when the line is not a segment's first */
export function decodeSegmentHeader(bytes: Buffer, start: number, end: number): SegmentHeader {
  const line = decodeLine(bytes, start, end, { crc: 'required' });
  if (line.topic !== SEGMENT_TOPIC) throw new HydrantError('HYD_JOURNAL_DAMAGED', 'the file does not begin with a segment header');
  return JSON.parse(Buffer.from(line.payload).toString()) as SegmentHeader;
}
