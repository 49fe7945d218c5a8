import { createReadStream } from 'node:fs';
import type { ObjectBody } from '../store.ts';
import { contentType, type S3Content } from './s3-content.ts';
import { objectInput, type S3Target } from './s3-target.ts';

/** What goes with an object: the hash of its content, and which put it came from. */
export interface S3Note extends Record<string, string> {
  sha256: string;
  put: string;
}

/** One try to put an object: in one request, or in parts, one at a time. What it throws is the library's. */
export async function sendContent(
  target: S3Target,
  key: string,
  body: ObjectBody,
  content: S3Content,
  options: { note: S3Note; isConditional: boolean },
): Promise<{ ETag?: string; ServerSideEncryption?: string }> {
  const { client, sdk } = target;
  const input = {
    ...objectInput(target, key),
    ContentType: contentType(key),
    Metadata: options.note,
    IfNoneMatch: options.isConditional ? '*' : undefined,
  };
  if (content.whole) return client.send(new sdk.PutObjectCommand({ ...input, Body: content.whole }));
  const { Upload } = await import('@aws-sdk/lib-storage');
  const file = 'path' in body ? createReadStream(body.path, { highWaterMark: 1024 ** 2 }) : undefined;
  try {
    const params = { ...input, Body: file ?? (body as Uint8Array), ContentLength: content.bytes };
    return await new Upload({ client, params, partSize: content.partBytes, queueSize: 1 }).done();
  } finally {
    file?.destroy();
  }
}

/** Whether the tag that S3 gave is that of the content. Undefined when it cannot be told: with KMS the tag says nothing. */
export function isTagOf(content: S3Content, answer: { ETag?: string; ServerSideEncryption?: string }): boolean | undefined {
  if (answer.ServerSideEncryption?.startsWith('aws:kms')) return undefined;
  return answer.ETag?.replace(/^W\/|"/g, '') === content.etag;
}
