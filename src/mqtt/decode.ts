import { type Parser, type Packet as PlainPacket, parser } from 'mqtt-packet';
import { errorText } from '../core/errors.ts';
import { checkConnect } from './check-connect.ts';
import { PacketFault } from './fault.ts';
import { checkDecoded, readUint16, skipBytes, skipString, truncated } from './field.ts';
import { withoutDup } from './header.ts';
import { type AckPacket, type ConnectPacket, type Packet, type PublishPacket, TYPE, type UserProperties, type Version } from './packet.ts';
import { hasTopicAlias, walkProperties } from './properties.ts';
import { type PublishProperties, readPublishProperties } from './publish-properties.ts';
import { readTopic } from './topic-cache.ts';

/** How one end reads packets, fixed by the CONNECT. */
export interface Dialect {
  version: Version;
  /** A bridge of MQTT 3.x said so with the high bit of its protocol level. */
  bridge: boolean;
  /** Which end this is: a PUBLISH to a server has no subscription identifier [MQTT-3.3.4-6]. */
  end: 'server' | 'client';
}

/**
 * Decodes one whole packet with mqtt-packet (but for the two plainest kinds) and makes the checks that mqtt-packet does not.
 * @param frame exactly one packet; its payload stays a view of these bytes
 * @param at where the variable header begins
 * @throws PacketFault
 */
export function decodePacket(frame: Buffer, at: number, dialect: Dialect): Packet {
  const { version } = dialect;
  switch (frame[0]! >> 4) {
    case TYPE.publish:
      return decodePublish(frame, at, dialect);
    case TYPE.puback:
    case TYPE.pubrec:
    case TYPE.pubrel:
    case TYPE.pubcomp:
      checkPacketId(frame, at);
      if (frame.length === at + 2) return plainAck(frame, at, version);
      if (version < 5) throw trailing(frame, at + 2);
      return withUser(frame, checkReason(frame, at + 2), dialect);
    case TYPE.connect: {
      const { user, willUser } = checkConnect(frame, at, version);
      const packet = withUser(frame, user, dialect) as ConnectPacket;
      if (packet.will && willUser) attachUser(packet.will, willUser);
      return packet;
    }
    case TYPE.subscribe:
      return withUser(frame, checkFilters(frame, at, version, 1), dialect);
    case TYPE.unsubscribe:
      return withUser(frame, checkFilters(frame, at, version, 0), dialect);
    case TYPE.connack: {
      const end = skipBytes(frame, at, 2);
      // A server without MQTT 5 refuses a client of it in the form of 3.1.1.
      return withUser(frame, version < 5 || end === frame.length ? checkEnd(frame, end) : checkProperties(frame, end), dialect);
    }
    case TYPE.suback:
    case TYPE.unsuback: {
      checkPacketId(frame, at);
      if (version < 5) return parseFrame(frame, dialect);
      return withUser(frame, walkProperties(frame, at + 2, frame[0]! >> 4).user, dialect);
    }
    case TYPE.disconnect:
    case TYPE.auth:
      return withUser(frame, version < 5 || frame.length === at ? checkEnd(frame, at) : checkReason(frame, at), dialect);
    default:
      checkEnd(frame, at);
      return parseFrame(frame, dialect);
  }
}

function decodePublish(frame: Buffer, at: number, dialect: Dialect): PublishPacket {
  const topicBytes = readUint16(frame, at);
  let next = at + 2 + topicBytes;
  if (frame[0]! & 0x06) {
    checkPacketId(frame, next);
    next += 2;
  } else if (next > frame.length) throw truncated(frame);
  const bare = dialect.version < 5 || frame[next] === 0;
  const properties = bare || topicBytes === 0 ? undefined : readPublishProperties(frame, next);
  if (!bare && !properties) return unusualPublish(frame, at, next, dialect);
  if (topicBytes === 0) throw new PacketFault('empty-topic', 'PUBLISH with an empty topic');
  const packet = plainPublish(frame, at, next, dialect, properties);
  checkDecoded(packet.topic, frame, at);
  return packet;
}

/** A PUBLISH of MQTT 5 with properties that are rare, or wrong. */
function unusualPublish(frame: Buffer, at: number, next: number, dialect: Dialect): PublishPacket {
  const properties = walkProperties(frame, next, TYPE.publish);
  if (dialect.end === 'server' && properties.seen.has(11)) {
    throw new PacketFault('property-not-allowed', 'subscription identifier is not allowed in this packet');
  }
  if (readUint16(frame, at) === 0 && !hasTopicAlias(properties)) throw new PacketFault('empty-topic', 'PUBLISH with an empty topic');
  const packet = parseFrame(frame, dialect) as PublishPacket;
  checkDecoded(packet.topic, frame, at);
  if (properties.user) attachUser(packet, properties.user);
  return packet;
}

/**
 * A PUBLISH whose fields were all found while checking it. This and `plainAck` are the two packets that come by the hundred thousand;
 * mqtt-packet took a third of the broker's time for them, and more with an event id. Tested to give what mqtt-packet gives.
 */
function plainPublish(frame: Buffer, at: number, next: number, { version, end }: Dialect, found?: PublishProperties): PublishPacket {
  const first = frame[0]!;
  const qos = ((first >> 1) & 3) as 0 | 1 | 2;
  const idAt = qos === 0 ? -1 : next - 2;
  const minimal = frame.length < 130 ? at === 2 : frame.length < 16_387 ? at === 3 : at > 3;
  // What is left of an expiry is counted down, so those who get it get other bytes.
  const isReusable = end === 'server' && (first & 0x09) === 0 && minimal && found?.properties.messageExpiryInterval === undefined;
  const packet: PublishPacket = {
    cmd: 'publish',
    topic: readTopic(frame, at + 2, idAt === -1 ? next : idAt),
    payload: frame.subarray(found ? found.end : version === 5 ? next + 1 : next),
    qos,
    retain: (first & 0x01) !== 0,
    dup: (first & 0x08) !== 0,
    messageId: idAt === -1 ? undefined : (frame[idAt]! << 8) | frame[idAt + 1]!,
    wire: isReusable ? { bytes: frame, idOffset: idAt } : undefined,
  };
  if (found) {
    packet.properties = found.properties;
    if (found.userProperties) packet.userProperties = found.userProperties;
  }
  return packet;
}

const ACKS = { [TYPE.puback]: 'puback', [TYPE.pubrec]: 'pubrec', [TYPE.pubrel]: 'pubrel', [TYPE.pubcomp]: 'pubcomp' } as const;

/** An acknowledgement of success: a packet identifier and nothing else. */
function plainAck(frame: Buffer, at: number, version: Version): AckPacket {
  const cmd = ACKS[(frame[0]! >> 4) as keyof typeof ACKS];
  const messageId = (frame[at]! << 8) | frame[at + 1]!;
  return version === 5 ? { cmd, messageId, reasonCode: 0 } : { cmd, messageId };
}

function checkPacketId(frame: Buffer, at: number): void {
  if (readUint16(frame, at) === 0) throw new PacketFault('packet-id-zero', 'packet identifier 0');
}

/** The filters of SUBSCRIBE (each with a byte of options) and UNSUBSCRIBE. */
function checkFilters(frame: Buffer, start: number, version: Version, optionBytes: number): UserProperties | undefined {
  checkPacketId(frame, start);
  let at = start + 2;
  let user: UserProperties | undefined;
  if (version === 5) ({ end: at, user } = walkProperties(frame, at, frame[0]! >> 4));
  if (at === frame.length) throw new PacketFault('empty-list', 'no topic filter in SUBSCRIBE or UNSUBSCRIBE');
  while (at < frame.length) {
    const end = skipString(frame, at);
    const noLocal = optionBytes === 1 && version === 5 && (frame[skipBytes(frame, end, 1) - 1]! & 0x04) !== 0;
    if (noLocal && frame.toString('latin1', at + 2, at + 9) === '$share/') {
      throw new PacketFault('shared-no-local', `No Local on ${frame.toString('utf8', at + 2, end)}`);
    }
    at = skipBytes(frame, end, optionBytes);
  }
  return user;
}

/** A reason code, then properties that may be left out, then nothing. */
function checkReason(frame: Buffer, at: number): UserProperties | undefined {
  const next = skipBytes(frame, at, 1);
  return next === frame.length ? undefined : checkProperties(frame, next);
}

function checkProperties(frame: Buffer, at: number): UserProperties | undefined {
  const { end, user } = walkProperties(frame, at, frame[0]! >> 4);
  checkEnd(frame, end);
  return user;
}

function checkEnd(frame: Buffer, at: number): undefined {
  if (at !== frame.length) throw trailing(frame, at);
}

function trailing(frame: Buffer, at: number): PacketFault {
  return new PacketFault('trailing-bytes', `${frame.length - at} bytes after the last field of the packet`);
}

function withUser(frame: Buffer, user: UserProperties | undefined, dialect: Dialect): Packet {
  const packet = parseFrame(frame, dialect);
  if (user) attachUser(packet as PublishPacket, user);
  return packet;
}

function attachUser(packet: { properties?: object; userProperties?: UserProperties }, user: UserProperties): void {
  packet.userProperties = user;
  delete (packet.properties as { userProperties?: unknown } | undefined)?.userProperties;
}

let parsed: PlainPacket | undefined;
let failure: unknown;

/** A parser between packets has no state but its version, so one per version serves all connections and idle ones hold none. */
const parsers = new Map<number, Parser>();

function parseFrame(frame: Buffer, { version, bridge }: Dialect): Packet {
  const key = frame[0]! >> 4 === TYPE.connect ? -1 : version + (bridge ? 8 : 0);
  const own = parsers.get(key) ?? createParser(version, bridge);
  if (key !== -1) parsers.set(key, own);
  parsed = failure = undefined;
  if (version === 3) frame[0] = withoutDup(frame[0]!);
  try {
    own.parse(frame);
  } catch (error) {
    failure = error;
  }
  if (parsed !== undefined && failure === undefined) return parsed as Packet;
  parsers.delete(key);
  throw new PacketFault('malformed-packet', errorText(failure ?? 'incomplete packet'), failure);
}

function createParser(protocolVersion: Version, bridgeMode: boolean): Parser {
  return parser({ protocolVersion, bridgeMode })
    .on('packet', (packet) => {
      parsed = packet;
    })
    .on('error', (error) => {
      failure = error;
    });
}
