import { isUtf8 } from 'node:buffer';
import { PacketFault } from './fault.ts';

/** Two bytes, big-endian. @throws PacketFault `truncated` */
export function readUint16(frame: Buffer, at: number): number {
  if (at + 2 > frame.length) throw truncated(frame);
  return (frame[at]! << 8) | frame[at + 1]!;
}

/** Where the field of `bytes` bytes at `at` ends. @throws PacketFault `truncated` */
export function skipBytes(frame: Buffer, at: number, bytes: number): number {
  if (at + bytes > frame.length) throw truncated(frame);
  return at + bytes;
}

/** Where the length-prefixed bytes at `at` end. @throws PacketFault `truncated` */
export function skipBinary(frame: Buffer, at: number): number {
  return skipBytes(frame, at + 2, readUint16(frame, at));
}

/**
 * Where the length-prefixed string at `at` ends; its bytes are checked, which mqtt-packet does not do. MQTT 5 §1.5.4.
 * @throws PacketFault `truncated`, `bad-utf8`, `nul-character`
 */
export function skipString(frame: Buffer, at: number): number {
  const end = skipBinary(frame, at);
  checkText(frame.subarray(at + 2, end));
  return end;
}

/** @throws PacketFault `bad-utf8`, `nul-character` */
function checkText(bytes: Buffer): void {
  if (!isUtf8(bytes)) throw new PacketFault('bad-utf8', `a string is not UTF-8: ${JSON.stringify(bytes.toString('latin1').slice(0, 80))}`);
  if (bytes.includes(0))
    throw new PacketFault('nul-character', `a string has a NUL character: ${JSON.stringify(bytes.toString().slice(0, 80))}`);
}

/** Text of a string that mqtt-packet has decoded: only one with a replacement character needs its bytes looked at. @throws PacketFault */
export function checkDecoded(text: string, frame: Buffer, at: number): void {
  if (text.includes('\uFFFD') || text.includes('\0')) checkText(frame.subarray(at + 2, skipBinary(frame, at)));
}

/** The variable byte integer at `at` and where it ends. MQTT 5 §1.5.5. @throws PacketFault `truncated`, `bad-length` */
export function readVarint(frame: Buffer, at: number): { value: number; end: number } {
  let value = 0;
  for (let i = 0; i < 4; i++) {
    if (at + i >= frame.length) throw truncated(frame);
    const byte = frame[at + i]!;
    value |= (byte & 0x7f) << (7 * i);
    if (byte < 0x80) return { value, end: at + i + 1 };
  }
  throw new PacketFault('bad-length', 'a variable byte integer has more than 4 bytes');
}

export function truncated(frame: Buffer): PacketFault {
  return new PacketFault('truncated', `a field runs past the end of its packet of ${frame.length} bytes`);
}
