import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { until } from '../../testing/deadline.ts';
import { type FileServer, startFileServer } from '../../testing/file-server.ts';
import { countJobs, startGearmand, submitInBackground, submitJob } from '../../testing/gearmand.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { startSource, testSource } from '../../testing/source-harness.ts';
import { STATUS, subunitPacket } from '../../testing/subunit-stream.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { subunit } from './subunit.ts';

const FUNCTION = 'push-subunit';

function stream(...names: string[]): Buffer {
  return Buffer.concat(
    names.flatMap((testId, i) => [
      subunitPacket({ testId, status: STATUS.inprogress, seconds: 1_700_000_000 + i }),
      subunitPacket({ testId, fileName: 'log', fileBytes: Buffer.from('text'), mimeType: 'text/plain' }),
      subunitPacket({ testId, status: STATUS.success, seconds: 1_700_000_001 + i, tags: ['worker-0'] }),
    ]),
  );
}

function job(web: FileServer, path: string, fields: Record<string, unknown> = {}, more: Record<string, unknown> = {}): string {
  const event = {
    fields: { build_uuid: `uuid of ${path}`, build_status: 'SUCCESS', project: 'store/stock', build_change: 1042, ...fields },
    tags: [],
  };
  return JSON.stringify({ source_url: web.url + path, retry: false, event, ...more });
}

test('a job becomes an event for each test, the totals, and what became of it; then it is answered', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/run.subunit.gz': gzipSync(stream('a.b', 'c/d')) });
  await using harness = await startSource(subunit, { gearman: [gearmand.address], host: 'w1' }, createEventCheck(subunit.schemas));
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(web, '/run.subunit')), { outcome: 'complete' });
  await harness.seen(4);
  const topic = 'gearman-subunit/w1/store/stock/1042';
  assert.deepEqual(harness.bus.topics, [`${topic}/test/a.b`, `${topic}/test/c%2Fd`, `${topic}/total`, topic]);
  const [first, , total, build] = harness.events.map(({ payload }) => JSON.parse(String(payload)));
  const facts = { build_uuid: 'uuid of /run.subunit', source_url: `${web.url}/run.subunit` };
  assert.deepEqual(first, {
    ...facts,
    test: 'a.b',
    status: 'success',
    start_time: '2023-11-14T22:13:20.000000Z',
    stop_time: '2023-11-14T22:13:21.000000Z',
    duration: 1,
    tags: ['worker-0'],
    attachments: [{ name: 'log', mime_type: 'text/plain', size: 4 }],
  });
  assert.equal(total.tests, 2);
  assert.equal(total.duration, 2);
  assert.deepEqual(build, { ...facts, status: 'success' });
  assert.deepEqual(web.asked, ['/run.subunit.gz']);
  assert.ok(harness.source.status().up);
  assert.equal(harness.source.status().mismatched, 0);
});

test('a build without a change has its pipeline in the topic, one that was aborted is not read, and old names of fields are known', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/run': stream('a') });
  await using harness = await startSource(subunit, { gearman: [gearmand.address], host: 'w1', tests: false, base: 'ci/tests' });
  const periodic = JSON.stringify({
    source_url: `${web.url}/run`,
    retry: false,
    event: { '@fields': { project: '/../stock+', build_queue: 'periodic/#' } },
  });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(web, '/run', { build_status: 'ABORTED' })), { outcome: 'complete' });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, periodic), { outcome: 'complete' });
  await harness.seen(2);
  assert.deepEqual(harness.bus.topics, ['ci/tests/w1/%2E%2E/stock%2B/periodic%2F%23/total', 'ci/tests/w1/%2E%2E/stock%2B/periodic%2F%23']);
  assert.equal(JSON.parse(String(harness.events[1]!.payload)).build_uuid, null);
  assert.deepEqual(web.asked, ['/run.gz', '/run']);
  assert.deepEqual(harness.source.status().refused, { 'a build was aborted: its file is not read': 1 });
});

test('a job that cannot be done fails with its reason, is told where its build is known, and is counted', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/page': '<html>sorry</html>', '/broken.gz': gzipSync(stream('a')).subarray(0, -12) });
  await using harness = await startSource(subunit, { gearman: [gearmand.address], host: 'w1', exceptions: true });
  const submit = async (workload: string): Promise<string> => {
    const { outcome, exception } = await submitJob(gearmand.port, FUNCTION, workload, { exceptions: true });
    assert.equal(outcome, 'fail');
    return exception!;
  };
  assert.match(await submit(job(web, '/none')), /none\.gz: status 404; .*none: status 404/);
  assert.match(await submit(job(web, '/page')), /page\.gz: status 404; a file is no subunit v2 stream$/);
  assert.match(await submit(job(web, '/broken')), /broken\.gz: unexpected end of file; .*broken: status 404/);
  assert.equal(await submit('{'), 'a job is no JSON');
  assert.match(await submit('{"source_url":7,"event":{}}'), /source_url/);
  assert.match(await submit(job(web, '/x', {}, { source_url: 'file:///etc/passwd' })), /no address of a file/);
  const ends = () => harness.events.filter(({ topic }) => topic === 'gearman-subunit/w1/store/stock/1042');
  await until(() => ends().length === 4, 'what became of the four that are known');
  assert.deepEqual(
    ends().map(({ payload }) => JSON.parse(String(payload)).status),
    ['failed', 'failed', 'failed', 'failed'],
  );
  assert.deepEqual(harness.source.status().refused, {
    'a file is not there': 2,
    'a file is no subunit v2 stream': 1,
    'a job is no JSON': 1,
    'a job lacks what it needs': 1,
    'an address is neither http nor https': 1,
  });
});

test('a job that asks for it is tried again until its file is there', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({
    '/late': (_, response) => {
      if (web.asked.length >= 6) response.end(stream('a'));
      else response.writeHead(404).end();
    },
  });
  await using harness = await startSource(subunit, { gearman: [gearmand.address], tests: false });
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(web, '/late', {}, { retry: true })), { outcome: 'complete' });
  await harness.seen(2);
  assert.equal(web.asked.length, 6);
});

test('jobs of several servers are done while one of them is away, and its own when it comes', async () => {
  await using first = await startGearmand();
  const port = await freePort();
  await using web = await startFileServer(Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`/${i}`, stream(`test ${i}`)])));
  await using harness = await startSource(subunit, { gearman: [first.address, `127.0.0.1:${port}`] });
  await submitInBackground(
    first.port,
    FUNCTION,
    [0, 1, 2, 3, 4].map((i) => job(web, `/${i}`)),
  );
  await harness.seen(15);
  assert.equal(harness.source.status().errors, 0);
  await using second = await startGearmand({ port });
  await submitInBackground(
    second.port,
    FUNCTION,
    [5, 6, 7, 8, 9].map((i) => job(web, `/${i}`)),
  );
  await harness.seen(30);
  const tests = harness.events.filter(({ topic }) => topic.includes('/test/')).map(({ payload }) => JSON.parse(String(payload)).test);
  assert.deepEqual(
    tests.toSorted(),
    Array.from({ length: 10 }, (_, i) => `test ${i}`),
  );
  assert.equal(harness.source.status().errors, 0);
});

test('a job stays with its server until what it made is stored, and is given again under the same ids', async () => {
  await using gearmand = await startGearmand();
  let more: (() => void) | undefined;
  await using web = await startFileServer({
    '/slow': (_, response) => {
      response.write(stream('a', 'b'));
      if (more) response.end(stream('c'));
      else more = () => response.end();
    },
  });
  await using harness = await startSource(subunit, { gearman: [gearmand.address] });
  await submitInBackground(gearmand.port, FUNCTION, [job(web, '/slow')]);
  await harness.seen(2);
  await harness.stop();
  await until(async () => (await countJobs(gearmand.port, FUNCTION)) === 1, 'the job to be with the server');
  await harness.start();
  await harness.seen(7);
  await until(async () => (await countJobs(gearmand.port, FUNCTION)) === 0, 'the job to be done');
  const names = harness.events.map(({ topic }) => topic.slice(topic.indexOf('1042')));
  assert.deepEqual(names, ['1042/test/a', '1042/test/b', '1042/test/a', '1042/test/b', '1042/test/c', '1042/total', '1042']);
  const ids = harness.events.map(({ id }) => id);
  assert.deepEqual(ids.slice(2, 4), ids.slice(0, 2));
  assert.equal(new Set(ids).size, 5);
});

test('while the bus is away jobs are done all the same: what they made is on disk', async () => {
  await using gearmand = await startGearmand();
  await using web = await startFileServer({ '/run': stream('a') });
  await using harness = await startSource(subunit, { gearman: [gearmand.address] });
  harness.bus.hold();
  assert.deepEqual(await submitJob(gearmand.port, FUNCTION, job(web, '/run')), { outcome: 'complete' });
  assert.equal(harness.events.length, 0);
  harness.bus.release();
  await harness.seen(3);
});

test('a file is read to its end, packed or not; again under the same ids', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'results');
  const damaged = stream('x');
  damaged[damaged.length - 1]! ^= 1;
  await writeFile(file, gzipSync(Buffer.concat([stream('a', 'b'), Buffer.from('noise'), damaged])));
  await using harness = await startSource(subunit, { file, project: 'store/stock', change: '7', buildUuid: 'u', host: 'w1' });
  await harness.running;
  await harness.stop();
  await harness.start();
  await harness.running;
  await harness.seen(8);
  const topic = 'gearman-subunit/w1/store/stock/7';
  assert.deepEqual(harness.bus.topics.slice(0, 4), [`${topic}/test/a`, `${topic}/test/b`, `${topic}/test/x`, `${topic}/total`]);
  const ids = harness.events.map(({ id }) => id);
  assert.deepEqual(ids.slice(4), ids.slice(0, 4));
  const [third, total] = harness.events.slice(2, 4).map(({ payload }) => JSON.parse(String(payload)));
  assert.equal(third.status, 'incomplete');
  assert.deepEqual([total.build_uuid, total.tests, total.damaged], ['u', 3, 1]);
  assert.ok(total.other_bytes > 5);
  assert.equal(Object.keys(harness.source.status().refused).length, 2);
});

test('a test says what is wrong with a server or a file, shows results of the file, and takes no job', async () => {
  await using gearmand = await startGearmand();
  await using folder = await createTempFolder();
  const file = join(folder.path, 'results');
  await writeFile(file, stream('a', 'b', 'c', 'd'));
  await submitInBackground(gearmand.port, FUNCTION, ['{}', '{"a":1}']);
  const steps = await testSource(subunit, { gearman: [gearmand.address, `127.0.0.1:${await freePort()}`] });
  assert.deepEqual(steps.slice(0, 2), [
    { ok: true, what: `${gearmand.address} is a gearman server` },
    { ok: true, what: 'of push-subunit: 2 jobs there, 0 of them running, 0 workers' },
  ]);
  assert.match(JSON.stringify(steps[2]), /"ok":false.*ECONNREFUSED/);
  assert.equal(await countJobs(gearmand.port, FUNCTION), 2);
  const shown = await testSource(subunit, { file });
  assert.deepEqual(shown.slice(0, 2), [
    { ok: true, what: `${file} can be opened` },
    { ok: true, what: '12 packets, 4 tests, 0 damaged' },
  ]);
  assert.equal(shown.length, 5);
  assert.match(JSON.stringify(await testSource(subunit, { file: `${file}.none` })), /ENOENT/);
});

test('needs a server or a file, and not both', async () => {
  for (const options of [{}, { gearman: [] }, { gearman: ['h'], file: 'f' }])
    await assert.rejects(startSource(subunit, options), { code: 'HYD_CONFIG', message: /either gearman or file/ });
  for (const gearman of ['', 'h:0', 'h:70000', 'a b', 'http://h:1', '::1'])
    assert.equal(subunit.options.safeParse({ gearman: [gearman] }).success, false, gearman);
  assert.ok(subunit.options.safeParse({ gearman: ['h', 'h:1', '[::1]:4730', '10.0.0.1:4730'] }).success);
});
