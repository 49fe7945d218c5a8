import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, mock, test } from 'node:test';
import type { HydrantError } from '../../src/core/errors.ts';
import { createHexId } from '../../src/core/id.ts';
import { createS3Store, type S3StoreOptions } from '../../src/storage/drivers/s3.ts';
import { openS3Client } from '../../src/storage/drivers/s3-client.ts';
import type { ObjectStore } from '../../src/storage/store.ts';
import { type BreakingHttp, startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { createTestAuthority } from '../../src/testing/certificates.ts';
import { collect } from '../../src/testing/collect.ts';
import { until } from '../../src/testing/deadline.ts';
import { shareRadosgw } from '../../src/testing/radosgw.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const radosgw = await shareRadosgw();
const ONCE = { ifNoneMatch: true } as const;
const MIB = 1024 ** 2;

interface Scene extends AsyncDisposable {
  /** Of every key. */
  prefix: string;
  proxy: BreakingHttp;
  /** Behind the proxy, below a prefix of its own. */
  store: ObjectStore;
  /** The same place without the proxy: what is really there. */
  truth: ObjectStore;
  log: string[];
  open(settings?: object, options?: Partial<S3StoreOptions>): ObjectStore;
}

async function setScene(settings: object = {}, bucket = 'faults'): Promise<Scene> {
  const proxy = await startBreakingHttp(radosgw.endpoint);
  const prefix = `${createHexId(4)}/`;
  const log: string[] = [];
  const stores: ObjectStore[] = [];
  const open = (more: object = {}, options: Partial<S3StoreOptions> = {}): ObjectStore => {
    const all = radosgw.settings({ endpoint: proxy.url, partBytes: '5MiB', ...settings, ...more });
    const store = createS3Store({ bucket, prefix, settings: all, log: (level, message) => log.push(`${level}: ${message}`), ...options });
    stores.push(store);
    return store;
  };
  const truth = open({ endpoint: radosgw.endpoint });
  const store = open();
  // The bucket is there and the condition is tried: what comes now is the put alone.
  await store.put('first', Buffer.from('first'), ONCE);
  proxy.requests.length = 0;
  return {
    prefix,
    proxy,
    store,
    truth,
    log,
    open,
    async [Symbol.asyncDispose]() {
      for (const each of stores) await each.close();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

async function failure(promise: Promise<unknown>, code = 'HYD_STORE'): Promise<HydrantError> {
  const error = await promise.then(
    () => assert.fail('it did not fail'),
    (thrown: HydrantError) => thrown,
  );
  assert.equal(error.code, code, String(error.stack));
  return error;
}

async function keysIn(store: ObjectStore): Promise<string[]> {
  return (await collect(store.list())).map(({ key }) => key);
}

test('a put rides out what the server mends at once: 500, 503 SlowDown, a cut connection, a conflict', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  const faults = [
    proxy.inject({ kind: 'answer', status: 500 }, { method: 'PUT', path: /internal/, times: 2 }),
    proxy.inject({ kind: 'answer', status: 503, code: 'SlowDown' }, { method: 'PUT', path: /slow/, times: 2 }),
    proxy.inject({ kind: 'cut-request', afterBytes: 1000 }, { method: 'PUT', path: /cut/, times: 2 }),
    proxy.inject({ kind: 'answer', status: 409, code: 'ConditionalRequestConflict' }, { method: 'PUT', path: /conflict/, times: 2 }),
  ];
  const bytes = randomBytes(100_000);
  for (const key of ['internal', 'slow', 'cut', 'conflict']) {
    assert.equal(await store.put(key, bytes, ONCE), 'created');
    assert.ok(bytes.equals(await truth.get(key)), key);
  }
  assert.deepEqual(
    faults.map(({ hits }) => hits),
    [2, 2, 2, 2],
  );
});

test('a put that goes on failing says what S3 said, and leaves nothing under the key and the file in its place', async () => {
  await using scene = await setScene();
  await using folder = await createTempFolder();
  const { proxy, store, truth } = scene;
  const path = join(folder.path, 'source');
  await writeFile(path, randomBytes(100_000));
  const put = () => failure(store.put('a', { path, move: true }, ONCE));
  const cases = [
    { fault: { kind: 'answer', status: 500 }, says: /S3 says InternalError \(500, request r-1\)/, fix: /./ },
    { fault: { kind: 'answer', status: 503, code: 'SlowDown' }, says: /SlowDown \(503/, fix: /archive\.s3\.parallel/ },
    { fault: { kind: 'cut-request', afterBytes: 50_000 }, says: /socket hang up|ECONNRESET/, fix: /server runs/ },
  ] as const;
  for (const { fault, says, fix } of cases) {
    const injected = proxy.inject(fault, { method: 'PUT', times: 100 });
    const error = await put();
    injected.end();
    assert.match(error.message, says);
    assert.match(error.fix, fix);
    assert.equal(error.retryable, true);
    assert.deepEqual(await keysIn(truth), ['first']);
    assert.ok(await stat(path));
  }
  assert.equal(await store.put('a', { path, move: true }, ONCE), 'created');
});

test('a put whose answer was lost is found done, and not taken for somebody else’s', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  for (const size of [1000, 6 * MIB]) {
    const key = `lost/${size}`;
    const bytes = randomBytes(size);
    const injected = proxy.inject(
      { kind: 'lose-answer' },
      { method: size > MIB ? 'POST' : 'PUT', path: size > MIB ? /uploadId=/ : /lost/ },
    );
    assert.equal(await store.put(key, bytes, ONCE), 'created');
    assert.equal(injected.hits, 1);
    assert.ok(bytes.equals(await truth.get(key)));
  }
});

test('an object that somebody else put between two tries is not overwritten', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  await truth.put('theirs', Buffer.from('the same'), ONCE);
  const injected = proxy.inject({ kind: 'answer', status: 500 }, { method: 'PUT', path: /theirs/ });
  await assert.rejects(store.put('theirs', Buffer.from('the same'), ONCE), { code: 'HYD_OBJECT_EXISTS' });
  assert.equal(injected.hits, 1);
});

test('a refused request names the permission that is missing, and no secret', async () => {
  await using scene = await setScene();
  const other = await radosgw.createUser();
  const store = scene.open(other);
  const cases: [() => Promise<unknown>, RegExp][] = [
    [() => store.put('a', Buffer.from('x'), ONCE), /s3:PutObject/],
    [() => store.get('first'), /s3:GetObject/],
    [() => store.head('first'), /s3:GetObject.*s3:ListBucket/],
    [() => collect(store.list()), /s3:ListBucket/],
    [() => store.delete('first'), /s3:DeleteObject/],
    [() => store.clean(), /s3:AbortMultipartUpload/],
  ];
  for (const [call, permission] of cases) {
    const error = await failure(call());
    assert.match(error.fix, permission);
    assert.match(error.message, /403/);
    assert.equal(error.retryable, false);
  }
  const wrong = scene.open({ secretAccessKey: 'not-the-secret-of-anybody' });
  const error = await failure(wrong.get('first'));
  assert.match(error.message, /SignatureDoesNotMatch/);
  assert.match(error.fix, /secretAccessKey/);
  for (const secret of ['not-the-secret', radosgw.secretAccessKey, other.secretAccessKey])
    assert.ok(!`${error.message}${error.fix}${scene.log}`.includes(secret));
});

test('a reading that is cut goes on where it was, without a hole or a repeat; one cut for ever fails', async () => {
  await using scene = await setScene();
  const { proxy, store } = scene;
  const bytes = randomBytes(3 * MIB);
  await store.put('long', bytes, ONCE);
  for (const read of [() => store.get('long'), async () => Buffer.concat(await collect(store.stream('long')))]) {
    const injected = proxy.inject({ kind: 'cut-response', afterBytes: 400_000 }, { method: 'GET', times: 4 });
    assert.ok(bytes.equals(await read()));
    assert.equal(injected.hits, 4);
  }
  const cut = proxy.inject({ kind: 'cut-response', afterBytes: 400_000 }, { method: 'GET', times: 1 });
  assert.ok(bytes.subarray(5, 2_000_000).equals(await store.get('long', { start: 5, end: 2_000_000 })));
  assert.equal(cut.hits, 1);
  assert.equal(proxy.requests.at(-1)!.headers.range?.startsWith('bytes='), true);
  const always = proxy.inject({ kind: 'cut-response', afterBytes: 0 }, { method: 'GET', times: 1000 });
  assert.equal((await failure(store.get('long'))).retryable, true);
  await failure(collect(store.stream('long')));
  always.end();
  assert.ok(bytes.equals(await store.get('long')));
});

test('a server that is frozen is found by its silence, and used again when it thaws', async () => {
  await using scene = await setScene();
  const { store, truth, open } = scene;
  // More than lies in the buffers on the way.
  const bytes = randomBytes(32 * MIB);
  await truth.put('long', bytes, ONCE);
  const hasty = open({ idleTimeout: '400ms' });
  const reading = hasty.stream('long');
  const begun = await reading.next();
  assert.equal(begun.done, false);
  radosgw.freeze();
  try {
    const error = await failure(hasty.put('frozen', Buffer.from('x'), ONCE));
    assert.equal(error.retryable, true);
    assert.match(error.message, /timed out after 400 ms/);
    await failure(collect(reading));
  } finally {
    radosgw.resume();
  }
  assert.equal(await store.put('thawed', Buffer.from('x'), ONCE), 'created');
  assert.ok(bytes.equals(await store.get('long')));
});

test('a close ends what a frozen server holds up, and nothing begins after it', async () => {
  await using scene = await setScene();
  radosgw.freeze();
  try {
    const ends = { code: 'HYD_CLOSED' };
    const held = [scene.store.put('held', Buffer.from('x'), ONCE), collect(scene.store.list())].map((call) => assert.rejects(call, ends));
    await until(() => scene.proxy.requests.length === 2, 'both to be sent');
    await scene.store.close();
    await Promise.all(held);
    await assert.rejects(scene.store.get('first'), ends);
    assert.equal(scene.proxy.requests.length, 2, 'no try is made again');
  } finally {
    radosgw.resume();
  }
});

test('a clock that is wrong by an hour or a day stops nothing; where it does, the error says by how much', async () => {
  await using scene = await setScene();
  const { proxy, store, open } = scene;
  const realMs = Date.now();
  after(() => mock.timers.reset());
  for (const offMs of [3_600_000, -86_400_000]) {
    mock.timers.enable({ apis: ['Date'], now: realMs + offMs });
    assert.equal(await open().put(`off${offMs}`, Buffer.from('x'), ONCE), 'created');
    assert.equal(String(await store.get(`off${offMs}`)), 'x');
    mock.timers.reset();
  }
  const date = new Date(Date.now() - 7_500_000).toUTCString();
  const skewed = proxy.inject(
    { kind: 'answer', status: 403, code: 'RequestTimeTooSkewed', headers: { date } },
    { method: 'GET', times: 10 },
  );
  const error = await failure(store.get('first'));
  skewed.end();
  assert.match(error.fix, /clock of this machine is 2h5m\d?s? ?ahead/);
});

test('a bucket that is gone is not made again behind a running archive; back again, it goes on', async () => {
  await using scene = await setScene({}, 'vanishing');
  const { store, open } = scene;
  await radosgw.removeBucket('vanishing');
  for (const call of [() => store.put('a', Buffer.from('x'), ONCE), () => store.get('first'), () => collect(store.list())]) {
    const error = await failure(call());
    assert.match(error.message, /NoSuchBucket/);
    assert.match(error.fix, /bucket vanishing/);
    assert.equal(error.retryable, false);
  }
  const strict = await failure(open({ createBucket: false }).put('a', Buffer.from('x'), ONCE));
  assert.match(strict.fix, /createBucket/);
  assert.equal(await open().put('b', Buffer.from('x'), ONCE), 'created');
  assert.ok(scene.log.some((line) => /warn: the bucket did not exist/.test(line)));
  assert.equal(await store.put('a', Buffer.from('x'), ONCE), 'created');
});

test('what is changed on the way to the server is refused by it; nothing is under the key', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  for (const size of [1000, 6 * MIB]) {
    const flipped = proxy.inject({ kind: 'flip-request' }, { method: 'PUT', path: /changed/ });
    const error = await failure(store.put('changed', randomBytes(size), ONCE));
    assert.match(error.message, /SHA256Mismatch|BadDigest/);
    assert.equal(error.retryable, true);
    assert.equal(flipped.hits, 1);
    assert.equal(await truth.head('changed'), undefined);
  }
  assert.equal(await truth.clean(), 0);
});

test('what is changed on the way back is noticed by whoever reads all of it', async () => {
  await using scene = await setScene();
  const { proxy, store } = scene;
  const bytes = randomBytes(MIB);
  await store.put('a', bytes, ONCE);
  for (const read of [() => store.get('a'), () => collect(store.stream('a'))]) {
    proxy.inject({ kind: 'flip-response' }, { method: 'GET' });
    const error = await failure(read());
    assert.match(error.message, /SHA-256/);
    assert.equal(error.retryable, true);
  }
  assert.equal((await store.head('a'))?.sha256, createHash('sha256').update(bytes).digest('hex'));
});

test('a tag that is not the content’s has the object read back: right content stands, wrong content goes', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  const strange = { kind: 'change-answer', headers: { etag: '"00000000000000000000000000000000"' } } as const;
  proxy.inject(strange, { method: 'PUT', path: /right/ });
  assert.equal(await store.put('right', Buffer.from('x'), ONCE), 'created');
  assert.deepEqual(
    proxy.requests.map(({ method }) => method),
    ['PUT', 'GET'],
  );
  proxy.inject(strange, { method: 'PUT', path: /wrong/ });
  proxy.inject({ kind: 'flip-response' }, { method: 'GET', path: /wrong/ });
  assert.match((await failure(store.put('wrong', Buffer.from('x'), ONCE))).message, /SHA-256/);
  assert.equal(await truth.head('wrong'), undefined);
});

test('where If-None-Match is ignored a put asks first, and says so once; or nothing is put, if that is asked for', async () => {
  await using scene = await setScene();
  const { proxy, open, log, truth } = scene;
  // The server refuses; to the client it looks as if it had overwritten.
  const ignored = proxy.inject({ kind: 'change-answer', status: 200, body: '' }, { method: 'PUT', status: 412, times: 1000 });
  const strict = await failure(open({ ifNoneMatch: 'require' }).put('strict', Buffer.from('x'), ONCE));
  assert.match(strict.message, /ignores If-None-Match/);
  assert.equal(strict.retryable, false);
  assert.equal(await truth.head('strict'), undefined);
  log.length = 0;
  const store = open();
  for (let i = 0; i < 3; i++) await assert.rejects(store.put('first', Buffer.from('mine'), ONCE), { code: 'HYD_OBJECT_EXISTS' });
  assert.equal(await store.put('second', Buffer.from('mine'), ONCE), 'created');
  assert.equal(log.length, 1);
  assert.match(log[0]!, /warn: the store ignores If-None-Match/);
  ignored.end();
  proxy.inject({ kind: 'answer', status: 501, code: 'NotImplemented' }, { method: 'PUT', path: /hydrant-probe/ });
  const old = open();
  assert.equal(await old.put('third', Buffer.from('mine'), ONCE), 'created');
  assert.equal(proxy.requests.findLast(({ path }) => path.includes('third'))!.headers['if-none-match'], undefined);
  assert.equal(await open({ ifNoneMatch: 'off' }).put('fourth', Buffer.from('mine'), ONCE), 'created');
  assert.deepEqual(await keysIn(truth), ['first', 'fourth', 'second', 'third']);
});

test('a large object goes up in parts, and a part that fails goes up again alone', async () => {
  await using scene = await setScene();
  const { proxy, store, truth } = scene;
  const failing = proxy.inject({ kind: 'answer', status: 500 }, { method: 'PUT', path: /partNumber=2/, times: 2 });
  const bytes = randomBytes(11 * MIB);
  await store.put('large', bytes, ONCE);
  assert.equal(failing.hits, 2);
  const parts = proxy.requests.filter(({ method, path }) => method === 'PUT' && /large/.test(path));
  assert.deepEqual(
    parts.map(({ path, headers }) => [/partNumber=(\d)/.exec(path)?.[1], Number(headers['content-length'])]),
    [
      ['1', 5 * MIB],
      ['2', 5 * MIB],
      ['2', 5 * MIB],
      ['2', 5 * MIB],
      ['3', MIB],
    ],
  );
  assert.ok(bytes.equals(await truth.get('large')));
});

test('an upload in parts that was not finished is removed by clean, but not a young one of somebody else', async () => {
  await using scene = await setScene();
  const { proxy, open, store } = scene;
  const failing = proxy.inject({ kind: 'answer', status: 400, code: 'InvalidPart' }, { method: 'POST', path: /uploadId=/, times: 10 });
  const kept = proxy.inject({ kind: 'answer', status: 400, code: 'InvalidRequest' }, { method: 'DELETE', path: /uploadId=/, times: 10 });
  await failure(store.put('unfinished', randomBytes(6 * MIB), ONCE));
  assert.ok(kept.hits > 0);
  failing.end();
  kept.end();
  assert.equal(await store.clean(), 0);
  const patient = open({}, { unfinishedMs: 0 });
  assert.equal(await patient.clean(), 1);
  assert.equal(await patient.clean(), 0);
  assert.equal(await store.put('unfinished', randomBytes(6 * MIB), ONCE), 'created');
});

test('clean leaves uploads of keys that are not ours, and those that this process began', async () => {
  await using scene = await setScene();
  const { open, truth } = scene;
  const { client, sdk } = await openS3Client(radosgw.settings());
  const begin = async (key: string): Promise<void> => {
    await client.send(new sdk.CreateMultipartUploadCommand({ Bucket: 'faults', Key: scene.prefix + key }));
  };
  try {
    await begin('ours/left');
    await begin('theirs');
    const store = open({}, { unfinishedMs: 0, owns: (key) => key.startsWith('ours/') });
    await begin('ours/under-way');
    assert.equal(await store.clean(), 1);
    const { Uploads } = await client.send(new sdk.ListMultipartUploadsCommand({ Bucket: 'faults', Prefix: scene.prefix }));
    assert.deepEqual(Uploads?.map(({ Key }) => Key).sort(), [`${scene.prefix}ours/under-way`, `${scene.prefix}theirs`]);
  } finally {
    client.destroy();
    await truth.clean();
  }
});

test('a list that has more, and does not say where it goes on, is a failure: what it leaves out would be taken for missing', async () => {
  await using scene = await setScene();
  const { proxy, store } = scene;
  const body = '<ListBucketResult><Name>faults</Name><IsTruncated>true</IsTruncated></ListBucketResult>';
  proxy.inject({ kind: 'answer', status: 200, body }, { method: 'GET', path: /list-type=2/ });
  assert.match((await failure(collect(store.list()))).message, /does not say where it goes on/);
});

test('a key that is no UTF-8 is left out of a list, and the others are in it', async () => {
  await using scene = await setScene();
  const { proxy, store } = scene;
  const contents = ['a', '%FF', 'b%2Bc+d'].map((key) => `<Contents><Key>${scene.prefix}${key}</Key><Size>1</Size></Contents>`).join('');
  const body = `<ListBucketResult><Name>faults</Name><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${contents}</ListBucketResult>`;
  proxy.inject({ kind: 'answer', status: 200, body }, { method: 'GET', path: /list-type=2/ });
  assert.deepEqual(
    (await collect(store.list())).map(({ key }) => key),
    ['a', 'b+c d'],
  );
});

test('objects carry their type, class and encryption (archive defects 15 and 16)', async () => {
  await using scene = await setScene();
  const { proxy, store, open } = scene;
  const types = {
    'a.ndjson.gz': 'application/gzip',
    'a.ndjson.zst': 'application/zstd',
    'a.parquet': 'application/vnd.apache.parquet',
    'a.manifest.json': 'application/json',
    'a.ndjson': 'application/x-ndjson',
    'a.idx': 'application/octet-stream',
  };
  for (const [key, type] of Object.entries(types)) {
    await store.put(key, Buffer.from('x'), ONCE);
    assert.equal(proxy.requests.findLast(({ method }) => method === 'PUT')!.headers['content-type'], type, key);
  }
  const keyed = open({ sse: 'aws:kms', kmsKeyId: 'test-key' });
  const bytes = randomBytes(6 * MIB);
  await keyed.put('small', bytes.subarray(0, 1000), ONCE);
  await keyed.put('large', bytes, ONCE);
  assert.ok(bytes.subarray(0, 1000).equals(await store.get('small')));
  assert.ok(bytes.equals(await store.get('large')));
  for (const path of [/small/, /large\?uploads/]) {
    const { headers } = proxy.requests.findLast((request) => path.test(request.path) && request.method !== 'GET')!;
    assert.equal(headers['x-amz-server-side-encryption'], 'aws:kms');
    assert.equal(headers['x-amz-server-side-encryption-aws-kms-key-id'], 'test-key');
  }
  const { log } = scene;
  assert.ok(!log.some((line) => /encrypts/.test(line)), String(log));
  log.length = 0;
  // This server ignores it.
  const plain = open({ sse: 'AES256', storageClass: 'STANDARD' });
  await plain.put('classed', Buffer.from('x'), ONCE);
  await plain.put('again', Buffer.from('x'), ONCE);
  assert.deepEqual(log, ['warn: the store does not say that it encrypts']);
  const { headers } = proxy.requests.findLast(({ method, path }) => method === 'PUT' && /classed/.test(path))!;
  assert.equal(headers['x-amz-server-side-encryption'], 'AES256');
  assert.equal(headers['x-amz-storage-class'], 'STANDARD');
});

test('who only reads asks for nothing but reading', async () => {
  await using scene = await setScene();
  const { proxy, open } = scene;
  const reader = open();
  await collect(reader.list());
  await reader.head('first');
  await reader.get('first');
  assert.deepEqual([...new Set(proxy.requests.map(({ method }) => method))].sort(), ['GET', 'HEAD']);
});

test('a server whose certificate nobody knows is refused with what helps, and taken with its authority', async () => {
  await using authority = await createTestAuthority();
  const files = await authority.server();
  const [cert, key] = await Promise.all([readFile(files.cert, 'utf8'), readFile(files.key, 'utf8')]);
  await using proxy = await startBreakingHttp(radosgw.endpoint, { cert, key });
  const open = (more: object) =>
    createS3Store({ bucket: 'faults', prefix: 'tls/', settings: radosgw.settings({ endpoint: proxy.url, ...more }), makeBucket: true });
  await using unknown = open({});
  const error = await failure(unknown.put('a', Buffer.from('x'), ONCE));
  assert.match(error.fix, /archive\.s3\.ca/);
  await using known = open({ ca: authority.ca });
  assert.equal(await known.put('a', Buffer.from('x'), ONCE), 'created');
  await using lost = open({ ca: join(authority.path, 'none.pem') });
  await assert.rejects(lost.get('a'), { code: 'HYD_CONFIG', message: /archive\.s3\.ca.*none\.pem/ });
});

test('a wrong endpoint or region is told from a server that is down', async () => {
  await using scene = await setScene();
  const { proxy, store, open } = scene;
  const page = '<!doctype html><html><body>Welcome</body></html>';
  proxy.inject({ kind: 'answer', status: 200, headers: { 'content-type': 'text/html' }, body: page }, { method: 'GET' });
  assert.match((await failure(collect(store.list()))).fix, /archive\.s3\.endpoint/);
  const malformed = `<Error><Code>AuthorizationHeaderMalformed</Code><Message>expecting 'eu-west-1'</Message><Region>eu-west-1</Region></Error>`;
  proxy.inject({ kind: 'answer', status: 400, body: malformed }, { method: 'GET' });
  assert.match((await failure(store.get('first'))).fix, /is in eu-west-1: set archive\.s3\.region/);
  proxy.inject(
    { kind: 'answer', status: 301, code: 'PermanentRedirect', headers: { 'x-amz-bucket-region': 'eu-west-2' } },
    { method: 'HEAD' },
  );
  assert.match((await failure(open().put('a', Buffer.from('x'), ONCE))).fix, /is in eu-west-2: set archive\.s3\.region/);
  await using elsewhere = createS3Store({ bucket: 'not-made', prefix: '', settings: radosgw.settings({ region: 'mars-1' }) });
  assert.match((await failure(elsewhere.put('a', Buffer.from('x'), ONCE))).fix, /^Set archive\.s3\.region/);
  const spoken = await failure(open({ endpoint: radosgw.endpoint.replace('http:', 'https:') }).get('first'));
  assert.match(spoken.fix, /http against https/);
  assert.equal(spoken.retryable, false);
  const down = await failure(open({ endpoint: 'http://127.0.0.1:9' }).get('first'));
  assert.match(down.message, /http:\/\/127\.0\.0\.1:9: .*ECONNREFUSED/);
  assert.equal(down.retryable, true);
  const nameless = await failure(open({ endpoint: 'http://no-such-host.invalid' }).get('first'));
  assert.match(nameless.fix, /host name in archive\.s3\.endpoint/);
});
