import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import type { ObjectBody } from '../store.ts';

/** What is to go up, looked at once before: how much it is, and what must be found there. */
export interface S3Content {
  bytes: number;
  sha256: string;
  /** The tag that S3 gives this content when it is not encrypted with KMS: the MD5, or that of the parts' MD5s. */
  etag: string;
  /** Undefined when it goes up in parts, from its file or from memory. */
  whole?: Buffer;
}

/** Reads what is to be put, into memory when it is no larger than a part. */
export async function readContent(body: ObjectBody, partBytes: number): Promise<S3Content> {
  const isFile = 'path' in body;
  const bytes = isFile ? (await stat(body.path)).size : body.length;
  if (bytes > partBytes) return digestParts(isFile ? createReadStream(body.path) : [body], partBytes);
  const whole = isFile ? await readFile(body.path) : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  const hash = (algorithm: string) => createHash(algorithm).update(whole).digest('hex');
  return { bytes: whole.length, sha256: hash('sha256'), etag: hash('md5'), whole };
}

async function digestParts(chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>, partBytes: number): Promise<S3Content> {
  const sha256 = createHash('sha256');
  const tags: Buffer[] = [];
  let part = createHash('md5');
  let partHas = 0;
  let bytes = 0;
  const endPart = (): void => {
    tags.push(part.digest());
    part = createHash('md5');
    partHas = 0;
  };
  for await (const chunk of chunks) {
    sha256.update(chunk);
    bytes += chunk.length;
    for (let at = 0; at < chunk.length; ) {
      const take = Math.min(chunk.length - at, partBytes - partHas);
      part.update(chunk.subarray(at, at + take));
      partHas += take;
      at += take;
      if (partHas === partBytes) endPart();
    }
  }
  if (partHas > 0) endPart();
  const etag = `${createHash('md5').update(Buffer.concat(tags)).digest('hex')}-${tags.length}`;
  return { bytes, sha256: sha256.digest('hex'), etag };
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
