import type { Event, QoS } from '../../wire/event.ts';
import type { OutboxEvent, OutboxRecord } from './outbox.ts';

/**
 * An event as bytes, as the outbox keeps it: flags (bits 0-1 QoS, bit 2 retained, bit 3 more follows as JSON), length of the id, of the
 * topic (2 bytes), with bit 3 of the JSON (4 bytes); then id, topic, JSON, payload. Numbers are little-endian.
 */
const RETAIN = 4;
const MORE = 8;
const MAX_ID_BYTES = 255;

/** What few events have. */
type More = Pick<Event, 'contentType' | 'source' | 'props'>;

/** What of an event is kept as JSON; undefined when it is as plain as most. */
export function moreOf({ contentType, source, props }: OutboxEvent): string | undefined {
  if (contentType === undefined && source === undefined && props === undefined) return undefined;
  return JSON.stringify({ contentType, source, props } satisfies More);
}

/** Bytes that a record takes at most. */
export function recordBound({ id, topic, payload }: OutboxEvent, more: string | undefined): number {
  return 8 + 3 * (id.length + topic.length + (more?.length ?? 0)) + payload.byteLength;
}

/** Writes a record at a place. @returns where it ends */
export function encodeRecord(event: OutboxEvent, more: string | undefined, into: Buffer, at: number): number {
  const start = more === undefined ? at + 4 : at + 8;
  const idBytes = into.write(event.id, start, 'utf8');
  const topicBytes = into.write(event.topic, start + idBytes, 'utf8');
  let end = start + idBytes + topicBytes;
  into[at] = event.qos | (event.retain ? RETAIN : 0) | (more === undefined ? 0 : MORE);
  into[at + 1] = idBytes;
  into[at + 2] = topicBytes & 0xff;
  into[at + 3] = topicBytes >> 8;
  if (more !== undefined) {
    const moreBytes = into.write(more, end, 'utf8');
    into.writeUInt32LE(moreBytes, at + 4);
    end += moreBytes;
  }
  into.set(event.payload, end);
  return end + event.payload.byteLength;
}

/** @param channel with the others, what is not in the bytes */
export function decodeRecord(bytes: Buffer, channel = '', seq = 0, storedMs = 0, attempts = 0): OutboxRecord {
  const flags = bytes[0]!;
  const hasMore = (flags & MORE) !== 0;
  const start = hasMore ? 8 : 4;
  const topicAt = start + bytes[1]!;
  const moreAt = topicAt + bytes.readUInt16LE(2);
  const payloadAt = moreAt + (hasMore ? bytes.readUInt32LE(4) : 0);
  const record: OutboxRecord = {
    id: bytes.toString('utf8', start, topicAt),
    channel,
    topic: bytes.toString('utf8', topicAt, moreAt),
    payload: bytes.subarray(payloadAt),
    qos: (flags & 3) as QoS,
    retain: (flags & RETAIN) !== 0,
    seq,
    storedMs,
    attempts,
  };
  return hasMore ? Object.assign(record, JSON.parse(bytes.toString('utf8', moreAt, payloadAt)) as More) : record;
}

/** An event that has its place. Without a spread, which costs as much as storing it. */
export function placeRecord(event: OutboxEvent, seq: number, storedMs: number): OutboxRecord {
  const { id, channel, topic, payload, qos, retain, expiresMs, key, contentType, source, props } = event;
  const record: OutboxRecord = { id, channel, topic, payload, qos, retain, seq, storedMs, attempts: 0 };
  if (expiresMs !== undefined) record.expiresMs = expiresMs;
  if (key !== undefined) record.key = key;
  if (contentType !== undefined) record.contentType = contentType;
  if (source !== undefined) record.source = source;
  if (props !== undefined) record.props = props;
  return record;
}

/** Whether its id and topic can be kept. */
export function fitsRecord({ id, topic }: Pick<OutboxEvent, 'id' | 'topic'>): boolean {
  return id.length <= MAX_ID_BYTES / 3 && (topic.length <= 0xffff / 3 || Buffer.byteLength(topic) <= 0xffff);
}
