import type { Writable } from 'node:stream';
import { HydrantError } from '../../core/errors.ts';

const BLOCK = 512;
const SIZE_LIMIT = 8 ** 11;

/** One file of an archive. */
export interface TarEntry {
  path: string;
  bytes: number;
  content: AsyncIterable<Uint8Array>;
}

/** Writes POSIX tar (ustar, pax headers for what does not fit), which every tar reads. */
export class TarWriter {
  readonly #out: Writable;
  #failed: unknown;

  constructor(out: Writable) {
    this.#out = out;
    out.on('error', (error) => {
      this.#failed = error;
    });
  }

  /** @throws HYD_STATE when the content has another length than stated */
  async add(entry: TarEntry, modifiedMs: number): Promise<void> {
    const pax = paxRecords(entry);
    if (pax.length > 0) {
      await this.#write(header('PaxHeader', pax.length, 'x', modifiedMs));
      await this.#write(padded(pax));
    }
    await this.#write(header(pax.length > 0 ? entry.path.slice(-100) : entry.path, entry.bytes, '0', modifiedMs));
    let bytes = 0;
    for await (const chunk of entry.content) {
      bytes += chunk.length;
      await this.#write(chunk);
    }
    if (bytes !== entry.bytes)
      throw new HydrantError('HYD_STATE', `${entry.path} changed while it was copied: ${bytes} bytes, not ${entry.bytes}`);
    if (bytes % BLOCK > 0) await this.#write(Buffer.alloc(BLOCK - (bytes % BLOCK)));
  }

  async end(): Promise<void> {
    await this.#write(Buffer.alloc(2 * BLOCK));
  }

  #write(chunk: Uint8Array): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#failed) throw this.#failed;
    this.#out.write(chunk, (error) => (error ? reject(error) : resolve()));
    return promise;
  }
}

/**
 * Reads a tar: every file in order; its content must be consumed before the next one is asked for.
 * @throws HYD_BACKUP for a damaged or cut archive
 */
export async function* readTar(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEntry> {
  const reader = new BlockReader(source);
  let pax: Record<string, string> = {};
  for (;;) {
    const block = await reader.exactly(BLOCK);
    if (block === undefined) throw damaged('it ends before its end mark');
    if (block.every((byte) => byte === 0)) return;
    const { path, bytes, type } = parseHeader(block);
    if (type === 'x') {
      pax = parsePax((await reader.exactly(rounded(bytes)))?.subarray(0, bytes) ?? Buffer.alloc(0));
      continue;
    }
    const size = Number(pax.size ?? bytes);
    const name = pax.path ?? path;
    pax = {};
    const content = reader.content(size);
    if (type === '0' || type === '\0') yield { path: name, bytes: size, content };
    for await (const _rest of content) {
      // What the caller did not take.
    }
    if (size % BLOCK > 0) await reader.exactly(BLOCK - (size % BLOCK));
  }
}

class BlockReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #left: Buffer = Buffer.alloc(0);

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source[Symbol.asyncIterator]();
  }

  async exactly(bytes: number): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    for (let missing = bytes; missing > 0; ) {
      const part = await this.#take(missing);
      if (!part) return undefined;
      parts.push(part);
      missing -= part.length;
    }
    return Buffer.concat(parts);
  }

  async *content(bytes: number): AsyncGenerator<Buffer> {
    for (let missing = bytes; missing > 0; ) {
      const part = await this.#take(missing);
      if (!part) throw damaged('it ends in the middle of a file');
      missing -= part.length;
      yield part;
    }
  }

  async #take(max: number): Promise<Buffer | undefined> {
    if (this.#left.length === 0) {
      const { value, done } = await this.#source.next();
      if (done) return undefined;
      this.#left = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    }
    const part = this.#left.subarray(0, max);
    this.#left = this.#left.subarray(part.length);
    return part;
  }
}

function header(path: string, bytes: number, type: '0' | 'x', modifiedMs: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  block.write(path, 0, 100);
  block.write('0000600\0', 100);
  block.write('0000000\0', 108);
  block.write('0000000\0', 116);
  block.write(
    `${Math.min(bytes, SIZE_LIMIT - 1)
      .toString(8)
      .padStart(11, '0')}\0`,
    124,
  );
  block.write(
    `${Math.floor(modifiedMs / 1000)
      .toString(8)
      .padStart(11, '0')}\0`,
    136,
  );
  block.write('        ', 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}

function paxRecords({ path, bytes }: TarEntry): Buffer {
  let text = '';
  if (Buffer.byteLength(path) > 100) text += paxRecord('path', path);
  if (bytes >= SIZE_LIMIT) text += paxRecord('size', String(bytes));
  return Buffer.from(text);
}

/** `LENGTH key=value\n`, where LENGTH counts itself. */
function paxRecord(key: string, value: string): string {
  const body = ` ${key}=${value}\n`;
  let length = Buffer.byteLength(body);
  while (length !== Buffer.byteLength(body) + String(length).length) length = Buffer.byteLength(body) + String(length).length;
  return length + body;
}

function parsePax(bytes: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(32, at);
    const length = Number(bytes.toString('latin1', at, space));
    if (space === -1 || !(length > 0)) throw damaged('a pax header is not readable');
    const [key, ...value] = bytes.toString('utf8', space + 1, at + length - 1).split('=');
    records[key!] = value.join('=');
    at += length;
  }
  return records;
}

function parseHeader(block: Buffer): { path: string; bytes: number; type: string } {
  const text = (start: number, end: number): string => block.toString('utf8', start, end).replace(/\0.*$/s, '');
  const stated = Number.parseInt(text(148, 156).trim(), 8);
  const counted = block.reduce((total, byte, i) => total + (i >= 148 && i < 156 ? 32 : byte), 0);
  if (stated !== counted) throw damaged('the checksum of a header is wrong');
  const prefix = text(345, 500);
  return {
    path: prefix ? `${prefix}/${text(0, 100)}` : text(0, 100),
    bytes: Number.parseInt(text(124, 136).trim(), 8),
    type: text(156, 157) || '0',
  };
}

function padded(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(rounded(bytes.length) - bytes.length)]);
}

function rounded(bytes: number): number {
  return Math.ceil(bytes / BLOCK) * BLOCK;
}

function damaged(why: string): HydrantError {
  return new HydrantError('HYD_BACKUP', `the backup is damaged: ${why}`);
}
