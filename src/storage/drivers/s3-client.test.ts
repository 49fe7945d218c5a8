import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { s3Options } from '../options.ts';
import { openS3Client } from './s3-client.ts';
import { objectInput } from './s3-target.ts';

interface SignedRequest {
  protocol: string;
  hostname: string;
  path: string;
  headers: Record<string, string>;
}

/** The request of a put of `body`, as it would leave. */
async function requestOf(given: object, body: Buffer): Promise<SignedRequest> {
  const settings = s3Options.parse({ accessKeyId: 'A', secretAccessKey: 'B', ...given });
  const { client, sdk } = await openS3Client(settings);
  const sent = Promise.withResolvers<SignedRequest>();
  client.middlewareStack.add(
    () => async (args) => {
      sent.resolve(args.request as SignedRequest);
      throw new Error('it shall not leave');
    },
    { step: 'deserialize', priority: 'low' },
  );
  const input = objectInput({ client, sdk, bucket: 'events', prefix: 'site/', settings }, 'a b');
  await assert.rejects(client.send(new sdk.PutObjectCommand({ ...input, Body: body })));
  client.destroy();
  return sent.promise;
}

const BODY = Buffer.from('events');
const sha256 = (encoding: 'hex' | 'base64') => createHash('sha256').update(BODY).digest(encoding);

test('on AWS the bucket is in the host name, and the server keeps the SHA-256 that it checks', async () => {
  const { protocol, hostname, path, headers } = await requestOf(
    { region: 'eu-central-1', sse: 'aws:kms', storageClass: 'STANDARD_IA' },
    BODY,
  );
  assert.equal(`${protocol}//${hostname}${path}`, 'https://events.s3.eu-central-1.amazonaws.com/site/a%20b');
  assert.equal(headers['x-amz-checksum-sha256'], sha256('base64'));
  assert.equal(headers['x-amz-content-sha256'], sha256('hex'));
  assert.match(headers.authorization!, /eu-central-1\/s3/);
  assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
  assert.equal(headers['x-amz-storage-class'], 'STANDARD_IA');
});

test('on another server the bucket is in the path, and the signature alone holds the hash of the body', async () => {
  const { hostname, path, headers } = await requestOf({ endpoint: 'https://minio.example.org:9000' }, BODY);
  assert.equal(hostname + path, 'minio.example.org/events/site/a%20b');
  assert.equal(headers['x-amz-content-sha256'], sha256('hex'));
  assert.deepEqual(
    Object.keys(headers).filter((name) => name.startsWith('x-amz-checksum') || name === 'x-amz-sdk-checksum-algorithm'),
    [],
  );
  const virtual = await requestOf({ endpoint: 'https://minio.example.org', pathStyle: false }, BODY);
  assert.equal(virtual.hostname + virtual.path, 'events.minio.example.org/site/a%20b');
});
