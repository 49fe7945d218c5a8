import { s3Status } from './s3-failure.ts';
import { failed, objectInput, type S3Target } from './s3-target.ts';

/** How an object goes up: in one request, or in parts. */
export type UploadKind = 'whole' | 'parts';

/** The object that conditions are tried on. It is removed afterwards, where that is allowed, and never listed. */
export const PROBE_KEY = 'hydrant-probe';

/** What it holds. */
export const PROBE = Buffer.from('Hydrant tries here whether the server keeps to If-None-Match. This object may be removed.\n');

/** Another process may remove the probe between the two puts of this one. */
const TRIES = 2;

/**
 * Whether the server refuses to overwrite when it is asked to: an object is put twice under the condition that there is none.
 * @throws HYD_STORE when it cannot be tried
 */
export async function honoursCondition(target: S3Target, kind: UploadKind): Promise<boolean> {
  const put = kind === 'whole' ? putProbe : putProbeInParts;
  try {
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      await isRefused(putProbe(target));
      if (await isRefused(put(target))) return true;
    }
    return false;
  } catch (error) {
    // Some servers refuse what they do not know.
    if (s3Status(error) === 501) return false;
    throw failed(target, 'write', `object ${target.prefix}${PROBE_KEY}`, error);
  } finally {
    const { client, sdk, bucket, prefix } = target;
    await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: prefix + PROBE_KEY })).catch(() => {});
  }
}

/** Whether the server refused because the key is taken. */
export async function isRefused(put: Promise<unknown>): Promise<boolean> {
  try {
    await put;
    return false;
  } catch (error) {
    if (s3Status(error) === 412) return true;
    throw error;
  }
}

/** Throws what the library throws: 412 when it is there. */
export async function putProbe(target: S3Target, isConditional = true): Promise<void> {
  const { client, sdk } = target;
  const condition = isConditional ? '*' : undefined;
  await client.send(new sdk.PutObjectCommand({ ...objectInput(target, PROBE_KEY), Body: PROBE, IfNoneMatch: condition }));
}

/** The same in parts. An upload that is refused is aborted. */
export async function putProbeInParts(target: S3Target): Promise<void> {
  const { client, sdk } = target;
  const input = objectInput(target, PROBE_KEY);
  const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(input));
  const upload = { Bucket: input.Bucket, Key: input.Key, UploadId };
  try {
    const part = { ...upload, PartNumber: 1, Body: PROBE, ChecksumAlgorithm: input.ChecksumAlgorithm };
    const { ETag, ChecksumSHA256 } = await client.send(new sdk.UploadPartCommand(part));
    const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumSHA256 }] };
    await client.send(new sdk.CompleteMultipartUploadCommand({ ...upload, MultipartUpload, IfNoneMatch: '*' }));
  } catch (error) {
    await client.send(new sdk.AbortMultipartUploadCommand(upload)).catch(() => {});
    throw error;
  }
}
