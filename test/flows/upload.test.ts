import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Catalogue } from '../../src/archive/catalogue.ts';
import { scan } from '../../src/archive/read/scan.ts';
import { verifyArchive } from '../../src/archive/verify/verify.ts';
import { createHexId } from '../../src/core/id.ts';
import { createFsStore } from '../../src/storage/drivers/fs.ts';
import { openStore } from '../../src/storage/open.ts';
import type { ReadableStore } from '../../src/storage/store.ts';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { run } from '../../src/testing/child.ts';
import { collect } from '../../src/testing/collect.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { shareRadosgw } from '../../src/testing/radosgw.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { decodeManifest } from '../../src/wire/manifest.ts';

const radosgw = await shareRadosgw();
const ROTATE = { 'journal.rotate.bytes': '64KiB' };

async function metric(server: HydrantServer, name: string): Promise<number> {
  const text = await (await fetch(`${server.httpUrl}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}

/** Publishes events of 8 kB and resolves with their topics when all are acknowledged. */
async function publish(server: HydrantServer, prefix: string, count: number): Promise<string[]> {
  using client = await RawClient.connect(server.mqttUrl, { auto: true });
  const topics = Array.from({ length: count }, (_, i) => `${prefix}/${i}`);
  for (const topic of topics) await client.deliver(topic, topic.padEnd(8192, '.'), { qos: 1 });
  return topics;
}

const allUp = (server: HydrantServer) =>
  until(
    async () => (await metric(server, 'hydrant_archive_pending_segments')) + (await metric(server, 'hydrant_upload_pending_objects')) === 0,
    'everything closed to be uploaded',
    60_000,
  );

/** How often each record identity is in an object. */
async function repeats(store: ReadableStore): Promise<string[]> {
  const seen = new Set<string>();
  const twice: string[] = [];
  for (const { key } of await collect(store.list('dt='))) {
    if (!key.endsWith('.manifest.json')) continue;
    for (const { journal, epoch, firstSeq, lastSeq } of decodeManifest(await store.get(key), key).parts) {
      for (let seq = firstSeq; seq <= lastSeq; seq++) {
        const identity = `${journal}-${epoch}-${seq}`;
        if (seen.has(identity)) twice.push(identity);
        seen.add(identity);
      }
    }
  }
  return twice;
}

test('a server with archive.to sends what it seals there, keeps none of it, and its subscribers read the past from there', {
  timeout: 120_000,
}, async () => {
  await using folder = await createTempFolder();
  const to = pathToFileURL(join(folder.path, 'remote')).href;
  await using server = await startHydrant({ set: { ...ROTATE, 'archive.to': to } });
  const topics = await publish(server, 'past', 50);
  await allUp(server);
  const remote = createFsStore(fileURLToPath(to));
  const local = createFsStore(join(server.data, 'archive'));
  await until(async () => (await collect(local.list())).length === 0, 'the local files to be gone');
  assert.ok((await collect(remote.list())).length >= 9);
  assert.ok((await metric(server, 'hydrant_upload_objects_total')) >= 3);

  using reader = await RawClient.connect(server.mqttUrl, { auto: true });
  await reader.subscribe('$history/1h/past/#', 1);
  assert.deepEqual(
    (await reader.messages(topics.length)).map(({ topic }) => topic),
    topics,
  );
  assert.deepEqual(
    (await findEvents(server.data, 'past/#', ['--from', to])).map(({ topic }) => topic),
    topics,
  );
  const verified = await runHydrant(['archive', 'verify', '--data', server.data, '--from', to], { timeoutMs: 60_000 });
  assert.equal(verified.code, 0, verified.stdout + verified.stderr);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

test('archive.to that is the archive of the data folder itself is refused: what is uploaded is removed there', async () => {
  await using folder = await createTempFolder();
  const to = pathToFileURL(join(folder.path, 'archive')).href;
  const doors = ['listeners.mqtt.port=0', 'listeners.http.port=0', `archive.to=${to}`].flatMap((key) => ['--set', key]);
  const refused = await runHydrant(['up', '--data', folder.path, ...doors]);
  assert.equal(refused.code, 2);
  assert.match(refused.stderr, /archive\.to is file:.*the archive of the data folder itself/);
});

test('into a bucket, through refusals, cut connections, lost answers, a frozen server and a SIGKILL: each event is there once', {
  timeout: 180_000,
}, async () => {
  await using folder = await createTempFolder();
  await using proxy = await startBreakingHttp(radosgw.endpoint);
  const to = `s3://upload-${createHexId(4)}/a/prefix`;
  const truth = await openStore(to, { s3: radosgw.settings() });
  const set = {
    ...ROTATE,
    'archive.to': to,
    'archive.s3.endpoint': proxy.url,
    'archive.s3.accessKeyId': radosgw.accessKeyId,
    'archive.s3.idleTimeout': '2s',
  };
  const env = { HYDRANT_ARCHIVE_S3_SECRET_ACCESS_KEY: radosgw.secretAccessKey };
  const data = join(folder.path, 'data');
  const topics: string[] = [];
  {
    await using server = await startHydrant({ data, set, env });
    proxy.inject({ kind: 'answer', status: 503, code: 'SlowDown' }, { method: 'PUT', times: 6 });
    proxy.inject({ kind: 'cut-request', afterBytes: 500 }, { method: 'PUT', path: /ndjson\.gz/, times: 2 });
    proxy.inject({ kind: 'lose-answer' }, { method: 'PUT', path: /ndjson\.gz|manifest/, times: 3 });
    proxy.inject({ kind: 'answer', status: 500, code: 'InternalError' }, { method: 'HEAD', times: 2 });
    topics.push(...(await publish(server, 'first', 40)));
    await allUp(server);
    radosgw.freeze();
    topics.push(...(await publish(server, 'second', 25)));
    await until(async () => (await metric(server, 'hydrant_upload_failures_total')) > 0, 'uploads to fail', 60_000);
    assert.equal((await fetch(`${server.httpUrl}/readyz`)).status, 200, 'what cannot go up keeps nobody from publishing');
    await server.kill();
  }
  radosgw.resume();
  await using server = await startHydrant({ data, set, env });
  topics.push(...(await publish(server, 'third', 15)));
  await allUp(server);
  await until(async () => (await collect(createFsStore(join(data, 'archive')).list())).length === 0, 'the local files to be gone');
  await server.stop();
  const found: string[] = [];
  const catalogue = new Catalogue({ store: truth, journalDir: join(data, 'journal') });
  for await (const records of scan(catalogue, { filters: ['first/#', 'second/#', 'third/#'] })) {
    for (const { event } of records) found.push(event.topic);
  }
  assert.deepEqual(found, topics);
  assert.deepEqual(await repeats(truth), []);
  assert.deepEqual((await verifyArchive(catalogue)).problems, []);
  await truth.close();
});

test('a server starts, works and stops while its bucket cannot be reached or hangs, and says what waits', {
  timeout: 120_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'data');
  const set = {
    ...ROTATE,
    'archive.to': `s3://away-${createHexId(4)}`,
    'archive.s3.endpoint': 'http://127.0.0.1:1',
    'archive.s3.accessKeyId': radosgw.accessKeyId,
    'shutdown.deadline': '2s',
  };
  const env = { HYDRANT_ARCHIVE_S3_SECRET_ACCESS_KEY: radosgw.secretAccessKey };
  {
    await using server = await startHydrant({ data, set, env });
    await publish(server, 'away', 10);
    const ready = () =>
      fetch(`${server.httpUrl}/readyz`).then(async (response) => ({ code: response.status, body: await response.text() }));
    await until(async () => (await ready()).body.includes('notes'), 'a note of the uploads that fail');
    const { code, body } = await ready();
    assert.equal(code, 200);
    assert.match(body, /uploads fail; archive objects that wait: \d+ /);
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  }
  radosgw.freeze();
  try {
    await using server = await startHydrant({ data, set: { ...set, 'archive.s3.endpoint': radosgw.endpoint }, env });
    await publish(server, 'hangs', 10);
    await until(async () => (await metric(server, 'hydrant_upload_pending_objects')) > 0, 'something to upload');
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  } finally {
    radosgw.resume();
  }
  await using server = await startHydrant({ data, set: { ...set, 'archive.s3.endpoint': radosgw.endpoint }, env });
  await allUp(server);
});

for (const point of ['upload.put', 'upload.marked']) {
  test(`into a bucket: a SIGKILL at ${point} leaves what the next start finishes`, { timeout: 120_000 }, async () => {
    await using folder = await ArchiveFolder.create('2026-11-20T10:00:00Z');
    for (let i = 0; i < 2; i++) {
      await folder.append(`s/${i}`, 'x'.repeat(500));
      await folder.journal.rotate();
    }
    await folder.append('open');
    await folder.close();
    const to = `s3://kill-${createHexId(4)}`;
    const child = fileURLToPath(new URL('../../src/testing/upload-child.ts', import.meta.url));
    const { accessKeyId, secretAccessKey, endpoint } = radosgw;
    const args = [child, folder.path, 'hive', String(folder.nowMs), to, JSON.stringify({ endpoint, accessKeyId, secretAccessKey })];
    const upload = (crash?: string) => run(process.execPath, args, { env: { HYDRANT_CRASH: crash }, timeoutMs: 60_000 });
    const killed = await upload(point);
    assert.equal(killed.signal, 'SIGKILL', killed.stdout + killed.stderr);
    const finished = await upload();
    assert.equal(finished.code, 0, finished.stdout + finished.stderr);
    const store = await openStore(to, { s3: radosgw.settings() });
    assert.equal((await collect(store.list())).length, 9);
    assert.deepEqual(await repeats(store), []);
    assert.deepEqual((await verifyArchive(new Catalogue({ store, journalDir: folder.journalDir }))).problems, []);
    await store.close();
  });
}
