import type { PutObjectCommandInput } from '@aws-sdk/client-s3';
import { HydrantError } from '../../core/errors.ts';
import type { S3Settings } from '../options.ts';
import { type OpenS3Client, s3Endpoint } from './s3-client.ts';
import { type S3Action, type S3Place, s3Code, s3Failure, s3Status } from './s3-failure.ts';

/** A client, and where in which bucket it works. */
export interface S3Target extends OpenS3Client {
  bucket: string;
  /** Empty, or ends with a slash. */
  prefix: string;
  settings: S3Settings;
}

/** What each new object is asked to be: encrypted and stored as the settings say. */
export function objectInput({ bucket, prefix, settings }: S3Target, key: string): PutObjectCommandInput {
  const { sse, kmsKeyId, storageClass } = settings;
  return {
    Bucket: bucket,
    Key: prefix + key,
    ServerSideEncryption: sse === 'none' ? undefined : sse,
    SSEKMSKeyId: sse === 'aws:kms' ? kmsKeyId : undefined,
    StorageClass: storageClass as PutObjectCommandInput['StorageClass'],
    // Where the server is AWS it keeps this one with the object, and answers to it when the object is read.
    ChecksumAlgorithm: s3Endpoint(settings) ? undefined : 'SHA256',
  };
}

/** HYD_STORE for what the library threw. */
export function failed(target: S3Target, action: S3Action, what: string, error: unknown): HydrantError {
  return s3Failure(action, what, error, placeOf(target));
}

export function placeOf({ bucket, settings }: S3Target): S3Place {
  return { bucket, endpoint: s3Endpoint(settings), region: settings.region };
}

/**
 * Sees to it that the bucket is there, and makes it when the settings allow that. Who may not look for it may still put into it.
 * @returns whether it was made
 * @throws HYD_STORE
 */
export async function ensureBucket(target: S3Target): Promise<boolean> {
  const { client, sdk, bucket, settings } = target;
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }));
    return false;
  } catch (error) {
    if (s3Status(error) === 403) return false;
    if (s3Status(error) !== 404) throw failed(target, 'look for', `bucket ${bucket}`, error);
  }
  if (!settings.createBucket) {
    throw new HydrantError('HYD_STORE', `there is no bucket ${bucket}`, {
      retryable: false,
      fix: 'Make it, correct its name, or set archive.s3.createBucket: true.',
    });
  }
  const region = await client.config.region();
  const location = s3Endpoint(settings) || region === 'us-east-1' ? undefined : { LocationConstraint: region as 'eu-west-1' };
  try {
    await client.send(new sdk.CreateBucketCommand({ Bucket: bucket, CreateBucketConfiguration: location }));
    return true;
  } catch (error) {
    if (s3Code(error) === 'BucketAlreadyOwnedByYou') return false;
    throw failed(target, 'make', `bucket ${bucket}`, error);
  }
}
