import { PacketFault } from './fault.ts';
import { readUint16, readVarint, skipBinary, skipBytes, skipString, truncated } from './field.ts';
import { TYPE, type UserProperties } from './packet.ts';
import {
  AUTHENTICATION_DATA,
  AUTHENTICATION_METHOD,
  CONTENT_TYPE,
  CORRELATION_DATA,
  MESSAGE_EXPIRY,
  PAYLOAD_FORMAT,
  RESPONSE_TOPIC,
  SUBSCRIPTION_ID,
  TOPIC_ALIAS,
  USER_PROPERTY,
} from './property-ids.ts';

/** Where properties can stand: a packet type, or the will of a CONNECT. */
export type Place = number;
export const WILL: Place = 0;

type Kind = 'byte' | 'int16' | 'int32' | 'varint' | 'string' | 'binary' | 'pair';

interface Rule {
  name: string;
  kind: Kind;
  /** Bit set of the places that may have it. */
  places: number;
  /** May be given more than once, there. */
  repeats: number;
  /** Smallest and largest value, for numbers. */
  min: number;
  max: number;
}

const ANYWHERE = 0xffff;
const PUBLISH_WILL = [TYPE.publish, WILL];
const OPENING = [TYPE.connect, TYPE.connack];
const ANSWERS = [TYPE.connack, TYPE.puback, TYPE.pubrec, TYPE.pubrel, TYPE.pubcomp, TYPE.suback, TYPE.unsuback, TYPE.disconnect, TYPE.auth];

/** By identifier. MQTT 5 §2.2.2.2 table 2-4; ranges from the section of each packet. */
const RULES: readonly (Rule | undefined)[] = buildRules([
  [PAYLOAD_FORMAT, 'payload format indicator', 'byte', PUBLISH_WILL, 0, 1],
  [MESSAGE_EXPIRY, 'message expiry interval', 'int32', PUBLISH_WILL],
  [CONTENT_TYPE, 'content type', 'string', PUBLISH_WILL],
  [RESPONSE_TOPIC, 'response topic', 'string', PUBLISH_WILL],
  [CORRELATION_DATA, 'correlation data', 'binary', PUBLISH_WILL],
  [SUBSCRIPTION_ID, 'subscription identifier', 'varint', [TYPE.publish, TYPE.subscribe], 1],
  [17, 'session expiry interval', 'int32', [...OPENING, TYPE.disconnect]],
  [18, 'assigned client identifier', 'string', [TYPE.connack]],
  [19, 'server keep alive', 'int16', [TYPE.connack]],
  [AUTHENTICATION_METHOD, 'authentication method', 'string', [...OPENING, TYPE.auth]],
  [AUTHENTICATION_DATA, 'authentication data', 'binary', [...OPENING, TYPE.auth]],
  [23, 'request problem information', 'byte', [TYPE.connect], 0, 1],
  [24, 'will delay interval', 'int32', [WILL]],
  [25, 'request response information', 'byte', [TYPE.connect], 0, 1],
  [26, 'response information', 'string', [TYPE.connack]],
  [28, 'server reference', 'string', [TYPE.connack, TYPE.disconnect]],
  [31, 'reason string', 'string', ANSWERS],
  [33, 'receive maximum', 'int16', OPENING, 1],
  [34, 'topic alias maximum', 'int16', OPENING],
  [TOPIC_ALIAS, 'topic alias', 'int16', [TYPE.publish]],
  [36, 'maximum QoS', 'byte', [TYPE.connack], 0, 1],
  [37, 'retain available', 'byte', [TYPE.connack], 0, 1],
  [USER_PROPERTY, 'user property', 'pair', 'anywhere'],
  [39, 'maximum packet size', 'int32', OPENING, 1],
  [40, 'wildcard subscription available', 'byte', [TYPE.connack], 0, 1],
  [41, 'subscription identifiers available', 'byte', [TYPE.connack], 0, 1],
  [42, 'shared subscription available', 'byte', [TYPE.connack], 0, 1],
]);

/** What mqtt-packet's properties do not tell. */
export interface Properties {
  /** Where the packet goes on after them. */
  end: number;
  user?: UserProperties;
  /** Identifiers present. */
  seen: Set<number>;
}

/**
 * Steps over the properties at `at`, checking what mqtt-packet does not: that each may stand in this packet, is given once, fits, is
 * UTF-8 and in range. User properties are collected in order, since mqtt-packet merges them by name.
 * @throws PacketFault
 */
export function walkProperties(frame: Buffer, start: number, place: Place): Properties {
  const length = readVarint(frame, start);
  const end = length.end + length.value;
  if (end > frame.length) throw truncated(frame);
  const seen = new Set<number>();
  const user: UserProperties = [];
  for (let at = length.end; at < end; ) {
    const id = frame[at]!;
    const rule = RULES[id];
    if (!rule || !(rule.places & (1 << place)))
      throw new PacketFault('property-not-allowed', `property ${rule?.name ?? id} is not allowed in this packet`);
    if (seen.has(id) && !(rule.repeats & (1 << place))) throw new PacketFault('duplicate-property', `${rule.name} is given twice`);
    seen.add(id);
    const next = skipValue(frame, at + 1, rule);
    if (next > end) throw truncated(frame);
    if (id === USER_PROPERTY) user.push(readPair(frame, at + 1));
    else if (id === RESPONSE_TOPIC) checkResponseTopic(frame.toString('utf8', at + 3, next));
    else if (id === TOPIC_ALIAS && readUint16(frame, at + 1) === 0) throw new PacketFault('bad-topic-alias', 'topic alias 0');
    at = next;
  }
  if (seen.has(AUTHENTICATION_DATA) && !seen.has(AUTHENTICATION_METHOD))
    throw new PacketFault('property-value', 'authentication data without a method');
  return { end, user: user.length > 0 ? user : undefined, seen };
}

/** Whether a PUBLISH has a topic alias in place of its topic. */
export function hasTopicAlias(properties: Properties): boolean {
  return properties.seen.has(TOPIC_ALIAS);
}

function skipValue(frame: Buffer, at: number, rule: Rule): number {
  switch (rule.kind) {
    case 'string':
      return skipString(frame, at);
    case 'binary':
      return skipBinary(frame, at);
    case 'pair':
      return skipString(frame, skipString(frame, at));
    case 'varint': {
      const { value, end } = readVarint(frame, at);
      checkRange(value, rule);
      return end;
    }
    default: {
      const bytes = rule.kind === 'byte' ? 1 : rule.kind === 'int16' ? 2 : 4;
      const end = skipBytes(frame, at, bytes);
      checkRange(frame.readUIntBE(at, bytes), rule);
      return end;
    }
  }
}

function checkRange(value: number, { name, min, max }: Rule): void {
  if (value < min || value > max) throw new PacketFault('property-value', `${name} ${value} is out of range`);
}

function checkResponseTopic(topic: string): void {
  if (topic.includes('+') || topic.includes('#'))
    throw new PacketFault('property-value', `response topic ${JSON.stringify(topic)} has a wildcard`);
}

function readPair(frame: Buffer, at: number): [string, string] {
  const middle = skipBinary(frame, at);
  return [frame.toString('utf8', at + 2, middle), frame.toString('utf8', middle + 2, skipBinary(frame, middle))];
}

type Row = [id: number, name: string, kind: Kind, places: readonly Place[] | 'anywhere', min?: number, max?: number];

function buildRules(rows: Row[]): (Rule | undefined)[] {
  const rules: (Rule | undefined)[] = new Array(256).fill(undefined);
  for (const [id, name, kind, where, min = 0, max = Number.MAX_SAFE_INTEGER] of rows) {
    const places = where === 'anywhere' ? ANYWHERE : bits(where);
    rules[id] = {
      name,
      kind,
      places,
      repeats: id === USER_PROPERTY ? ANYWHERE : id === SUBSCRIPTION_ID ? bits([TYPE.publish]) : 0,
      min,
      max,
    };
  }
  return rules;
}

function bits(places: readonly Place[]): number {
  return places.reduce((set, place) => set | (1 << place), 0);
}
