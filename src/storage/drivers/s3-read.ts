import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { HydrantError } from '../../core/errors.ts';
import type { ByteRange } from '../store.ts';
import { s3Code, s3Status } from './s3-failure.ts';
import { failed, type S3Target } from './s3-target.ts';

const CHUNK_BYTES = 1024 * 1024;
/** Times that a reading goes on after it was cut, without a byte in between. */
const CUTS = 3;
const PAUSE_MS = 100;

/**
 * An object's bytes, in chunks of at most 1 MiB. Goes on where it was cut. Read from begin to end, the content is checked against the
 * hash that was left with it.
 * @throws HYD_OBJECT_MISSING, HYD_STORE
 */
export async function* readObject(target: S3Target, key: string, range?: ByteRange): AsyncGenerator<Buffer> {
  const { client, sdk, bucket, prefix } = target;
  const object = { Bucket: bucket, Key: prefix + key };
  const hash = range ? undefined : createHash('sha256');
  let at = range?.start ?? 0;
  let noted: string | undefined;
  let tag: string | undefined;
  for (let cuts = 0; ; ) {
    const part = at > 0 || range ? `bytes=${at}-${range ? range.end - 1 : ''}` : undefined;
    const answer = await client.send(new sdk.GetObjectCommand({ ...object, Range: part, IfMatch: tag })).catch((error) => {
      if (s3Status(error) === 416) return undefined;
      if (s3Code(error) === 'NoSuchKey') throw missing(target, key, error);
      throw failed(target, 'read', `object ${key}`, error);
    });
    // Nothing lies in this range, or all of it came before the cut.
    if (!answer) break;
    if (part && !answer.ContentRange) {
      throw new HydrantError('HYD_STORE', `cannot read a part of object ${key}: the server sends the whole`, {
        retryable: false,
        fix: 'Use a server, or a proxy before it, that serves ranges.',
      });
    }
    tag = answer.ETag;
    noted = answer.Metadata?.sha256;
    try {
      for await (const chunk of answer.Body as AsyncIterable<Buffer>) {
        cuts = 0;
        at += chunk.length;
        hash?.update(chunk);
        for (let from = 0; from < chunk.length; from += CHUNK_BYTES) yield chunk.subarray(from, from + CHUNK_BYTES);
      }
      break;
    } catch (error) {
      if (++cuts > CUTS || isMismatch(error)) throw failed(target, 'read', `object ${key}`, error);
      await delay(PAUSE_MS * cuts);
    }
  }
  if (!hash || !noted || hash.digest('hex') === noted) return;
  throw new HydrantError('HYD_STORE', `object ${key}: what came is not what was put (its SHA-256 is another)`, {
    fix: 'Read it again. If it stays, it was damaged in the store, or something on the way changes it: `hydrant archive verify`.',
  });
}

function missing({ bucket, prefix }: S3Target, key: string, cause: unknown): HydrantError {
  return new HydrantError('HYD_OBJECT_MISSING', `there is no object ${key} in s3://${bucket}/${prefix}`, { cause });
}

/** The library compares a checksum that the server keeps when the last byte is there. */
function isMismatch(error: unknown): boolean {
  return error instanceof Error && /checksum mismatch/i.test(error.message);
}
