import assert from 'node:assert/strict';
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { createTempFolder } from '../testing/temp-folder.ts';
import { openStore, parseStoreUrl } from './open.ts';
import { s3Options } from './options.ts';

test('the URL of a store names a bucket with a prefix, or a folder', () => {
  assert.deepEqual(parseStoreUrl('s3://events'), { kind: 's3', bucket: 'events', prefix: '' });
  assert.deepEqual(parseStoreUrl('s3://events/'), { kind: 's3', bucket: 'events', prefix: '' });
  assert.deepEqual(parseStoreUrl('s3://my.events-1/site%20a//b/'), { kind: 's3', bucket: 'my.events-1', prefix: 'site a/b/' });
  assert.deepEqual(parseStoreUrl('file:///var/lib/my%20events'), { kind: 'file', path: '/var/lib/my events' });
});

test('what is no URL of a store is refused, and a password in it is not repeated', () => {
  const refused = [
    '',
    'events',
    's3://',
    's3:///x',
    's3://a',
    's3://b?x=1',
    's3://bucket/%zz',
    'file://host/x',
    'file:///',
    'https://x/y',
    '/var/lib',
  ];
  for (const url of refused) assert.throws(() => parseStoreUrl(url), { code: 'HYD_USAGE', message: /expected s3:\/\// }, url);
  assert.throws(
    () => parseStoreUrl('s3://key:verysecret@events/x'),
    (error: Error & { fix: string }) => /secretAccessKeyFile/.test(error.fix) && !`${error.message}${error.fix}`.includes('verysecret'),
  );
});

test('a folder is opened as a store without loading what S3 needs; neither is asked anything yet', async () => {
  const loaded: string[] = [];
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      loaded.push(specifier);
      return next(specifier, context);
    },
  });
  try {
    await using folder = await createTempFolder();
    await using local = await openStore(pathToFileURL(join(folder.path, 'archive')).href);
    await local.put('a', Buffer.from('x'), { ifNoneMatch: true });
    assert.equal(String(await local.get('a')), 'x');
    await using remote = await openStore('s3://events', {
      s3: s3Options.parse({ endpoint: 'http://127.0.0.1:9', accessKeyId: 'A', secretAccessKey: 'B' }),
    });
    assert.ok(remote);
    assert.deepEqual(
      loaded.filter((specifier) => specifier.includes('@aws-sdk')),
      [],
    );
    await assert.rejects(remote.head('a'), { code: 'HYD_STORE', message: /ECONNREFUSED/ });
    assert.ok(loaded.some((specifier) => specifier.includes('@aws-sdk')));
  } finally {
    hooks.deregister();
  }
});

test('half a pair of keys is a mistake of the configuration', async () => {
  await using store = await openStore('s3://events', { s3: s3Options.parse({ accessKeyId: 'A' }) });
  await assert.rejects(store.get('a'), { code: 'HYD_CONFIG', message: /without archive\.s3\.secretAccessKey/ });
});

test('an endpoint with a path, a password or another protocol is refused', () => {
  for (const endpoint of ['minio:9000', 'ftp://minio', 'https://minio/s3', 'https://key:secret@minio', 'https://minio?x'])
    assert.equal(s3Options.safeParse({ endpoint }).success, false, endpoint);
  assert.equal(s3Options.parse({ endpoint: 'https://minio:9000' }).endpoint, 'https://minio:9000');
  assert.equal(s3Options.safeParse({ partBytes: '4MiB' }).success, false);
});
