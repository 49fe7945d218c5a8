import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { HydrantError } from '../../core/errors.ts';
import { createHexId } from '../../core/id.ts';
import { collect } from '../../testing/collect.ts';
import { shareRadosgw } from '../../testing/radosgw.ts';
import { storeContract } from '../../testing/store-contract.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { s3Options } from '../options.ts';
import { createS3Store } from './s3.ts';
import { openS3Client } from './s3-client.ts';

const radosgw = await shareRadosgw();

storeContract('s3', async () => {
  const settings = radosgw.settings({ partBytes: '5MiB' });
  const store = createS3Store({ bucket: 'contract', prefix: `${createHexId(4)}/`, settings, makeBucket: true, unfinishedMs: 0 });
  return { store, [Symbol.asyncDispose]: () => store.close() };
});

test('keys are looked for as every tool of AWS does: environment, then profiles; without any the error says where', async (t) => {
  await using folder = await createTempFolder();
  const { accessKeyId, secretAccessKey, endpoint } = radosgw;
  const credentials = join(folder.path, 'credentials');
  await writeFile(credentials, `[site]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`);
  const environment = (more: Record<string, string>) => {
    for (const name of Object.keys(process.env)) if (name.startsWith('AWS_')) delete process.env[name];
    Object.assign(process.env, { AWS_SHARED_CREDENTIALS_FILE: credentials, AWS_CONFIG_FILE: join(folder.path, 'config'), ...more });
    process.env.AWS_EC2_METADATA_DISABLED = 'true';
  };
  const before = { ...process.env };
  t.after(() => {
    process.env = before;
  });
  const open = (more: object = {}) => createS3Store({ bucket: 'keys', settings: s3Options.parse({ endpoint, ...more }), makeBucket: true });
  environment({ AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey });
  await using first = open();
  assert.equal(await first.head('none'), undefined);
  environment({});
  await using second = open({ profile: 'site' });
  assert.equal(await second.head('none'), undefined);
  environment({ AWS_PROFILE: 'site' });
  await using third = open();
  assert.equal(await third.head('none'), undefined);
  environment({ AWS_PROFILE: 'site', AWS_ENDPOINT_URL_S3: endpoint });
  await using fourth = createS3Store({ bucket: 'keys', settings: s3Options.parse({}) });
  assert.equal(await fourth.head('none'), undefined);
  environment({});
  await using none = open();
  await assert.rejects(
    none.head('none'),
    (error: HydrantError) => /credentials/.test(error.message) && /archive\.s3\.accessKeyId/.test(error.fix),
  );
});

test('for a writer a missing bucket is made before anything is asked of it; for a reader it is a mistake', async () => {
  const settings = radosgw.settings();
  await using reader = createS3Store({ bucket: 'later', settings });
  await assert.rejects(collect(reader.list()), { code: 'HYD_STORE', message: /NoSuchBucket/ });
  assert.equal(await reader.clean(), 0);
  await using writer = createS3Store({ bucket: 'later', settings, makeBucket: true });
  assert.deepEqual(await collect(writer.list()), []);
  assert.deepEqual(await collect(reader.list()), []);
  await using other = createS3Store({ bucket: 'never', settings: radosgw.settings({ createBucket: false }), makeBucket: true });
  await assert.rejects(collect(other.list()), { code: 'HYD_STORE', message: /no bucket never/ });
});

test('a list leaves out what no driver can hold, and the object that conditions are tried on', async () => {
  const settings = radosgw.settings();
  await using store = createS3Store({ bucket: 'foreign', prefix: 'p/', settings, makeBucket: true });
  await store.put('a', Buffer.from('x'), { ifNoneMatch: true });
  const { client, sdk } = await openS3Client(settings);
  const { Contents } = await client.send(new sdk.ListObjectsV2Command({ Bucket: 'foreign' }));
  assert.deepEqual(
    Contents?.map(({ Key }) => Key),
    ['p/a'],
  );
  for (const Key of ['p/', 'p/folder/', 'p/hydrant-probe', 'p/.hidden', 'q'])
    await client.send(new sdk.PutObjectCommand({ Bucket: 'foreign', Key, Body: Buffer.alloc(0) }));
  assert.deepEqual(
    (await collect(store.list())).map(({ key }) => key),
    ['a'],
  );
  client.destroy();
});
