import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { ObjectBody } from '../store.ts';

/** What is to go up, looked at once before: how much it is, and what must be found there. */
export interface S3Content {
  bytes: number;
  sha256: string;
  /** The tag that S3 gives this content when it is not encrypted with KMS: the MD5, or that of the parts' MD5s. */
  etag: string;
  /** Size of the parts in which it goes up, where it is larger than one. */
  partBytes: number;
  /** Undefined when it goes up in parts, from its file or from memory. */
  whole?: Buffer;
}

/** Hashed at a time, so that nobody waits for more than that in this thread. */
const SLICE_BYTES = 512 * 1024;

/** What S3 takes of one object. */
const MAX_PARTS = 10_000;

/** Reads what is to be put, into memory when it is no larger than a part. @param minPartBytes parts are larger where there would be too many */
export async function readContent(body: ObjectBody, minPartBytes: number): Promise<S3Content> {
  const isFile = 'path' in body;
  const size = isFile ? (await stat(body.path)).size : body.length;
  const partBytes = Math.max(minPartBytes, Math.ceil(size / MAX_PARTS));
  if (isFile && size > partBytes) return digest(createReadStream(body.path), partBytes);
  const bytes = isFile ? await readFile(body.path) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const content = await digest(slices(bytes), partBytes);
  return bytes.length > partBytes ? content : { ...content, whole: bytes };
}

async function* slices(bytes: Buffer): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += SLICE_BYTES) {
    yield bytes.subarray(at, at + SLICE_BYTES);
    await nextTurn();
  }
}

async function digest(chunks: AsyncIterable<Buffer>, partBytes: number): Promise<S3Content> {
  const sha256 = createHash('sha256');
  const tags: Buffer[] = [];
  let part = createHash('md5');
  let room = partBytes;
  let bytes = 0;
  for await (const chunk of chunks) {
    sha256.update(chunk);
    bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      if (room === 0) {
        tags.push(part.digest());
        part = createHash('md5');
        room = partBytes;
      }
      const piece = chunk.subarray(at, at + room);
      part.update(piece);
      room -= piece.length;
      at += piece.length;
    }
  }
  tags.push(part.digest());
  const etag = tags.length === 1 ? hex(tags[0]!) : `${hex(createHash('md5').update(Buffer.concat(tags)).digest())}-${tags.length}`;
  return { bytes, sha256: sha256.digest('hex'), etag, partBytes };
}

function hex(bytes: Buffer): string {
  return bytes.toString('hex');
}

const TYPES: readonly (readonly [ending: string, type: string])[] = [
  ['.gz', 'application/gzip'],
  ['.zst', 'application/zstd'],
  ['.parquet', 'application/vnd.apache.parquet'],
  ['.ndjson', 'application/x-ndjson'],
  ['.json', 'application/json'],
];

/** The media type of an object, by the ending of its key. */
export function contentType(key: string): string {
  return TYPES.find(([ending]) => key.endsWith(ending))?.[1] ?? 'application/octet-stream';
}
