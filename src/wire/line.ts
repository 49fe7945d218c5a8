import { crc32 } from 'node:zlib';
import { HydrantError } from '../core/errors.ts';
import type { Event, EventProps, QoS, StoredEvent } from './event.ts';

/**
 * The archive line, version 1: one JSON object, one `\n`, in the order
 * `v ts topic data [seq id qos retain dup ct src props in] crc`. The first four fields are the seed
 * archiver's own and are escaped as Go's encoder does; readers skip fields they do not know.
 * `crc` is 8 hex digits of the crc32 of the bytes before `,"crc"`. docs/reference/archive-format.md.
 */
const CRC_PREFIX = Buffer.from(',"crc":"');
const CRC_BYTES = CRC_PREFIX.length + 8 + 2;
const HEX = Buffer.from('0123456789abcdef');
const CACHE_ENTRIES = 50_000;

/** Timestamps of lines. Those of one millisecond get rising sub-millisecond digits, so `ts` orders like `seq`. */
export class LineClock {
  #ms = Number.NaN;
  #tick = 0;
  #prefix = '';
  /** The one given last. */
  stamp = '';

  next(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#tick = 0;
      this.#prefix = new Date(ms).toISOString().slice(0, 23);
    } else if (this.#tick < 99_999) this.#tick++;
    // The last digit is never 0, so a formatter that trims zeros (Go's RFC3339Nano) writes the same 30 characters.
    this.stamp = `${this.#prefix}${String(this.#tick * 10 + 1).padStart(6, '0')}Z`;
    return this.stamp;
  }
}

/** Writes lines into a caller's buffer. Holds the text that repeats. */
export class LineEncoder {
  readonly #topics = new Map<string, string>();
  readonly #sources = new Map<string, string>();
  readonly #clock = new LineClock();

  /** The timestamp of the line written last. */
  get stamp(): string {
    return this.#clock.stamp;
  }

  /** Upper bound in bytes of what `encode` writes for this event. */
  bound(event: Event): number {
    const text = event.topic.length + (event.source?.length ?? 0) + (event.contentType?.length ?? 0);
    const props = event.props ? JSON.stringify(event.props).length * 6 : 0;
    return 320 + text * 6 + props + Math.ceil(event.payload.length / 3) * 4;
  }

  /**
   * Writes one line at `at` and returns the offset after its newline.
   * @param seq omitted when 0
   */
  encode(out: Buffer, at: number, event: Event, seq: number, arrivalMs: number): number {
    const start = at;
    const data = asBuffer(event.payload).toString('base64');
    let text = `{"v":1,"ts":"${this.#clock.next(arrivalMs)}","topic":${this.#quoted(this.#topics, event.topic)},"data":"${data}"`;
    if (seq > 0) text += `,"seq":${seq}`;
    if (event.id !== undefined) text += `,"id":${JSON.stringify(event.id)}`;
    if (event.qos > 0) text += `,"qos":${event.qos}`;
    if (event.retain) text += ',"retain":true';
    if (event.dup) text += ',"dup":true';
    if (event.contentType !== undefined) text += `,"ct":${JSON.stringify(event.contentType)}`;
    if (event.source !== undefined) text += `,"src":${this.#quoted(this.#sources, event.source)}`;
    if (event.props !== undefined) text += `,"props":${JSON.stringify(event.props)}`;
    if (event.inbound !== undefined) text += `,"in":"${event.inbound}"`;
    at += out.write(text, at);
    const crc = crc32(out.subarray(start, at));
    out.set(CRC_PREFIX, at);
    at += CRC_PREFIX.length;
    for (let shift = 28; shift >= 0; shift -= 4) out[at++] = HEX[(crc >>> shift) & 15]!;
    out[at++] = 0x22;
    out[at++] = 0x7d;
    out[at++] = 0x0a;
    return at;
  }

  #quoted(cache: Map<string, string>, text: string): string {
    let json = cache.get(text);
    if (json === undefined) {
      if (cache.size >= CACHE_ENTRIES) cache.clear();
      json = quote(text);
      cache.set(text, json);
    }
    return json;
  }
}

/** JSON as Go's encoder writes it: `<`, `>`, `&`, U+2028 and U+2029 escaped. */
export function quote(text: string): string {
  return JSON.stringify(text).replace(/[<>&\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** One line of an event, newline included. For single lines; a stream of them wants a `LineEncoder`. */
export function encodeLine(event: Event, seq: number, arrivalMs: number): Buffer {
  const encoder = new LineEncoder();
  const out = Buffer.allocUnsafe(encoder.bound(event));
  return out.subarray(0, encoder.encode(out, 0, event, seq, arrivalMs));
}

interface Line {
  v: number;
  ts?: string;
  topic: string;
  data: string | null;
  seq?: number;
  id?: string;
  qos?: QoS;
  retain?: boolean;
  dup?: boolean;
  ct?: string;
  src?: string;
  props?: EventProps;
  in?: string;
}

/**
 * Reads the line in `bytes[start, end)`, newline excluded. Takes what a Go writer wrote: `\u003c`, a `null`
 * payload, any number of fraction digits, unknown fields.
 * @param options.crc `required` for a journal's own lines, `optional` (default) for archives of any writer, `checked` when it was already
 * @throws HYD_JOURNAL_DAMAGED when it is not such a line or its crc differs
 */
export function decodeLine(
  bytes: Buffer,
  start: number,
  end: number,
  options: { crc?: 'required' | 'optional' | 'checked' } = {},
): StoredEvent {
  const crc = options.crc === 'checked' ? 'good' : checkLineCrc(bytes, start, end);
  if (crc === 'bad') throw damaged(`its crc is not ${hex(crc32(bytes.subarray(start, end - CRC_BYTES)))}`);
  if (crc === 'none' && options.crc === 'required') throw damaged('it does not end with a crc');
  let line: Line;
  try {
    line = JSON.parse(bytes.toString('utf8', start, end)) as Line;
  } catch (error) {
    throw damaged('it is not JSON', error);
  }
  if (line === null || typeof line !== 'object' || typeof line.topic !== 'string') throw damaged('it has no topic');
  if (line.v !== 1) throw damaged(`its version is ${JSON.stringify(line.v)}, not 1`);
  if (line.data !== null && typeof line.data !== 'string') throw damaged('its data is neither base64 nor null');
  const event: StoredEvent = {
    topic: line.topic,
    payload: line.data === null ? EMPTY : Buffer.from(line.data, 'base64'),
    qos: line.qos ?? 0,
    retain: line.retain ?? false,
    seq: line.seq ?? 0,
    ts: line.ts ?? '',
  };
  if (line.id !== undefined) event.id = line.id;
  if (line.dup) event.dup = true;
  if (line.ct !== undefined) event.contentType = line.ct;
  if (line.src !== undefined) event.source = line.src;
  if (line.props !== undefined) event.props = line.props;
  if (line.in !== undefined) event.inbound = line.in;
  return event;
}

/** Whether a line's crc agrees with its bytes, which is all that a whole line of our own needs; `none` when it does not end with one. */
export function checkLineCrc(bytes: Buffer, start: number, end: number): 'good' | 'bad' | 'none' {
  const crcAt = end - CRC_BYTES;
  if (crcAt <= start || bytes[end - 1] !== 0x7d || bytes[end - 2] !== 0x22) return 'none';
  for (let i = 0; i < CRC_PREFIX.length; i++) if (bytes[crcAt + i] !== CRC_PREFIX[i]) return 'none';
  const counted = crc32(bytes.subarray(start, crcAt));
  for (let shift = 28, at = crcAt + CRC_PREFIX.length; shift >= 0; shift -= 4, at++) {
    if (bytes[at] !== HEX[(counted >>> shift) & 15]) return 'bad';
  }
  return 'good';
}

const EMPTY = Buffer.alloc(0);

function hex(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

function damaged(why: string, cause?: unknown): HydrantError {
  return new HydrantError('HYD_JOURNAL_DAMAGED', `not a whole archive line: ${why}`, { cause });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
