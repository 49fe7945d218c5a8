import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { Finding } from '../../src/cli/doctor/check.ts';
import { examineS3 } from '../../src/cli/doctor/s3.ts';
import { type OpenS3Client, openS3Client } from '../../src/storage/drivers/s3-client.ts';
import { startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { type S3Keys, shareRadosgw } from '../../src/testing/radosgw.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const radosgw = await shareRadosgw();
const owner = await openS3Client(radosgw.settings());
const PLACE = { bucket: 'doctor', prefix: 'site/' };
await owner.client.send(new owner.sdk.CreateBucketCommand({ Bucket: PLACE.bucket }));

function byCheck(findings: Finding[]): Record<string, Finding> {
  return Object.fromEntries(findings.map((finding) => [finding.check, finding]));
}

async function keysIn({ client, sdk }: OpenS3Client): Promise<(string | undefined)[]> {
  const { Contents = [] } = await client.send(new sdk.ListObjectsV2Command({ Bucket: PLACE.bucket }));
  return Contents.map(({ Key }) => Key);
}

/** Everything in the bucket is allowed to them, but for these actions. */
async function denyOnly(keys: S3Keys, actions: string[]): Promise<void> {
  const Principal = { AWS: [`arn:aws:iam:::user/${keys.accessKeyId.toLowerCase()}`] };
  const Resource = ['arn:aws:s3:::doctor', 'arn:aws:s3:::doctor/*'];
  const Statement: object[] = [{ Effect: 'Allow', Principal, Action: 's3:*', Resource }];
  if (actions.length > 0) Statement.push({ Effect: 'Deny', Principal, Action: actions, Resource });
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  await owner.client.send(new owner.sdk.PutBucketPolicyCommand({ Bucket: PLACE.bucket, Policy }));
}

test('the doctor tries everything in a bucket, is content, and leaves nothing behind', async () => {
  const args = ['--to', 's3://doctor/site', '--endpoint', radosgw.endpoint, '-o', 'ndjson'];
  const env = { AWS_ACCESS_KEY_ID: radosgw.accessKeyId, AWS_SECRET_ACCESS_KEY: radosgw.secretAccessKey };
  const { code, stdout, stderr } = await runHydrant(['doctor', 's3', ...args], { env });
  assert.equal(code, 0, stdout + stderr);
  const findings = byCheck(
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Finding),
  );
  const checks = ['store', 'credentials', 'bucket', 'server clock', 'list', 'put', 'if-none-match', 'head', 'encryption', 'get', 'range'];
  for (const check of [...checks, 'multipart clean-up', 'delete']) assert.equal(findings[check]?.status, 'ok', check);
  assert.match(findings.store!.detail, /s3:\/\/doctor\/site\/ at http.*region us-east-1/);
  assert.ok(!stdout.includes(radosgw.secretAccessKey) && !stdout.includes(radosgw.accessKeyId));
  assert.deepEqual(await keysIn(owner), []);
  const uploads = await owner.client.send(new owner.sdk.ListMultipartUploadsCommand({ Bucket: PLACE.bucket }));
  assert.deepEqual(uploads.Uploads ?? [], []);
});

test('each permission that is missing is found, and the statement to add is told', async () => {
  const keys = await radosgw.createUser();
  const settings = radosgw.settings(keys);
  const cases: [action: string, check: string, status: string, resource: string][] = [
    ['s3:ListBucket', 'list', 'fail', 'arn:aws:s3:::doctor'],
    ['s3:PutObject', 'put', 'fail', 'arn:aws:s3:::doctor/site/*'],
    ['s3:GetObject', 'get', 'fail', 'arn:aws:s3:::doctor/site/*'],
    ['s3:GetObject', 'head', 'fail', 'arn:aws:s3:::doctor/site/*'],
    ['s3:AbortMultipartUpload', 'multipart clean-up', 'fail', 'arn:aws:s3:::doctor/site/*'],
    ['s3:ListBucketMultipartUploads', 'multipart clean-up', 'fail', 'arn:aws:s3:::doctor'],
    ['s3:DeleteObject', 'delete', 'warn', 'arn:aws:s3:::doctor/site/*'],
  ];
  for (const [action, check, status, resource] of cases) {
    await denyOnly(keys, [action]);
    const findings = byCheck(await examineS3(PLACE, settings));
    assert.equal(findings[check]?.status, status, `${check} without ${action}`);
    assert.ok(
      findings[check]!.fix!.includes(JSON.stringify({ Effect: 'Allow', Action: action, Resource: resource })),
      findings[check]!.fix,
    );
  }
  await denyOnly(keys, []);
  assert.deepEqual(
    (await examineS3(PLACE, settings)).filter(({ status }) => status === 'fail'),
    [],
  );
  assert.deepEqual(await keysIn(owner), []);
});

test('wrong keys, a missing bucket and a server that is down end the check with what helps', async () => {
  for (const [wrong, said] of [
    [{ secretAccessKey: 'wrong-secret' }, /SignatureDoesNotMatch/],
    [{ accessKeyId: 'NOBODY' }, /InvalidAccessKeyId/],
  ] as const) {
    const failures = (await examineS3(PLACE, radosgw.settings(wrong))).filter(({ status }) => status !== 'ok');
    assert.deepEqual(
      failures.map(({ check, status }) => [check, status]),
      [['credentials', 'fail']],
    );
    assert.match(failures[0]!.detail, said);
    assert.match(failures[0]!.fix!, /archive\.s3\.secretAccessKey/);
  }
  const missing = await examineS3({ bucket: 'not-there', prefix: '' }, radosgw.settings());
  assert.equal(missing.at(-2)!.status, 'warn');
  assert.match(missing.at(-2)!.fix!, /s3:CreateBucket/);
  const strict = byCheck(await examineS3({ bucket: 'not-there', prefix: '' }, radosgw.settings({ createBucket: false })));
  assert.equal(strict.bucket!.status, 'fail');
  const down = await examineS3(PLACE, radosgw.settings({ endpoint: 'http://127.0.0.1:9' }));
  assert.equal(down.at(-1)!.check, 'bucket');
  assert.match(down.at(-1)!.fix!, /server runs/);
  const buckets = await owner.client.send(new owner.sdk.ListBucketsCommand({}));
  assert.deepEqual(
    buckets.Buckets?.map(({ Name }) => Name),
    ['doctor'],
  );
});

test('a clock that is off is measured against the server’s', async (t) => {
  t.after(() => mock.timers.reset());
  mock.timers.enable({ apis: ['Date'], now: Date.now() + 90_000 });
  const { 'server clock': clock } = byCheck(await examineS3(PLACE, radosgw.settings()));
  assert.equal(clock!.status, 'warn');
  assert.match(clock!.detail, /this machine is 1m[23]\ds ahead of the server/);
});

test('a server that overwrites or does not encrypt is told from one that keeps its word', async () => {
  await using proxy = await startBreakingHttp(radosgw.endpoint);
  proxy.inject({ kind: 'change-answer', status: 200, body: '' }, { method: 'PUT', status: 412, times: 100 });
  const auto = byCheck(await examineS3(PLACE, radosgw.settings({ endpoint: proxy.url })));
  assert.equal(auto['if-none-match']!.status, 'warn');
  const strict = byCheck(await examineS3(PLACE, radosgw.settings({ endpoint: proxy.url, ifNoneMatch: 'require' })));
  assert.equal(strict['if-none-match']!.status, 'fail');
  // This one ignores AES256 and knows no such key or class.
  const plain = byCheck(await examineS3(PLACE, radosgw.settings({ sse: 'AES256' })));
  assert.deepEqual([plain.encryption!.status, plain.encryption!.detail], ['fail', 'archive.s3.sse is AES256, but the server reports none']);
  const keyless = byCheck(await examineS3(PLACE, radosgw.settings({ sse: 'aws:kms', kmsKeyId: 'none-such' })));
  assert.match(keyless.put!.fix!, /archive\.s3\.kmsKeyId/);
  const classless = byCheck(await examineS3(PLACE, radosgw.settings({ storageClass: 'NONSENSE' })));
  assert.match(classless.put!.fix!, /archive\.s3\.storageClass/);
  const encrypted = byCheck(await examineS3(PLACE, radosgw.settings({ sse: 'aws:kms', kmsKeyId: 'test-key' })));
  assert.equal(encrypted.multipart!.status, 'warn', 'this one ignores the condition for objects in parts');
  assert.deepEqual([encrypted.encryption!.status, encrypted.encryption!.detail], ['ok', 'aws:kms, key test-key']);
});

test('the doctor of the machine points to the one of S3 when the archive goes there', async () => {
  await using folder = await createTempFolder();
  const { stdout } = await runHydrant(['doctor', '--data', folder.path, '--set', 'archive.to=s3://doctor/site', '-o', 'ndjson']);
  assert.match(stdout, /"archive.to","status":"ok","detail":"s3:\/\/doctor\/site; `hydrant doctor s3`/);
});

test('without a bucket the check is refused, and nothing secret is taken in a URL', async () => {
  const none = await runHydrant(['doctor', 's3']);
  assert.equal(none.code, 2);
  assert.match(none.stderr, /archive\.to is not set.*--to s3:\/\//s);
  const folder = await runHydrant(['doctor', 's3', '--to', 'file:///tmp/x']);
  assert.equal(folder.code, 2);
  const secret = await runHydrant(['doctor', 's3', '--to', 's3://key:verysecret@bucket']);
  assert.equal(secret.code, 2);
  assert.ok(!secret.stderr.includes('verysecret'));
});
