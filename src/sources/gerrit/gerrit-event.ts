import { isUtf8 } from 'node:buffer';
import { isObject, parseJson } from '../../core/objects.ts';
import { eventId } from '../event-id.ts';
import { escapeLevel, escapeLevels, joinTopic } from '../topic.ts';
import { canonicalBytes } from './canonical-bytes.ts';

type Json = Record<string, unknown>;

/** A line of the stream that is an event. */
export interface GerritEvent {
  /** As it came, without what stood in front of the JSON. */
  payload: Buffer;
  data: Json;
  /** Undefined where there is none. */
  type: string | undefined;
  /** `eventCreatedOn`, seconds since 1970, where it says so and that can be a time. */
  createdS: number | undefined;
  hadPrefix: boolean;
  /** Else the payload is published as it came, and read with U+FFFD for what is none. */
  isUtf8: boolean;
}

/** What an event without a type has for the last level of its topic. */
const UNTYPED = '$untyped';
/** In front of JSON that Gerrit answers to browsers. */
const PREFIX = Buffer.from(")]}'");
/** The year 9999: what is beyond is no time. */
const MAX_SECONDS = 253_402_300_800;
/** The longest topic of MQTT, in bytes. */
const MAX_TOPIC_BYTES = 65_535;

/** @returns undefined for what is no JSON object */
export function readEvent(line: Buffer): GerritEvent | undefined {
  const hadPrefix = line.length >= PREFIX.length && line.subarray(0, PREFIX.length).equals(PREFIX);
  const payload = hadPrefix ? line.subarray(PREFIX.length) : line;
  const data = parseJson(payload);
  if (!isObject(data)) return undefined;
  const { type, eventCreatedOn } = data;
  const isTime = typeof eventCreatedOn === 'number' && eventCreatedOn > 0 && eventCreatedOn < MAX_SECONDS;
  return {
    payload,
    data,
    type: typeof type === 'string' && type !== '' ? type : undefined,
    createdS: isTime ? Math.floor(eventCreatedOn) : undefined,
    hadPrefix,
    isUtf8: isUtf8(payload),
  };
}

/** `<base>/<project>/<type>`; slashes of the project stay levels, and without a project there is no level for it. */
export function topicOf({ data, type }: Pick<GerritEvent, 'data' | 'type'>, base: string): string {
  const level = type === undefined ? UNTYPED : escapeLevel(type);
  const topic = joinTopic(base, escapeLevels(projectOf(data) ?? ''), level);
  const isTooLong = topic.length * 3 > MAX_TOPIC_BYTES && Buffer.byteLength(topic) > MAX_TOPIC_BYTES;
  return isTooLong ? joinTopic(base, level) : topic;
}

/** The name of the project, from the first place that has one. */
export function projectOf(data: Json): string | undefined {
  const { project, change, refUpdate, refUpdates } = data;
  const first = Array.isArray(refUpdates) ? refUpdates[0] : undefined;
  return nameOf(project) ?? nameOf(memberOf(change)) ?? nameOf(memberOf(refUpdate)) ?? nameOf(memberOf(first));
}

/**
 * The same for an event from the stream and from the events log, which orders the keys in its own way and wraps the names of projects and changes.
 * @returns undefined without a time: then two events that say the same may be two
 */
export function idOf({ data, createdS, payload }: GerritEvent): string | undefined {
  if (createdS === undefined) return undefined;
  let bytes: Uint8Array;
  try {
    bytes = canonicalBytes(data);
  } catch {
    // Nested deeper than the stack of calls reaches.
    bytes = payload;
  }
  return eventId(createdS * 1000, 'gerrit', bytes);
}

/** A push to the notes of a change, which comes with every comment and vote. */
export function isRefUpdatedMeta({ data, type }: GerritEvent): boolean {
  if (type === 'ref-updated') return isMeta(data.refUpdate);
  return type === 'batch-ref-updated' && Array.isArray(data.refUpdates) && data.refUpdates.length > 0 && data.refUpdates.every(isMeta);
}

function isMeta(update: unknown): boolean {
  return isObject(update) && typeof update.refName === 'string' && /^refs\/changes\/.*\/meta$/.test(update.refName);
}

function memberOf(value: unknown): unknown {
  return isObject(value) ? value.project : undefined;
}

function nameOf(project: unknown): string | undefined {
  const name = isObject(project) ? project.name : project;
  return typeof name === 'string' && name !== '' ? name : undefined;
}
