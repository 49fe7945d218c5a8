import type { PublishPacket, UserProperties } from './packet.ts';
import { CONTENT_TYPE, CORRELATION_DATA, MESSAGE_EXPIRY, PAYLOAD_FORMAT, RESPONSE_TOPIC, USER_PROPERTY } from './property-ids.ts';
import { readTopic } from './topic-cache.ts';

/** What a PUBLISH says between its packet identifier and its payload. */
export interface PublishProperties {
  properties: NonNullable<PublishPacket['properties']>;
  userProperties: UserProperties | undefined;
  /** Where the payload begins. */
  end: number;
}

/**
 * Reads the properties of a PUBLISH that an event has, in one go: an event id alone costs four times as much by way of the general walk and
 * mqtt-packet. What is rare or wrong in any way is left to these, which say what is wrong: undefined.
 * @param start where the length of the properties stands
 */
export function readPublishProperties(frame: Buffer, start: number): PublishProperties | undefined {
  const first = frame[start];
  const second = frame[start + 1];
  if (first === undefined || second === undefined || (first >= 0x80 && (second >= 0x80 || second === 0))) return undefined;
  let at = first < 0x80 ? start + 1 : start + 2;
  const end = first < 0x80 ? at + first : at + (first & 0x7f) + (second << 7);
  if (end > frame.length) return undefined;
  const properties: PublishProperties['properties'] = {};
  let userProperties: UserProperties | undefined;
  while (at < end) {
    const id = frame[at++]!;
    if (id === PAYLOAD_FORMAT) {
      const value = frame[at++]!;
      if (value > 1 || properties.payloadFormatIndicator !== undefined) return undefined;
      properties.payloadFormatIndicator = value === 1;
      continue;
    }
    if (id === MESSAGE_EXPIRY) {
      if (at + 4 > end || properties.messageExpiryInterval !== undefined) return undefined;
      properties.messageExpiryInterval = frame.readUInt32BE(at);
      at += 4;
      continue;
    }
    const next = endOfField(frame, at);
    if (id === CORRELATION_DATA) {
      if (properties.correlationData !== undefined) return undefined;
      properties.correlationData = frame.subarray(at + 2, next);
      at = next;
      continue;
    }
    const text = readTopic(frame, at + 2, next);
    if (!isClean(text)) return undefined;
    at = next;
    if (id === USER_PROPERTY) {
      const last = endOfField(frame, at);
      const value = frame.toString('utf8', at + 2, last);
      if (!isClean(value)) return undefined;
      userProperties ??= [];
      userProperties.push([text, value]);
      at = last;
    } else if (id === CONTENT_TYPE && properties.contentType === undefined) properties.contentType = text;
    else if (id === RESPONSE_TOPIC && properties.responseTopic === undefined && !/[+#]/.test(text)) properties.responseTopic = text;
    else return undefined;
  }
  // Whatever ran past the end has moved `at` past it too.
  return at === end ? { properties, userProperties, end } : undefined;
}

function endOfField(frame: Buffer, at: number): number {
  return at + 2 + ((frame[at]! << 8) | frame[at + 1]!);
}

/** Perhaps not UTF-8, or with a NUL character: whoever reports that looks at the bytes. */
function isClean(text: string): boolean {
  return !text.includes('\uFFFD') && !text.includes('\0');
}
