import { PacketFault } from './fault.ts';
import { readUint16, skipBinary, skipBytes, skipString } from './field.ts';
import { TYPE, type UserProperties, type Version } from './packet.ts';
import { WILL, walkProperties } from './properties.ts';

const USERNAME = 0x80;
const PASSWORD = 0x40;
const WILL_RETAIN = 0x20;
const WILL_QOS = 0x18;
const WILL_FLAG = 0x04;
const RESERVED = 0x01;

/** Level and bridge bit of a CONNECT, checked against the protocol name. MQTT 3.1.1 §3.1.2.1. @throws PacketFault */
export function readVersion(frame: Buffer, at: number): { version: Version; bridge: boolean } {
  const end = skipBinary(frame, at);
  const name = frame.toString('latin1', at + 2, end);
  skipBytes(frame, end, 1);
  const level = frame[end]! & 0x7f;
  const bridge = frame[end]! >= 0x80;
  if (name !== 'MQTT' && name !== 'MQIsdp')
    throw new PacketFault('bad-protocol-name', `protocol name ${JSON.stringify(name.slice(0, 80))}`);
  if ((name === 'MQIsdp' && level === 3) || (name === 'MQTT' && (level === 4 || level === 5))) return { version: level as Version, bridge };
  throw new PacketFault('unsupported-version', `${name} protocol level ${level}`);
}

/** Checks of a CONNECT that mqtt-packet does not make. @throws PacketFault */
export function checkConnect(frame: Buffer, start: number, version: Version): { user?: UserProperties; willUser?: UserProperties } {
  let at = skipBinary(frame, start) + 1;
  skipBytes(frame, at, 3);
  const flags = frame[at]!;
  checkFlags(flags, version);
  at += 3;
  let user: UserProperties | undefined;
  let willUser: UserProperties | undefined;
  if (version === 5) ({ end: at, user } = walkProperties(frame, at, TYPE.connect));
  at = skipString(frame, at);
  if (flags & WILL_FLAG) {
    if (version === 5) ({ end: at, user: willUser } = walkProperties(frame, at, WILL));
    if (readUint16(frame, at) === 0) throw new PacketFault('empty-topic', 'the topic of the will is empty');
    at = skipBinary(frame, skipString(frame, at));
  }
  if (flags & USERNAME) at = skipString(frame, at);
  if (flags & PASSWORD) at = skipBinary(frame, at);
  if (at !== frame.length) throw new PacketFault('trailing-bytes', `${frame.length - at} bytes after the end of CONNECT`);
  return { user, willUser };
}

function checkFlags(flags: number, version: Version): void {
  const willQos = (flags & WILL_QOS) >> 3;
  const stray = !(flags & WILL_FLAG) && (flags & (WILL_QOS | WILL_RETAIN)) !== 0;
  if (flags & RESERVED || willQos === 3 || stray) throw new PacketFault('bad-connect-flags', `connect flags 0x${flags.toString(16)}`);
  if (version < 5 && flags & PASSWORD && !(flags & USERNAME))
    throw new PacketFault('password-without-username', 'a password without a user name');
}
