import type { DecodedArray, SchemaElement } from 'hyparquet';
import type { StoredEvent } from '../../wire/event.ts';
import { decodeLine } from '../../wire/line.ts';
import { formatLine } from '../../wire/line-text.ts';

/** One event as a row. `line` has the line itself where the other columns would not give it back byte for byte. */
export interface Row {
  /** Whole microseconds since 1970, and the nanoseconds below them. */
  ts: bigint;
  nanos: number;
  topic: string;
  payload: Uint8Array;
  seq: bigint;
  id: string | null;
  qos: number;
  retain: boolean;
  dup: boolean;
  content_type: string | null;
  source: string | null;
  /** JSON. */
  props: string | null;
  inbound: string | null;
  line: Uint8Array | null;
}

const text = { type: 'BYTE_ARRAY', converted_type: 'UTF8', logical_type: { type: 'STRING' } } as const;
const required = { repetition_type: 'REQUIRED' } as const;
const optional = { repetition_type: 'OPTIONAL' } as const;

/** The columns in their order; docs/reference/archive-format.md says what is in them. */
export const COLUMNS: readonly (SchemaElement & { name: keyof Row | 'journal' | 'epoch' })[] = [
  {
    name: 'ts',
    type: 'INT64',
    converted_type: 'TIMESTAMP_MICROS',
    logical_type: { type: 'TIMESTAMP', isAdjustedToUTC: true, unit: 'MICROS' },
    ...required,
  },
  { name: 'nanos', type: 'INT32', ...required },
  { name: 'topic', ...text, ...required },
  { name: 'payload', type: 'BYTE_ARRAY', ...required },
  { name: 'seq', type: 'INT64', ...required },
  { name: 'id', ...text, ...optional },
  { name: 'qos', type: 'INT32', ...required },
  { name: 'retain', type: 'BOOLEAN', ...required },
  { name: 'dup', type: 'BOOLEAN', ...required },
  { name: 'content_type', ...text, ...optional },
  { name: 'source', ...text, ...optional },
  { name: 'props', ...text, ...optional },
  { name: 'inbound', ...text, ...optional },
  { name: 'journal', ...text, ...required },
  { name: 'epoch', ...text, ...required },
  { name: 'line', type: 'BYTE_ARRAY', ...optional },
];

/** Reads the line in `bytes[start, end)`, newline excluded, as a row that gives it back byte for byte. */
export function toRow(bytes: Buffer, start: number, end: number): Row {
  const event = decodeLine(bytes, start, end);
  const time = splitTime(event.ts);
  const row: Row = {
    ...(time ?? { ts: BigInt(Date.parse(event.ts) || 0) * 1000n, nanos: 0 }),
    topic: event.topic,
    payload: event.payload,
    seq: BigInt(event.seq),
    id: textOrNull(event.id),
    qos: Number(event.qos),
    retain: event.retain === true,
    dup: event.dup === true,
    content_type: textOrNull(event.contentType),
    source: textOrNull(event.source),
    props: event.props === undefined ? null : JSON.stringify(event.props),
    inbound: textOrNull(event.inbound),
    line: null,
  };
  const texts = [row.topic, row.id, row.content_type, row.source, row.inbound];
  const kept = time && texts.every((value) => value === null || value.isWellFormed());
  if (!kept || !bytes.subarray(start, end).equals(Buffer.from(lineText(row)))) row.line = Buffer.from(bytes.subarray(start, end));
  return row;
}

function textOrNull(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

const TIME = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{9})Z$/;

function splitTime(ts: string): { ts: bigint; nanos: number } | undefined {
  const found = TIME.exec(ts);
  const seconds = found ? Date.parse(`${found[1]}Z`) / 1000 : Number.NaN;
  if (!found || Number.isNaN(seconds)) return undefined;
  const fraction = Number(found[2]);
  return { ts: BigInt(seconds * 1_000_000 + Math.floor(fraction / 1000)), nanos: fraction % 1000 };
}

let prefixSecond = Number.NaN;
let prefix = '';

function joinTime(ts: bigint, nanos: number): string {
  const micros = Number(ts);
  const second = Math.floor(micros / 1_000_000);
  if (second !== prefixSecond) {
    prefix = new Date(second * 1000).toISOString().slice(0, 19);
    prefixSecond = second;
  }
  return `${prefix}.${String((micros - second * 1_000_000) * 1000 + nanos).padStart(9, '0')}Z`;
}

function lineText(row: Omit<Row, 'line'>): string {
  const event: StoredEvent = {
    topic: row.topic,
    payload: row.payload,
    qos: row.qos as StoredEvent['qos'],
    retain: row.retain,
    seq: Number(row.seq),
    ts: joinTime(row.ts, row.nanos),
  };
  if (row.id !== null) event.id = row.id;
  if (row.dup) event.dup = true;
  if (row.content_type !== null) event.contentType = row.content_type;
  if (row.source !== null) event.source = row.source;
  if (row.props !== null) event.props = JSON.parse(row.props);
  if (row.inbound !== null) event.inbound = row.inbound;
  return formatLine(event);
}

const FLUSH_CHARS = 1024 * 1024;

/** The lines of a row group in the order of their sequences, each with its newline. */
export function toLines(columns: ReadonlyMap<string, DecodedArray>, rows: number): Buffer {
  const column = (name: keyof Row): DecodedArray => {
    const values = columns.get(name);
    if (values?.length !== rows) throw new Error(`its column ${name} has ${values?.length ?? 0} of ${rows} values`);
    return values;
  };
  const names: readonly (keyof Row)[] = COLUMNS.map(({ name }) => name).filter((name) => name !== 'journal' && name !== 'epoch');
  const read = Object.fromEntries(names.map((name) => [name, column(name)])) as Record<keyof Row, DecodedArray>;
  const parts: Buffer[] = [];
  let pending = '';
  const flush = (): void => {
    parts.push(Buffer.from(pending));
    pending = '';
  };
  for (const i of bySequence(read.seq)) {
    const row: Row = {
      ts: read.ts[i],
      nanos: read.nanos[i],
      topic: read.topic[i],
      payload: read.payload[i],
      seq: read.seq[i],
      id: read.id[i] ?? null,
      qos: read.qos[i],
      retain: read.retain[i],
      dup: read.dup[i],
      content_type: read.content_type[i] ?? null,
      source: read.source[i] ?? null,
      props: read.props[i] ?? null,
      inbound: read.inbound[i] ?? null,
      line: read.line[i] ?? null,
    };
    if (row.line) {
      flush();
      parts.push(Buffer.from(row.line), NEWLINE);
    } else pending += `${lineText(row)}\n`;
    if (pending.length > FLUSH_CHARS) flush();
  }
  flush();
  return Buffer.concat(parts);
}

const NEWLINE = Buffer.from('\n');

/** Rows are sorted by time, which is the order of sequences unless the clock stepped back. */
function bySequence(seqs: DecodedArray): Uint32Array {
  const order = Uint32Array.from({ length: seqs.length }, (_, i) => i);
  for (let i = 1; i < seqs.length; i++) {
    if (seqs[i] < seqs[i - 1]) return order.sort((a, b) => (seqs[a] < seqs[b] ? -1 : 1));
  }
  return order;
}
