import { isUtf8 } from 'node:buffer';
import { oneLine } from '../one-line.ts';
import type { Derived } from '../schema.ts';
import { findSchema } from './find-schema.ts';

const SHOWN_BYTES = 1024;

/**
 * What people want to know of an event: as its schema derives it, else its topic and how its payload begins. Whatever the event is, it does not throw.
 * @param topic where it was published; the schema is found by it
 */
export function describeEvent(topic: string, payload: Uint8Array): Derived {
  const schema = findSchema(topic);
  const data = schema && parse(payload);
  const derived = data === undefined ? undefined : schema!.derive(data, topic);
  return derived?.summary ? derived : { summary: plainSummary(topic, payload), people: [], severity: 'info' };
}

function parse(payload: Uint8Array): unknown {
  const text = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength).toString();
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function plainSummary(topic: string, payload: Uint8Array): string {
  if (payload.length === 0) return oneLine(`${topic}: empty`);
  if (!isUtf8(payload)) return oneLine(`${topic}: ${payload.length} bytes`);
  return oneLine(`${topic}: ${Buffer.from(payload.subarray(0, SHOWN_BYTES)).toString()}`);
}
