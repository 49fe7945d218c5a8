import { crc32 } from 'node:zlib';
import { HydrantError } from '../core/errors.ts';
import type { Event, EventProps, QoS, StoredEvent } from './event.ts';
import { putBase64, putNumber, putText } from './put-bytes.ts';

/**
 * The archive line, version 1: one JSON object, one `\n`, in the order
 * `v ts topic data [seq id qos retain dup ct src props in] crc`. The first four fields are the seed
 * archiver's own and are escaped as Go's encoder does; readers skip fields they do not know.
 * `crc` is 8 hex digits of the crc32 of the bytes before `,"crc"`. docs/reference/archive-format.md.
 */
const HEAD = '{"v":1,"ts":"';
const CRC_FIELD = ',"crc":"';
const CRC_PREFIX = Buffer.from(CRC_FIELD);
const CRC_BYTES = CRC_PREFIX.length + 8 + 2;
const HEX = Buffer.from('0123456789abcdef');
const CACHE_ENTRIES = 50_000;
/** Of `qos`, `retain` and `dup` together: `qos + 4 retain + 8 dup`. */
const FLAGS = Array.from({ length: 16 }, (_, bits) => {
  const qos = bits & 3;
  return `${qos > 0 ? `,"qos":${qos}` : ''}${bits & 4 ? ',"retain":true' : ''}${bits & 8 ? ',"dup":true' : ''}`;
});
const KEPT_TICKS = 2048;
/** What stands behind the milliseconds. */
const TICKS = Array.from({ length: KEPT_TICKS }, (_, tick) => tickText(tick));

/** Timestamps of lines. Those of one millisecond get rising sub-millisecond digits, so `ts` orders like `seq`. */
export class LineClock {
  #ms = Number.NaN;
  #tick = 0;
  /** Of the stamp given last: up to the milliseconds, and behind them. */
  prefix = '';
  suffix = '';
  /** The one given last. */
  stamp = '';

  next(ms: number): string {
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#tick = 0;
      // Through bytes, for a string of its own: reading a slice of another costs four times as much.
      this.prefix = Buffer.from(new Date(ms).toISOString()).toString('latin1', 0, 23);
    } else if (this.#tick < 99_999) this.#tick++;
    this.suffix = this.#tick < KEPT_TICKS ? TICKS[this.#tick]! : tickText(this.#tick);
    this.stamp = this.prefix + this.suffix;
    return this.stamp;
  }
}

/** The last digit is never 0, so a formatter that trims zeros (Go's RFC3339Nano) writes the same 30 characters. */
function tickText(tick: number): string {
  return `${String(tick * 10 + 1).padStart(6, '0')}Z`;
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
    this.#clock.next(arrivalMs);
    at = putText(out, at, HEAD);
    at = putText(out, at, this.#clock.prefix);
    at = putText(out, at, this.#clock.suffix);
    at = putText(out, at, '","topic":');
    at = putText(out, at, this.#quoted(this.#topics, event.topic));
    at = putText(out, at, ',"data":"');
    at = putBase64(out, at, event.payload);
    if (seq > 0) at = putNumber(out, putText(out, at, '","seq":'), seq);
    else out[at++] = 0x22;
    if (event.id !== undefined) at = putText(out, at, `,"id":${JSON.stringify(event.id)}`);
    at = putText(out, at, FLAGS[event.qos | (event.retain ? 4 : 0) | (event.dup ? 8 : 0)]!);
    if (event.contentType !== undefined) at = putText(out, at, `,"ct":${JSON.stringify(event.contentType)}`);
    if (event.source !== undefined) at = putText(out, putText(out, at, ',"src":'), this.#quoted(this.#sources, event.source));
    if (event.props !== undefined) at = putText(out, at, `,"props":${JSON.stringify(event.props)}`);
    if (event.inbound !== undefined) at = putText(out, at, `,"in":"${event.inbound}"`);
    const crc = crc32(out.subarray(start, at));
    at = putText(out, at, CRC_FIELD);
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
