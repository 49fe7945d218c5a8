import type { StoredEvent } from '../wire/event.ts';
import { formatLine } from '../wire/line-text.ts';
import { escapeBytes, escapeText } from './escape.ts';
import type { Io } from './io.ts';
import { write } from './io.ts';
import type { Format } from './options.ts';
import { TableWriter } from './table.ts';

const GATHER_BYTES = 64 * 1024;
const PREVIEW_BYTES = 4096;

/** An event, parsed when asked for, and the line that it is in the archive, without the newline. */
interface KeptEvent {
  readonly event: StoredEvent;
  readonly line: Uint8Array;
}

/** Prints events, whatever the format. Gathers small writes; `flush` before waiting for more, `end` when done. */
export interface EventWriter {
  event(event: StoredEvent): void | Promise<void>;
  /** An event that is kept: NDJSON prints its archive line byte for byte, and does not look into it. */
  record(record: KeptEvent): void | Promise<void>;
  flush(): Promise<void>;
  end(): Promise<void>;
}

/** @param options.time formats an arrival time for the table */
export function createEventWriter(io: Io, format: Format, options: { time: (ms: number) => string }): EventWriter {
  if (format === 'ndjson') return lineWriter(io);
  const writer = format === 'table' ? tableWriter(io, options.time) : format === 'raw' ? rawWriter(io) : jsonWriter(io);
  return { ...writer, record: ({ event }) => writer.event(event) };
}

function lineWriter(io: Io): EventWriter {
  const gathered = new Gathered(io);
  return {
    event: (event) => gathered.add(Buffer.from(formatLine(event)), NEWLINE),
    record: ({ line }) => gathered.add(line, NEWLINE),
    flush: () => gathered.flush(),
    end: () => gathered.flush(),
  };
}

type PlainWriter = Omit<EventWriter, 'record'>;

function rawWriter(io: Io): PlainWriter {
  const gathered = new Gathered(io);
  return {
    event: (event) => gathered.add(io.stdout.isTTY ? Buffer.from(escapeBytes(event.payload, { lines: true })) : event.payload, NEWLINE),
    flush: () => gathered.flush(),
    end: () => gathered.flush(),
  };
}

function jsonWriter(io: Io): PlainWriter {
  const gathered = new Gathered(io);
  let first = true;
  return {
    event(event) {
      const text = JSON.stringify(readable(event));
      const lead = first ? '[\n' : ',\n';
      first = false;
      return gathered.add(Buffer.from(lead + text));
    },
    flush: () => gathered.flush(),
    async end() {
      await gathered.add(Buffer.from(first ? '[]\n' : '\n]\n'));
      await gathered.flush();
    },
  };
}

/** The event as `-o json` shows it: the payload as JSON or text where it is one, else in base64. */
export function readable<Shown extends { payload: Uint8Array }>(event: Shown): Record<string, unknown> {
  const { payload, ...rest } = event;
  const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength);
  const text = bytes.toString();
  if (!bytes.equals(Buffer.from(text))) return { ...rest, data: bytes.toString('base64') };
  try {
    return { ...rest, json: JSON.parse(text) as unknown };
  } catch {
    return { ...rest, text };
  }
}

function tableWriter(io: Io, time: (ms: number) => string): PlainWriter {
  const table = new TableWriter(io, [
    { title: 'TIME' },
    { title: 'SEQ', right: true },
    { title: 'QOS' },
    { title: 'TOPIC' },
    { title: 'PAYLOAD' },
  ]);
  return {
    event: (event) =>
      table.row([
        time(Date.parse(event.ts)),
        event.seq > 0 ? String(event.seq) : '-',
        `${event.qos}${event.retain ? 'r' : ''}`,
        escapeText(event.topic),
        escapeBytes(event.payload.subarray(0, PREVIEW_BYTES)),
      ]),
    flush: () => table.flush(),
    end: () => table.flush(),
  };
}

/** Small chunks become large writes. What is added is copied, so its buffer may be used again. */
class Gathered {
  readonly #io: Io;
  #chunk = Buffer.allocUnsafeSlow(GATHER_BYTES);
  #bytes = 0;

  constructor(io: Io) {
    this.#io = io;
  }

  add(part: Uint8Array, ending?: Uint8Array): void | Promise<void> {
    const bytes = part.length + (ending?.length ?? 0);
    if (this.#bytes + bytes > GATHER_BYTES) return this.#addAfterFlush(part, ending);
    this.#copy(part, ending);
  }

  async #addAfterFlush(part: Uint8Array, ending?: Uint8Array): Promise<void> {
    await this.flush();
    const bytes = part.length + (ending?.length ?? 0);
    if (bytes > GATHER_BYTES) return write(this.#io.stdout, Buffer.concat(ending ? [part, ending] : [part]), this.#io.signal);
    this.#copy(part, ending);
  }

  #copy(part: Uint8Array, ending?: Uint8Array): void {
    this.#chunk.set(part, this.#bytes);
    this.#bytes += part.length;
    if (ending) this.#chunk.set(ending, this.#bytes);
    this.#bytes += ending?.length ?? 0;
  }

  async flush(): Promise<void> {
    if (this.#bytes === 0) return;
    const full = this.#chunk.subarray(0, this.#bytes);
    this.#chunk = Buffer.allocUnsafeSlow(GATHER_BYTES);
    this.#bytes = 0;
    await write(this.#io.stdout, full, this.#io.signal);
  }
}

const NEWLINE = Buffer.from('\n');
