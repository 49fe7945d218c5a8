/**
 * Short values written into a buffer byte by byte: a call into the runtime for each, and the strings that it would take, cost several times as
 * much. Each returns the offset after what it wrote.
 */
const SHORT_CHARACTERS = 64;
const SHORT_BYTES = 192;
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** What 12 bits are in base64: two characters, the first in the high byte. */
const PAIRS = Uint16Array.from({ length: 4096 }, (_, bits) => (ALPHABET.charCodeAt(bits >> 6) << 8) | ALPHABET.charCodeAt(bits & 63));
const PADDING = 0x3d;
const ZERO = 0x30;

/** UTF-8. */
export function putText(out: Buffer, at: number, text: string): number {
  const { length } = text;
  if (length > SHORT_CHARACTERS) return at + out.write(text, at);
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    if (code > 127) return at + out.write(text, at);
    out[at + i] = code;
  }
  return at + length;
}

/** @param value a whole number, not negative */
export function putNumber(out: Buffer, at: number, value: number): number {
  if (value > 0x7fff_ffff) return putText(out, at, String(value));
  let end = at + 1;
  for (let rest = value; rest > 9; rest = (rest / 10) | 0) end++;
  let rest = value;
  for (let place = end - 1; place >= at; place--) {
    const tenth = (rest / 10) | 0;
    out[place] = ZERO + rest - tenth * 10;
    rest = tenth;
  }
  return end;
}

export function putBase64(out: Buffer, at: number, bytes: Uint8Array): number {
  const { length } = bytes;
  if (length > SHORT_BYTES) return at + out.write(asBuffer(bytes).toString('base64'), at, 'latin1');
  let i = 0;
  for (; i + 2 < length; i += 3) {
    const high = PAIRS[(bytes[i]! << 4) | (bytes[i + 1]! >> 4)]!;
    const low = PAIRS[((bytes[i + 1]! & 15) << 8) | bytes[i + 2]!]!;
    out[at] = high >> 8;
    out[at + 1] = high;
    out[at + 2] = low >> 8;
    out[at + 3] = low;
    at += 4;
  }
  if (i === length) return at;
  const second = i + 1 < length ? bytes[i + 1]! : 0;
  const high = PAIRS[(bytes[i]! << 4) | (second >> 4)]!;
  out[at] = high >> 8;
  out[at + 1] = high;
  out[at + 2] = i + 1 < length ? PAIRS[(second & 15) << 8]! >> 8 : PADDING;
  out[at + 3] = PADDING;
  return at + 4;
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
