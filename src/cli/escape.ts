import { isUtf8 } from 'node:buffer';

/**
 * Text as it may go to a terminal: control characters (C0, DEL, C1), line and paragraph separators and direction
 * overrides become escapes, so that a payload or a topic can neither drive the terminal nor forge a line.
 * @param options.lines keep newline and tab as they are
 */
export function escapeText(text: string, options: { lines?: boolean } = {}): string {
  return text.replace(options.lines ? UNSAFE_IN_LINES : UNSAFE, (c) => NAMED[c] ?? escaped(c.charCodeAt(0)));
}

/** Payload bytes as text for a terminal: UTF-8 where they are, otherwise `\xNN` for every byte outside printable ASCII. */
export function escapeBytes(bytes: Uint8Array, options: { lines?: boolean } = {}): string {
  if (isUtf8(bytes)) return escapeText(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString(), options);
  let text = '';
  for (const byte of bytes) text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : escaped(byte);
  return text;
}

function escaped(code: number): string {
  return code < 0x100 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
}

const NAMED: Record<string, string> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const OVERRIDES = '\\u061c\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069';
const UNSAFE = new RegExp(`[\\u0000-\\u001f\\u007f-\\u009f${OVERRIDES}]`, 'g');
const UNSAFE_IN_LINES = new RegExp(`[\\u0000-\\u0008\\u000b-\\u001f\\u007f-\\u009f${OVERRIDES}]`, 'g');

/** Columns that `text` takes on a terminal: wide letters and emoji 2, combining marks 0. */
export function textWidth(text: string): number {
  if (ASCII.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += NO_WIDTH.test(character) ? 0 : WIDE.test(character) ? 2 : 1;
  return width;
}

/** `text` cut to `columns` columns, the last one `…` when something was cut. */
export function cutText(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let out = '';
  let width = 0;
  for (const character of text) {
    width += textWidth(character);
    if (width > columns - 1) break;
    out += character;
  }
  return `${out}…`;
}

const ASCII = /^[\u0020-\u007e]*$/;
const NO_WIDTH = /\p{M}|[\u200b-\u200d]/u;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;
