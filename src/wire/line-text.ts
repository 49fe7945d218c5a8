import { crc32 } from 'node:zlib';
import type { StoredEvent } from './event.ts';
import { quote } from './line.ts';

/**
 * The archive line of an event that has its place already, without the newline: byte for byte what its journal wrote,
 * crc included. For event streams to people and programs; the journal's own writer is `LineEncoder`.
 */
export function formatLine(event: StoredEvent): string {
  const { payload } = event;
  const data = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString('base64');
  let line = `{"v":1,"ts":"${event.ts}","topic":${quote(event.topic)},"data":"${data}"`;
  if (event.seq > 0) line += `,"seq":${event.seq}`;
  if (event.id !== undefined) line += `,"id":${JSON.stringify(event.id)}`;
  if (event.qos > 0) line += `,"qos":${event.qos}`;
  if (event.retain) line += ',"retain":true';
  if (event.dup) line += ',"dup":true';
  if (event.contentType !== undefined) line += `,"ct":${JSON.stringify(event.contentType)}`;
  if (event.source !== undefined) line += `,"src":${quote(event.source)}`;
  if (event.props !== undefined) line += `,"props":${JSON.stringify(event.props)}`;
  if (event.inbound !== undefined) line += `,"in":"${event.inbound}"`;
  return `${line},"crc":"${crc32(line).toString(16).padStart(8, '0')}"}`;
}
