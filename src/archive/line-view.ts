import { decodeLine } from '../wire/line.ts';

const HEAD = Buffer.from('{"v":1,"ts":"');
const MIDDLE = Buffer.from('","topic":"');
const DATA = Buffer.from('","data":');
const SEQ = Buffer.from(',"seq":');
const DUP = Buffer.from(',"dup":true');
const ID = Buffer.from(',"id":"');
const MIN_TS = 20;
const MAX_TS = 40;

/**
 * Finds time, topic and sequence of a line in its raw bytes, without parsing JSON; reused from line to line.
 * Knows lines in the order of fields in which we and the seed program write them; others go through `decodeLine`.
 */
export class LineView {
  #bytes: Buffer = Buffer.alloc(0);
  #end = 0;
  #tsStart = 0;
  #tsEnd = 0;
  #topicStart = 0;
  #topicEnd = 0;
  #plain = true;
  /** Of the bytes in which the topic is written. */
  topicHash = 0;

  /** Looks at `bytes[start, end)`, newline excluded. False when the line is not in the usual form. */
  read(bytes: Buffer, start: number, end: number): boolean {
    this.#bytes = bytes;
    this.#end = end;
    if (!matches(bytes, start, HEAD)) return false;
    const tsStart = start + HEAD.length;
    let at = tsStart + MIN_TS;
    const tsLimit = Math.min(end, tsStart + MAX_TS);
    while (at < tsLimit && bytes[at] !== QUOTE) at++;
    if (!matches(bytes, at, MIDDLE)) return false;
    this.#tsStart = tsStart;
    this.#tsEnd = at;
    at += MIDDLE.length;
    this.#topicStart = at;
    let special = 0;
    let hash = 0;
    for (; at < end; at++) {
      const byte = bytes[at]!;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        special = 128;
        at++;
      }
      special |= byte;
      hash = (Math.imul(hash, 31) + byte) | 0;
    }
    if (at >= end) return false;
    this.#topicEnd = at;
    this.topicHash = hash;
    this.#plain = special < 128;
    return true;
  }

  topic(): string {
    if (this.#plain) return this.#bytes.toString('latin1', this.#topicStart, this.#topicEnd);
    return JSON.parse(this.#bytes.toString('utf8', this.#topicStart - 1, this.#topicEnd + 1)) as string;
  }

  /** Whether the topic is written in exactly these bytes. */
  hasTopicBytes(written: Uint8Array): boolean {
    const start = this.#topicStart;
    if (written.length !== this.#topicEnd - start) return false;
    for (let i = 0; i < written.length; i++) if (this.#bytes[start + i] !== written[i]) return false;
    return true;
  }

  /** The bytes in which the topic is written, a copy. */
  topicBytes(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, this.#topicStart, this.#topicEnd);
  }

  /** Undefined when it cannot be told without parsing the line. */
  payload(): Buffer | undefined {
    const start = this.#topicEnd + DATA.length + 1;
    const end = this.#dataEnd();
    if (end === -1 || !matches(this.#bytes, this.#topicEnd, DATA) || this.#bytes[start - 1] !== QUOTE) return undefined;
    return Buffer.from(this.#bytes.toString('latin1', start, end - 1), 'base64');
  }

  ts(): string {
    return this.#bytes.toString('latin1', this.#tsStart, this.#tsEnd);
  }

  /** Arrival, whole milliseconds since 1970; NaN when it is no time. */
  tsMs(): number {
    const ms = utcMs(this.#bytes, this.#tsStart, this.#tsEnd);
    return Number.isNaN(ms) ? Date.parse(this.ts()) : ms;
  }

  /** Nanoseconds of the arrival below its whole milliseconds. */
  tsNs(): number {
    const from = this.#tsStart + MIN_TS - 1;
    if (this.#bytes[from] !== DOT) return 0;
    let ns = 0;
    for (let at = from + 4, unit = 100_000; unit >= 1; at++, unit /= 10) {
      const digit = this.#bytes[at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      ns += digit * unit;
    }
    return ns;
  }

  /** Whether the topic begins with `$`. */
  get isInternal(): boolean {
    return this.#bytes[this.#topicStart] === DOLLAR;
  }

  /** Whether the line says that its publisher had sent it before. What is looked for cannot stand inside a JSON string. */
  isDup(): boolean {
    return this.#hasField(DUP);
  }

  /** Whether the publisher gave the event an id. */
  hasId(): boolean {
    return this.#hasField(ID);
  }

  #hasField(field: Buffer): boolean {
    const from = this.#dataEnd();
    return from !== -1 && this.#bytes.subarray(from, this.#end).includes(field);
  }

  /** 0 when the line carries none. */
  seq(): number {
    let at = this.#topicEnd;
    if (!matches(this.#bytes, at, DATA)) return this.#slowSeq();
    at = this.#dataEnd();
    if (at === -1) return 0;
    if (!matches(this.#bytes, at, SEQ)) return this.#bytes[at] === COMMA ? this.#slowSeq() : 0;
    let seq = 0;
    for (at += SEQ.length; at < this.#end; at++) {
      const digit = this.#bytes[at]! - 48;
      if (digit < 0 || digit > 9) break;
      seq = seq * 10 + digit;
    }
    return seq;
  }

  /** Where the payload's text ends; -1 when that cannot be told. */
  #dataEnd(): number {
    const at = this.#topicEnd + DATA.length;
    if (this.#bytes[at] !== QUOTE) return at + 4;
    const end = this.#bytes.indexOf(QUOTE, at + 1) + 1;
    return end === 0 || end > this.#end ? -1 : end;
  }

  #slowSeq(): number {
    try {
      return decodeLine(this.#bytes, this.#tsStart - HEAD.length, this.#end).seq;
    } catch {
      return 0;
    }
  }
}

const QUOTE = 34;
const BACKSLASH = 92;
const COMMA = 44;
const DOT = 46;
const DOLLAR = 36;

function matches(bytes: Buffer, at: number, text: Buffer): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}

let lastDay = 0;
let lastDayMs = 0;

/** Milliseconds of `YYYY-MM-DDTHH:MM:SS[.fff…]Z`; NaN for any other form. */
function utcMs(b: Buffer, at: number, end: number): number {
  if (b[end - 1] !== 90) return Number.NaN;
  const year = two(b, at) * 100 + two(b, at + 2);
  const month = two(b, at + 5);
  const date = two(b, at + 8);
  const day = year * 10_000 + month * 100 + date;
  if (day !== lastDay) {
    lastDayMs = Date.UTC(year, month - 1, date);
    lastDay = day;
  }
  const seconds = two(b, at + 11) * 3600 + two(b, at + 14) * 60 + two(b, at + 17);
  let millis = 0;
  for (let i = at + 20, unit = 100; i < end - 1 && unit >= 1; i++, unit /= 10) millis += (b[i]! - 48) * unit;
  return lastDayMs + seconds * 1000 + millis;
}

function two(b: Buffer, at: number): number {
  return b[at]! * 10 + b[at + 1]! - 528;
}

const GLUED = Buffer.from('{"v":1,');

/**
 * A damaged line may be a torn one with a whole one glued to its end (the seed program writes line and newline apart).
 * Such a beginning cannot stand inside a JSON text, so the line is cut before each.
 * @returns bounds of the pieces; one piece when there is nothing to cut
 */
export function splitGlued(bytes: Buffer, start: number, end: number): [start: number, end: number][] {
  const pieces: [number, number][] = [];
  let from = start;
  for (let at = bytes.indexOf(GLUED, start + 1); at !== -1 && at < end; at = bytes.indexOf(GLUED, at + 1)) {
    pieces.push([from, at]);
    from = at;
  }
  pieces.push([from, end]);
  return pieces;
}
