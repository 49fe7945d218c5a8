import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import { formatDuration } from '../../core/units.ts';

/** What was tried, and the permissions of IAM that it needs. */
const PERMISSIONS = {
  write: 's3:PutObject',
  read: 's3:GetObject',
  'look at': 's3:GetObject, and s3:ListBucket to be told that an object is missing',
  list: 's3:ListBucket',
  delete: 's3:DeleteObject',
  'clean up': 's3:ListBucketMultipartUploads and s3:AbortMultipartUpload',
  'look for': 's3:ListBucket',
  make: 's3:CreateBucket',
} as const;

export type S3Action = keyof typeof PERMISSIONS;

export interface S3Place {
  bucket: string;
  /** Undefined is AWS. */
  endpoint?: string;
  region?: string;
}

/** What the library throws, as far as it is looked at. */
interface Thrown {
  name?: string;
  message?: string;
  Region?: string;
  $metadata?: { httpStatusCode?: number; requestId?: string; attempts?: number };
  $response?: { headers?: Record<string, string> };
}

/** The code that S3 gave (`NoSuchKey`), or the library's name of the error. */
export function s3Code(error: unknown): string {
  return (error as Thrown | null)?.name ?? '';
}

/** The HTTP status of S3's answer; undefined when there was none. */
export function s3Status(error: unknown): number | undefined {
  return (error as Thrown | null)?.$metadata?.httpStatusCode;
}

/** Whether S3 knows no such key, or another secret of it, so that nothing that is asked for with it can be answered. */
export function isOfKeys(error: unknown): boolean {
  return BY_CODE[s3Code(error)] === KEYS;
}

/** HYD_STORE with what S3 said, whether trying again can help, and what to do; HYD_CLOSED when the store was closed meanwhile. */
export function s3Failure(action: S3Action, what: string, error: unknown, place: S3Place): HydrantError {
  if (error instanceof HydrantError) return error;
  if (s3Code(error) === 'AbortError')
    return new HydrantError('HYD_CLOSED', `cannot ${action} ${what}: the store was closed`, { cause: error });
  const { fix, retryable } = advice(action, error as Thrown, place);
  return new HydrantError('HYD_STORE', `cannot ${action} ${what}: ${describe(error as Thrown, place)}`, { cause: error, fix, retryable });
}

function describe(error: Thrown, { endpoint }: S3Place): string {
  const status = s3Status(error);
  if (status === undefined || isStrange(error)) {
    const text = errorText(error) || systemCode(error) || error.name;
    return endpoint && error.name !== 'CredentialsProviderError' ? `${endpoint}: ${text}` : `${text}`;
  }
  const { requestId } = error.$metadata!;
  const request = requestId ? `, request ${requestId}` : '';
  // The answer to a HEAD has no text.
  if (/^(Unknown|UnknownError|NotFound)$/.test(error.name ?? '')) return `S3 says ${status}${request}`;
  const said = !error.message || /^Unknown/.test(error.message) || error.message === error.name ? '' : `: ${error.message}`;
  return `S3 says ${error.name} (${status}${request})${said}`;
}

interface Advice {
  fix: string;
  retryable: boolean;
}

const KEYS: Advice = {
  retryable: false,
  fix: 'Check archive.s3.accessKeyId and archive.s3.secretAccessKey, or the environment, profile or role that they come from by default; temporary keys also need the session token.',
};

const CHANGED: Advice = {
  retryable: true,
  fix: 'What arrived was not what was sent; it is tried again by itself. If it stays, look for a faulty proxy or network.',
};

const REFUSED: Advice = {
  retryable: false,
  fix: 'The server refuses what it is asked for: check archive.s3.storageClass, archive.s3.sse and archive.s3.kmsKeyId.',
};

const STRANGE: Advice = {
  retryable: false,
  fix: 'What answers there is no S3: check archive.s3.endpoint, its port, and http against https.',
};

/** What helps wherever S3, or the library, gives this code. */
const BY_CODE: Record<string, Advice> = {
  InvalidAccessKeyId: KEYS,
  SignatureDoesNotMatch: KEYS,
  InvalidToken: KEYS,
  ExpiredToken: KEYS,
  TokenRefreshRequired: KEYS,
  CredentialsProviderError: KEYS,
  XAmzContentSHA256Mismatch: CHANGED,
  BadDigest: CHANGED,
  IncompleteBody: CHANGED,
  InvalidArgument: REFUSED,
  InvalidRequest: REFUSED,
  InvalidStorageClass: REFUSED,
  InvalidEncryptionAlgorithmError: REFUSED,
  NotImplemented: {
    retryable: false,
    fix: 'The server does not know this: leave out archive.s3.sse and archive.s3.storageClass there.',
  },
  SlowDown: {
    retryable: true,
    fix: 'The store wants fewer requests at a time: lower archive.s3.parallel. It is tried again by itself.',
  },
};

const OTHER_REGION = [
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
  'InvalidLocationConstraint',
];

function advice(action: S3Action, error: Thrown, place: S3Place): Advice {
  const { bucket } = place;
  const code = s3Code(error);
  const status = s3Status(error);
  if (/KMS/i.test(code) || (status !== undefined && status < 500 && /kms/i.test(error.message ?? '')))
    return { retryable: false, fix: 'Allow kms:GenerateDataKey and kms:Decrypt on the key, or correct archive.s3.kmsKeyId.' };
  const known = BY_CODE[code];
  if (known) return known;
  if (code === 'NoSuchBucket')
    return {
      retryable: false,
      fix: `Make the bucket ${bucket}, or correct its name.${action === 'write' ? ' Nothing local was removed.' : ''}`,
    };
  if (code === 'RequestTimeTooSkewed')
    return { retryable: false, fix: `${skew(error)}Set the clock and keep it set: \`timedatectl set-ntp true\`.` };
  // The answer to a HEAD has no code, but it names the region.
  if (OTHER_REGION.includes(code) || status === 301 || (status === 400 && regionOf(error)))
    return { retryable: false, fix: regionFix(error, place) };
  if (status === 403)
    return { retryable: false, fix: `Allow ${PERMISSIONS[action]} on the bucket ${bucket}; \`hydrant doctor s3\` tries each permission.` };
  if (/region is missing/i.test(error.message ?? ''))
    return { retryable: false, fix: 'Set archive.s3.region, --region or AWS_REGION to the region of the bucket.' };
  if (isStrange(error)) return STRANGE;
  if (status === undefined) return { retryable: true, fix: networkFix(systemCode(error) ?? '', place) };
  const retryable = status >= 500 || status === 429 || status === 408;
  if (retryable) return { retryable, fix: 'It is tried again by itself. If it stays, look for this request in the log of the server.' };
  return { retryable, fix: 'Look the code up in the documentation of the server; `hydrant doctor s3` tries one thing after the other.' };
}

/** HYD_STORE for an answer that is well-formed, but none of S3's. */
export function strangeAnswer(what: string, { endpoint }: S3Place, answer = 'not the list of a bucket'): HydrantError {
  return new HydrantError('HYD_STORE', `cannot list ${what}: what ${endpoint ?? 'AWS'} answers is ${answer}`, {
    ...STRANGE,
  });
}

/** The answer was not in S3's XML, or not in HTTP. */
function isStrange(error: Thrown): boolean {
  const code = systemCode(error) ?? '';
  return (
    /^(HPE_|ERR_SSL_|EPROTO)/.test(code) ||
    error.name === 'SyntaxError' ||
    /^Expected .* got|not expected|Deserialization error/.test(error.message ?? '')
  );
}

function regionOf(error: Thrown): string | undefined {
  return error.Region ?? error.$response?.headers?.['x-amz-bucket-region'];
}

function regionFix(error: Thrown, { bucket, endpoint, region }: S3Place): string {
  const right = regionOf(error);
  if (right && right !== region) return `The bucket ${bucket} is in ${right}: set archive.s3.region to it.`;
  const other = endpoint ? ', and archive.s3.endpoint' : '';
  return `Set archive.s3.region to the region of the bucket ${bucket}${other}.`;
}

/** Node's codes for a certificate that it does not take. */
const CERTIFICATE =
  /^(DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_|CERT_|ERR_TLS_CERT_ALTNAME_INVALID|HOSTNAME_MISMATCH|INVALID_CA)/;

function networkFix(code: string, { endpoint }: S3Place): string {
  if (CERTIFICATE.test(code))
    return 'Give the authority that signed the certificate of the server in archive.s3.ca, and in archive.s3.endpoint the name that it is for.';
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return endpoint
      ? 'Check the host name in archive.s3.endpoint and the DNS; a name that begins with the bucket means that archive.s3.pathStyle should be true.'
      : 'Check archive.s3.region and the DNS.';
  }
  return endpoint ? 'Check that the server runs and that archive.s3.endpoint is right.' : 'Check the network and archive.s3.region.';
}

function skew(error: Thrown): string {
  const serverMs = Date.parse(error.$response?.headers?.date ?? '');
  const offMs = Date.now() - serverMs;
  if (Number.isNaN(offMs)) return '';
  return `The clock of this machine is ${formatDuration(Math.round(Math.abs(offMs) / 1000) * 1000)} ${offMs > 0 ? 'ahead of' : 'behind'} the server's. `;
}
