import type { PublishPacket, Version } from './packet.ts';
import { CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, RESPONSE_TOPIC, USER_PROPERTY } from './property-ids.ts';

const LONGEST_TEXT = 65_535;
const LONGEST_REMAINING = 268_435_455;
const LONGEST_EXPIRY = 0xffff_ffff;
const PUBLISH = 0x30;
/** The properties that are written here. */
const WRITTEN = new Set(['payloadFormatIndicator', 'messageExpiryInterval', 'contentType', 'responseTopic', 'correlationData']);

/**
 * What stands before the payload of a PUBLISH, written by hand: our own programs publish by the hundred thousand, and with an event id
 * mqtt-packet takes half of their time. Measured first, then written, so that it goes where it is sent from.
 */
export class PublishHead {
  /** Bytes before the payload. */
  bytes = 0;
  #topicBytes = 0;
  /** -1 where the protocol has none. */
  #propertyBytes = 0;
  #remaining = 0;

  /** False when the packet has what only mqtt-packet encodes, or refuses with a reason. */
  measure(packet: PublishPacket, version: Version): boolean {
    const { topic, payload, qos, messageId } = packet;
    if (!(payload instanceof Uint8Array) || topic === '' || (qos > 0 && messageId === undefined)) return false;
    this.#topicBytes = Buffer.byteLength(topic);
    this.#propertyBytes = version === 5 ? propertyBytes(packet) : -1;
    if (this.#topicBytes > LONGEST_TEXT || Number.isNaN(this.#propertyBytes)) return false;
    const properties = version === 5 ? varintBytes(this.#propertyBytes) + this.#propertyBytes : 0;
    const variable = 2 + this.#topicBytes + (qos > 0 ? 2 : 0) + properties;
    this.#remaining = variable + payload.length;
    this.bytes = 1 + varintBytes(this.#remaining) + variable;
    return this.#remaining <= LONGEST_REMAINING;
  }

  /** @param packet the one measured last */
  write(packet: PublishPacket, to: Buffer, start: number): void {
    const { topic, qos, messageId = 0, dup, retain } = packet;
    to[start] = PUBLISH | (dup ? 8 : 0) | (qos << 1) | (retain ? 1 : 0);
    let at = writeVarint(to, this.#remaining, start + 1);
    at = writeText(to, topic, this.#topicBytes, at);
    if (qos > 0) {
      to[at++] = messageId >>> 8;
      to[at++] = messageId;
    }
    if (this.#propertyBytes < 0) return;
    at = writeVarint(to, this.#propertyBytes, at);
    if (this.#propertyBytes > 0) writeProperties(to, packet, at);
  }
}

/** NaN when there is something to be left to mqtt-packet. */
function propertyBytes({ properties, userProperties }: PublishPacket): number {
  let bytes = 0;
  if (properties) {
    for (const name in properties) if (!WRITTEN.has(name)) return Number.NaN;
    const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData } = properties;
    if (payloadFormatIndicator !== undefined) bytes += 2;
    if (messageExpiryInterval !== undefined) bytes += isUint32(messageExpiryInterval) ? 5 : Number.NaN;
    if (contentType !== undefined) bytes += 1 + textBytes(contentType);
    if (responseTopic !== undefined) bytes += 1 + textBytes(responseTopic);
    if (correlationData !== undefined) bytes += correlationData.length <= LONGEST_TEXT ? 3 + correlationData.length : Number.NaN;
  }
  if (userProperties) for (const [name, value] of userProperties) bytes += 1 + textBytes(name) + textBytes(value);
  return bytes;
}

function writeProperties(to: Buffer, { properties, userProperties }: PublishPacket, start: number): void {
  let at = start;
  if (properties) {
    const { payloadFormatIndicator, messageExpiryInterval, contentType, responseTopic, correlationData } = properties;
    if (payloadFormatIndicator !== undefined) {
      to[at++] = PAYLOAD_FORMAT;
      to[at++] = payloadFormatIndicator ? 1 : 0;
    }
    if (messageExpiryInterval !== undefined) {
      to[at] = MESSAGE_EXPIRY;
      at = to.writeUInt32BE(messageExpiryInterval, at + 1);
    }
    if (contentType !== undefined) at = writeProperty(to, CONTENT_TYPE, contentType, at);
    if (responseTopic !== undefined) at = writeProperty(to, RESPONSE_TOPIC, responseTopic, at);
    if (correlationData !== undefined) {
      to[at] = CORRELATION_DATA;
      at = to.writeUInt16BE(correlationData.length, at + 1);
      to.set(correlationData, at);
      at += correlationData.length;
    }
  }
  if (!userProperties) return;
  for (const [name, value] of userProperties) {
    at = writeProperty(to, USER_PROPERTY, name, at);
    at = writeText(to, value, Buffer.byteLength(value), at);
  }
}

function writeProperty(to: Buffer, id: number, text: string, at: number): number {
  to[at] = id;
  return writeText(to, text, Buffer.byteLength(text), at + 1);
}

function writeText(to: Buffer, text: string, bytes: number, at: number): number {
  to[at] = bytes >>> 8;
  to[at + 1] = bytes;
  if (bytes === text.length && bytes <= SHORT) for (let i = 0; i < bytes; i++) to[at + 2 + i] = text.charCodeAt(i);
  else to.write(text, at + 2);
  return at + 2 + bytes;
}

/** Up to here a loop is faster than a call. */
const SHORT = 48;

function textBytes(text: string): number {
  const bytes = Buffer.byteLength(text);
  return bytes <= LONGEST_TEXT ? 2 + bytes : Number.NaN;
}

function isUint32(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= LONGEST_EXPIRY;
}

function varintBytes(value: number): number {
  return value < 0x80 ? 1 : value < 0x4000 ? 2 : value < 0x20_0000 ? 3 : 4;
}

function writeVarint(to: Buffer, value: number, start: number): number {
  let at = start;
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) to[at++] = (rest & 0x7f) | 0x80;
  to[at++] = rest;
  return at;
}
