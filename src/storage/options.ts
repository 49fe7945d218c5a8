import { z } from 'zod';
import { byteSize, duration, filePath } from '../core/option-types.ts';

const text = () => z.string().min(1).optional();
const secret = () => text().meta({ secret: true });

/** How an object store that speaks S3 is reached. A section of the configuration. */
export const s3Options = z.strictObject({
  endpoint: z
    .string()
    .refine(isEndpoint, { error: 'expected a URL such as "https://minio.example.org:9000", without a path or a password' })
    .optional()
    .describe('URL of a server that speaks S3 (MinIO, Ceph, …). Default: AWS, in the region.'),
  region: text().describe('Region of the bucket. Default: AWS_REGION or the profile; with an endpoint, us-east-1.'),
  pathStyle: z.boolean().optional().describe('The bucket in the path, not in the host name. Default: when an endpoint is given.'),
  accessKeyId: text().describe(
    'Access key. Default: the chain of AWS: environment, profile, web identity, container, instance. Goes with secretAccessKey.',
  ),
  secretAccessKey: secret().describe('Secret of the access key.'),
  sessionToken: secret().describe('Session token of temporary keys.'),
  profile: text().describe('Profile of the shared AWS configuration files. Default: AWS_PROFILE.'),
  ca: filePath().optional().describe('PEM file with the authorities that sign the certificate of the endpoint. Default: the usual ones.'),
  createBucket: z.boolean().default(true).describe('Make the bucket before the first upload when it does not exist.'),
  sse: z
    .enum(['none', 'AES256', 'aws:kms'])
    .default('none')
    .describe('Encryption that is asked of the server for each object; none leaves it to the rules of the bucket.'),
  kmsKeyId: text().describe('Key for sse: aws:kms. Default: the one of the bucket or account.'),
  storageClass: text().describe('Storage class of new objects, such as STANDARD_IA. Default: that of the bucket.'),
  parallel: z.int().min(1).max(64).default(4).describe('Uploads at once.'),
  partBytes: byteSize({ min: 5 * 1024 ** 2, max: 1024 ** 3 })
    .prefault('8MiB')
    .describe('Objects above this size go up in parts of it; each upload holds one part in memory.'),
  ifNoneMatch: z
    .enum(['auto', 'require', 'off'])
    .default('auto')
    .describe(
      'Uploads on the condition that the key is free. auto: tried before the first upload; a server that ignores it is asked first whether the key is free. require: such a server gets nothing.',
    ),
  connectTimeout: duration({ minMs: 100 }).prefault('5s').describe('Time for a connection to the server to open.'),
  idleTimeout: duration({ minMs: 100 })
    .prefault('30s')
    .describe('A request in which no byte moves for this long is given up and made again.'),
});

export type S3Settings = z.output<typeof s3Options>;

function isEndpoint(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password, pathname, search, hash } = new URL(value);
  return /^https?:$/.test(protocol) && username + password + search + hash === '' && pathname === '/';
}
