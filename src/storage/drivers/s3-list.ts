import type { ListMultipartUploadsCommandOutput } from '@aws-sdk/client-s3';
import { isKey, type ObjectInfo } from '../store.ts';
import { PROBE_KEY } from './s3-condition.ts';
import { s3Code, strangeAnswer } from './s3-failure.ts';
import { failed, placeOf, type S3Target } from './s3-target.ts';

/**
 * Every object whose key begins with `prefix`, in the order of the keys. What no driver can hold, such as the markers that some tools
 * leave for folders, is left out.
 * @throws HYD_STORE
 */
export async function* listObjects(target: S3Target, prefix: string): AsyncGenerator<ObjectInfo> {
  const { client, sdk, bucket } = target;
  // Keys may hold what XML cannot.
  const input = { Bucket: bucket, Prefix: target.prefix + prefix, EncodingType: 'url' as const };
  const what = `${prefix || 'the objects'} in s3://${bucket}/${target.prefix}`;
  for (let next: string | undefined, more = true; more; ) {
    const page = await client.send(new sdk.ListObjectsV2Command({ ...input, ContinuationToken: next })).catch((error) => {
      throw failed(target, 'list', what, error);
    });
    // Any XML, so a page of HTML too, reads as a list without objects.
    if (page.Name === undefined && page.IsTruncated === undefined) throw strangeAnswer(what, placeOf(target));
    for (const { Key = '', Size = 0, LastModified } of page.Contents ?? []) {
      const key = (page.EncodingType === 'url' ? decodeKey(Key) : Key)?.slice(target.prefix.length);
      if (key !== undefined && isKey(key) && key !== PROBE_KEY) yield { key, bytes: Size, modifiedMs: LastModified?.getTime() ?? 0 };
    }
    next = page.NextContinuationToken;
    more = page.IsTruncated === true;
    if (more && next === undefined) throw strangeAnswer(what, placeOf(target), 'a list that has more and does not say where it goes on');
  }
}

/** Undefined for bytes that are no UTF-8. */
function decodeKey(key: string): string | undefined {
  try {
    return decodeURIComponent(key.replaceAll('+', ' '));
  } catch {
    return undefined;
  }
}

/**
 * Aborts the uploads in parts of some keys that began before a moment.
 * @returns how many
 * @throws HYD_STORE
 */
export async function abortUploads(target: S3Target, beforeMs: number, owns: (key: string) => boolean): Promise<number> {
  const { client, sdk, bucket, prefix } = target;
  let aborted = 0;
  try {
    for (let next: { KeyMarker?: string; UploadIdMarker?: string } | undefined = {}; next; ) {
      const input = { Bucket: bucket, Prefix: prefix, ...next };
      const page: ListMultipartUploadsCommandOutput = await client.send(new sdk.ListMultipartUploadsCommand(input));
      for (const { Key, UploadId, Initiated } of page.Uploads ?? []) {
        const key = Key?.slice(prefix.length) ?? '';
        if (!Initiated || Initiated.getTime() > beforeMs || !(key === PROBE_KEY || owns(key))) continue;
        await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key, UploadId }));
        aborted++;
      }
      next = page.IsTruncated ? { KeyMarker: page.NextKeyMarker, UploadIdMarker: page.NextUploadIdMarker } : undefined;
    }
  } catch (error) {
    if (s3Code(error) === 'NoSuchBucket') return 0;
    throw failed(target, 'clean up', `unfinished uploads in s3://${bucket}/${prefix}`, error);
  }
  return aborted;
}
