import { isObject } from '../../core/objects.ts';
import { Scratch } from '../scratch.ts';

/** A unit of UTF-16 takes so many at most. */
const UNIT_BYTES = 3;
const MANY_KEYS = 32;
/** Up to here a loop is faster than a call. */
const SHORT = 24;
/** Bytes that no text has. */
const END_OF_TEXT = 0xff;
const LITERAL = 0xfe;
const OBJECT = 0xfd;
const ARRAY = 0xfc;
const END = 0xfb;

const scratch = new Scratch();
let at = 0;

/**
 * Of a value of JSON, whatever the order of its keys; no two values have the same. Written by hand into memory that is used again: as text it
 * would be half of all that is allocated for an event.
 * @returns valid until the next call
 * @throws RangeError nested deeper than the stack of calls reaches
 */
export function canonicalBytes(value: unknown): Uint8Array {
  scratch.begin();
  at = 0;
  write(value);
  return scratch.bytes.subarray(0, at);
}

function write(value: unknown): void {
  if (typeof value === 'string') return writeText(value);
  if (Array.isArray(value)) {
    writeByte(ARRAY);
    for (const item of value) write(item);
    return writeByte(END);
  }
  if (!isObject(value)) {
    writeByte(LITERAL);
    return writeText(String(value));
  }
  writeByte(OBJECT);
  for (const key of sorted(Object.keys(value))) {
    writeText(key);
    write(unwrapped(key, value[key]));
  }
  writeByte(END);
}

/** Each unit of UTF-16 as UTF-8 would write it, also half of a pair: what is not the same text is not the same bytes. */
function writeText(text: string): void {
  scratch.reserve(at, text.length * UNIT_BYTES + 1);
  const { bytes } = scratch;
  if (text.length > SHORT && text.isWellFormed()) {
    at += bytes.write(text, at);
    bytes[at++] = END_OF_TEXT;
    return;
  }
  let end = at;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) bytes[end++] = unit;
    else {
      if (unit < 0x800) bytes[end++] = 0xc0 | (unit >> 6);
      else {
        bytes[end++] = 0xe0 | (unit >> 12);
        bytes[end++] = 0x80 | ((unit >> 6) & 0x3f);
      }
      bytes[end++] = 0x80 | (unit & 0x3f);
    }
  }
  bytes[end] = END_OF_TEXT;
  at = end + 1;
}

function writeByte(byte: number): void {
  scratch.reserve(at, 1);
  scratch.bytes[at++] = byte;
}

/** For the few keys of an object, faster than `sort`. */
function sorted(keys: string[]): string[] {
  if (keys.length > MANY_KEYS) return keys.sort();
  for (let i = 1; i < keys.length; i++) {
    const key = keys[i]!;
    let to = i;
    for (; to > 0 && keys[to - 1]! > key; to--) keys[to] = keys[to - 1]!;
    keys[to] = key;
  }
  return keys;
}

/** `{"name":"nova"}` and `"nova"` are the same project, and the key of a change is written in three ways. */
function unwrapped(key: string, value: unknown): unknown {
  if ((key !== 'project' && key !== 'changeKey') || !isObject(value)) return value;
  const members = Object.values(value);
  return members.length === 1 && typeof members[0] === 'string' ? members[0] : value;
}
