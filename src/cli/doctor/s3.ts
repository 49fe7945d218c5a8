import { formatDuration } from '../../core/units.ts';
import { openS3Client, s3Endpoint } from '../../storage/drivers/s3-client.ts';
import { isRefused, PROBE, PROBE_KEY, putProbe, putProbeInParts } from '../../storage/drivers/s3-condition.ts';
import { isOfKeys, type S3Action, s3Status } from '../../storage/drivers/s3-failure.ts';
import { failed, objectInput, type S3Target } from '../../storage/drivers/s3-target.ts';
import type { S3Settings } from '../../storage/options.ts';
import { type Finding, fail, ok, warn } from './check.ts';

/** The header that tells the time has whole seconds. */
const SKEW_MS = 5000;

/**
 * Tries on a bucket all that an archive does there, one permission after the other, on one small object that is removed at the end. It makes
 * no bucket.
 */
export async function examineS3(place: { bucket: string; prefix: string }, settings: S3Settings): Promise<Finding[]> {
  const opened = await openS3Client(settings);
  const target: S3Target = { ...opened, ...place, settings };
  try {
    return await examineTarget(target);
  } finally {
    target.client.destroy();
  }
}

async function examineTarget(target: S3Target): Promise<Finding[]> {
  const { client } = target;
  const findings: Finding[] = [];
  const skew = watchClock(target);
  const region = await client.config.region().catch(() => undefined);
  findings.push(describe(target, region));
  const keys = await attempt(findings, target, 'credentials', 'look for', () => client.config.credentials());
  if (!keys) return findings;
  const bucket = await checkBucket(target);
  const shown = `access key ${keys.accessKeyId.slice(0, 4)}…${keys.sessionToken ? ', temporary' : ''}`;
  if (bucket.finding.check !== 'credentials') findings.push(ok('credentials', shown));
  findings.push(bucket.finding, ...skew());
  if (!bucket.goOn) return findings;
  const list = { Bucket: target.bucket, Prefix: target.prefix, MaxKeys: 1 };
  const isListed = await attempt(
    findings,
    target,
    'list',
    'list',
    () => client.send(new target.sdk.ListObjectsV2Command(list)),
    'the objects',
  );
  if (isListed) findings.push(ok('list', 'allowed'));
  const isPut = await checkPut(findings, target);
  if (isPut) {
    await checkRead(findings, target);
    await checkParts(findings, target);
  }
  await checkDelete(findings, target, isPut);
  return findings;
}

function describe({ bucket, prefix, settings }: S3Target, region: string | undefined): Finding {
  const where = s3Endpoint(settings) ?? 'AWS';
  const url = `s3://${bucket}/${prefix}`;
  if (region === undefined) {
    return fail('store', `${url} at ${where}, in no region`, 'Set archive.s3.region, --region or AWS_REGION to the region of the bucket.');
  }
  return ok('store', `${url} at ${where}, region ${region}`);
}

async function checkBucket(target: S3Target): Promise<{ finding: Finding; goOn: boolean }> {
  const { client, sdk, bucket, settings } = target;
  try {
    await client.send(new sdk.HeadBucketCommand({ Bucket: bucket }));
    return { finding: ok('bucket', `${bucket} is there`), goOn: true };
  } catch (error) {
    if (s3Status(error) === 404) {
      const finding = settings.createBucket
        ? warn('bucket', `${bucket} does not exist`, `The first upload makes it, if it may: ${allow(target, 's3:CreateBucket')}`)
        : fail('bucket', `${bucket} does not exist`, 'Make it, correct its name, or set archive.s3.createBucket: true.');
      return { finding, goOn: false };
    }
    const isForbidden = s3Status(error) === 403;
    const reason = isForbidden ? await whyForbidden(target, error) : error;
    const { message, fix } = failed(target, 'look for', `bucket ${bucket}`, reason);
    if (isOfKeys(reason)) return { finding: fail('credentials', message, fix), goOn: false };
    return { finding: fail('bucket', message, isForbidden ? allow(target, 's3:ListBucket') : fix), goOn: isForbidden };
  }
}

/** The answer to a HEAD says nothing but 403; that to a list says why. */
async function whyForbidden({ client, sdk, bucket, prefix }: S3Target, error: unknown): Promise<unknown> {
  return client.send(new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 })).then(
    () => error,
    (reason) => (isOfKeys(reason) ? reason : error),
  );
}

/** The clock of the server in its newest answer, against ours. */
function watchClock({ client }: S3Target): () => Finding[] {
  let offMs: number | undefined;
  client.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const { date } = (result.response as { headers?: Record<string, string> }).headers ?? {};
      if (date !== undefined) offMs = Date.now() - Date.parse(date);
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'hydrantClock' },
  );
  return () => {
    if (offMs === undefined || Number.isNaN(offMs)) return [];
    if (Math.abs(offMs) < SKEW_MS) return [ok('server clock', 'agrees with this machine')];
    const off = formatDuration(Math.round(Math.abs(offMs) / 1000) * 1000);
    const fix =
      'Set the clock and keep it set: `timedatectl set-ntp true`. Objects are named by this clock; S3 refuses one that is off by 15 minutes.';
    return [warn('server clock', `this machine is ${off} ${offMs > 0 ? 'ahead of' : 'behind'} the server`, fix)];
  };
}

/** False when nothing could be put, so that there is nothing to read either. */
async function checkPut(findings: Finding[], target: S3Target): Promise<boolean> {
  const check = 'if-none-match';
  const isRequired = target.settings.ifNoneMatch === 'require';
  const isPut = await attempt(findings, target, 'put', 'write', async () => {
    try {
      await isRefused(putProbe(target));
      return 'asked';
    } catch (error) {
      // Some servers refuse what they do not know.
      if (s3Status(error) !== 501) throw error;
      await putProbe(target, false);
      return 'unasked';
    }
  });
  if (isPut === undefined) return false;
  findings.push(ok('put', 'allowed'));
  const honours = isPut === 'asked' && (await attempt(findings, target, check, 'write', () => isRefused(putProbe(target))));
  if (honours) findings.push(ok(check, NEVER_OVERWRITTEN));
  else if (honours === false) findings.push(overwrites(check, isRequired));
  return true;
}

const NEVER_OVERWRITTEN = 'what is there is never overwritten';

function overwrites(check: string, isRequired: boolean): Finding {
  const detail = 'the server overwrites although it is asked not to';
  if (isRequired) return fail(check, detail, 'Use a server that keeps to If-None-Match, or set archive.s3.ifNoneMatch: auto.');
  return warn(
    check,
    detail,
    'Nothing to do: before each put it is asked whether the key is free, and no two journals have a key in common.',
  );
}

async function checkRead(findings: Finding[], target: S3Target): Promise<void> {
  const { client, sdk, bucket, prefix, settings } = target;
  const object = { Bucket: bucket, Key: prefix + PROBE_KEY };
  const head = await attempt(findings, target, 'head', 'look at', () => client.send(new sdk.HeadObjectCommand(object)));
  if (head) {
    findings.push(ok('head', 'allowed'));
    const found = head.ServerSideEncryption ?? 'none';
    if (settings.sse !== 'none' && found !== settings.sse)
      findings.push(
        fail('encryption', `archive.s3.sse is ${settings.sse}, but the server reports ${found}`, 'Use a server or a bucket that encrypts.'),
      );
    else findings.push(ok('encryption', `${found}${head.SSEKMSKeyId ? `, key ${head.SSEKMSKeyId}` : ''}`));
  }
  const read = async (range?: string): Promise<Buffer> => {
    const answer = await client.send(new sdk.GetObjectCommand({ ...object, Range: range }));
    return Buffer.from(await answer.Body!.transformToByteArray());
  };
  for (const [check, range, expected] of [
    ['get', undefined, PROBE],
    ['range', 'bytes=8-15', PROBE.subarray(8, 16)],
  ] as const) {
    const content = await attempt(findings, target, check, 'read', () => read(range));
    if (content?.equals(expected)) findings.push(ok(check, 'gives what was put'));
    else if (content)
      findings.push(fail(check, 'gives something else than what was put', 'Look for a proxy in between, or use another server.'));
  }
}

async function checkParts(findings: Finding[], target: S3Target): Promise<void> {
  const { client, sdk, bucket, prefix, settings } = target;
  const honours = await attempt(findings, target, 'multipart', 'write', () => isRefused(putProbeInParts(target)));
  if (honours) findings.push(ok('multipart', NEVER_OVERWRITTEN));
  else if (honours === false) findings.push(overwrites('multipart', settings.ifNoneMatch === 'require'));
  if (honours === undefined) return;
  const abort = await attempt(findings, target, 'multipart clean-up', 'clean up', async () => {
    const { UploadId } = await client.send(new sdk.CreateMultipartUploadCommand(objectInput(target, PROBE_KEY)));
    await client.send(new sdk.AbortMultipartUploadCommand({ Bucket: bucket, Key: prefix + PROBE_KEY, UploadId }));
    return client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket, Prefix: prefix, MaxUploads: 1 }));
  });
  if (abort) findings.push(ok('multipart clean-up', 'allowed'));
}

/** Without this permission an archive works, but removes nothing. */
async function checkDelete(findings: Finding[], target: S3Target, isPut: boolean): Promise<void> {
  const { client, sdk, bucket, prefix } = target;
  const key = prefix + PROBE_KEY;
  try {
    await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }));
    findings.push(ok('delete', 'allowed; the object of this check is gone'));
  } catch (error) {
    const { message, fix } = failed(target, 'delete', `object ${key}`, error);
    if (s3Status(error) !== 403) return void findings.push(fail('delete', message, fix));
    const without = 'Without it set archive.compact.enabled: false and no archive.retention';
    const leftover = isPut ? ', and remove that object by hand' : '';
    findings.push(warn('delete', message, `${allow(target, 's3:DeleteObject')} ${without}${leftover}.`));
  }
}

const ACTIONS: Partial<Record<S3Action, readonly string[]>> = {
  write: ['s3:PutObject'],
  read: ['s3:GetObject'],
  'look at': ['s3:GetObject'],
  list: ['s3:ListBucket'],
  'clean up': ['s3:AbortMultipartUpload', 's3:ListBucketMultipartUploads'],
};

/** Undefined when it failed, which is then among the findings. */
async function attempt<T>(
  findings: Finding[],
  target: S3Target,
  check: string,
  action: S3Action,
  run: () => Promise<T>,
  what = `object ${target.prefix}${PROBE_KEY}`,
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    const { message, fix } = failed(target, action, what, error);
    const actions =
      s3Status(error) === 403 && /AccessDenied|S3 says 403/.test(message) && !/kms/i.test(message) ? ACTIONS[action] : undefined;
    findings.push(fail(check, message, actions ? allow(target, ...actions) : fix));
    return undefined;
  }
}

/** The statement that a policy needs. */
function allow({ bucket, prefix }: S3Target, ...actions: readonly string[]): string {
  const statements = actions.map((Action) => {
    const isOfBucket = /Bucket/.test(Action);
    return JSON.stringify({ Effect: 'Allow', Action, Resource: `arn:aws:s3:::${bucket}${isOfBucket ? '' : `/${prefix}*`}` });
  });
  return `Add to the policy: ${statements.join(', ')}`;
}
