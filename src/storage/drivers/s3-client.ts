import { setMaxListeners } from 'node:events';
import { readFileSync } from 'node:fs';
import type { S3Client } from '@aws-sdk/client-s3';
import { errorText, HydrantError } from '../../core/errors.ts';
import type { S3Settings } from '../options.ts';

/** Tries of one request that the client makes by itself before the caller hears of it. */
const ATTEMPTS = 3;

/** Where requests go when nothing else says so. */
const ANY_REGION = 'us-east-1';

/** The library, loaded when the first request is made. */
type S3Library = typeof import('@aws-sdk/client-s3');

export interface OpenS3Client {
  sdk: S3Library;
  client: S3Client;
}

/** The endpoint in force: the one of the configuration, else what the environment gives every tool of AWS. Undefined is AWS itself. */
export function s3Endpoint({ endpoint }: S3Settings): string | undefined {
  return endpoint ?? (process.env.AWS_ENDPOINT_URL_S3 || process.env.AWS_ENDPOINT_URL || undefined);
}

/**
 * A client of AWS' own library. Other servers are spared the checksums that only AWS knows: there the signature holds the content's hash.
 * @param signal ends the requests under way, and lets no other begin
 * @throws HYD_CONFIG for half a pair of keys, or authorities that cannot be read
 */
export async function openS3Client(settings: S3Settings, signal?: AbortSignal): Promise<OpenS3Client> {
  const { accessKeyId, secretAccessKey, sessionToken, ca } = settings;
  if ((accessKeyId === undefined) !== (secretAccessKey === undefined)) {
    const [given, missing] = accessKeyId ? ['accessKeyId', 'secretAccessKey'] : ['secretAccessKey', 'accessKeyId'];
    throw new HydrantError('HYD_CONFIG', `archive.s3.${given} is given without archive.s3.${missing}`);
  }
  const sdk = await import('@aws-sdk/client-s3');
  const endpoint = s3Endpoint(settings);
  const checksums = endpoint ? 'WHEN_REQUIRED' : 'WHEN_SUPPORTED';
  const client = new sdk.S3Client({
    endpoint,
    region: settings.region ?? (endpoint ? process.env.AWS_REGION || ANY_REGION : undefined),
    forcePathStyle: settings.pathStyle ?? endpoint !== undefined,
    profile: settings.profile,
    credentials: accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey, sessionToken } : undefined,
    maxAttempts: ATTEMPTS,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    requestHandler: {
      connectionTimeout: settings.connectTimeout,
      socketTimeout: settings.idleTimeout,
      httpsAgent: { ca: ca === undefined ? undefined : readAuthorities(ca) },
    },
  });
  if (signal) endWith(client, signal);
  return { sdk, client };
}

function endWith(client: S3Client, signal: AbortSignal): void {
  setMaxListeners(0, signal);
  const handler = client.config.requestHandler;
  const handle = handler.handle.bind(handler);
  handler.handle = (request, options) => handle(request, { ...options, abortSignal: signal });
}

function readAuthorities(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new HydrantError('HYD_CONFIG', `archive.s3.ca: ${errorText(cause)}`, { cause, fix: 'Give a PEM file that this user may read.' });
  }
}
