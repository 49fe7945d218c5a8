import assert from 'node:assert/strict';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import { runCli } from '../../src/cli/cli.ts';
import { HydrantError } from '../../src/core/errors.ts';
import { createFsStore } from '../../src/storage/drivers/fs.ts';
import { openStore } from '../../src/storage/open.ts';
import type { ObjectStore } from '../../src/storage/store.ts';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { type BreakingHttp, startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { captureIo } from '../../src/testing/capture-io.ts';
import { collect } from '../../src/testing/collect.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { shareRadosgw } from '../../src/testing/radosgw.ts';
import { SEED_DAYS, seedLine } from '../../src/testing/seed-archive.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';

// The commands that read, on archives that the seed program wrote and on our own: in a folder, in a bucket, and in both as one.
const radosgw = await shareRadosgw();
Object.assign(process.env, { AWS_ACCESS_KEY_ID: radosgw.accessKeyId, AWS_SECRET_ACCESS_KEY: radosgw.secretAccessKey });
const ONCE = { ifNoneMatch: true } as const;
const HOUR_MS = 3_600_000;
let folder: TempFolder;
let proxy: BreakingHttp;

before(async () => {
  folder = await createTempFolder();
  proxy = await startBreakingHttp(radosgw.endpoint);
});
after(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await folder?.[Symbol.asyncDispose]();
});

const newIo = () => captureIo({ env: { XDG_CACHE_HOME: join(folder.path, 'cache'), HOME: folder.path } });

async function hydrant(...args: string[]) {
  const io = newIo();
  const code = await runCli(args, io);
  return { code, stdout: io.stdout.text, stderr: io.stderr.text };
}

const rows = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

async function put(store: ObjectStore, key: string, content: string | Uint8Array): Promise<void> {
  await store.put(key, Buffer.from(content), ONCE);
}

const LONG = Buffer.alloc(2_000_000, 'x');
const [first, second, third] = ['glued/1', 'glued/2', 'glued/3'].map((topic) => seedLine('2022-07-03T10:00:00Z', topic, topic)) as [
  string,
  string,
  string,
];
const NOISE = Array.from({ length: 2000 }, (_, i) => seedLine('2022-07-04T11:00:00Z', `cut/${i}`, String(Math.sin(i)))).join('');
const CUT = gzipSync(seedLine('2022-07-04T10:00:00Z', 'long', LONG) + NOISE);

/** Five days: three as they are meant, one with a torn line glued to the next, one whose gzip is cut off behind a line over 1 MiB. */
const DAYS: readonly { day: string; plain?: string; packed: Uint8Array }[] = [
  ...SEED_DAYS.map(({ day, lines }) => ({ day, plain: lines, packed: gzipSync(lines) })),
  { day: '20220703', plain: first + second.slice(0, 50) + third, packed: gzipSync(first + second.slice(0, 50) + third) },
  { day: '20220704', packed: CUT.subarray(0, CUT.length - 3000) },
];

/** The places where that program leaves days: its working folder, a bucket, both, and a copy of the bucket. */
async function seedPlaces(): Promise<Record<string, string[]>> {
  const working = join(folder.path, 'working');
  const copy = join(folder.path, 'copy');
  await mkdir(working);
  for (const { day, plain, packed } of DAYS) await writeFile(join(working, plain ? `${day}.json` : `${day}.json.gz`), plain ?? packed);
  const bucket = await openStore('s3://seed-days', { s3: radosgw.settings() });
  for (const store of [createFsStore(copy), bucket]) {
    for (const { day, packed } of DAYS) await put(store, `${day.slice(0, 4)}/${day}.json.gz`, packed);
    await store.close();
  }
  return {
    'its working folder as --data': ['--data', working],
    'its working folder with --from': ['--from', pathToFileURL(working).href],
    'a folder of years': ['--from', copy],
    'a bucket': ['--from', 's3://seed-days', '--endpoint', radosgw.endpoint],
    'its working folder and its bucket as one': ['--data', working, '--from', 's3://seed-days', '--endpoint', radosgw.endpoint],
  };
}

test('archives of the seed program are found, listed, verified and replayed, wherever they are (archive defects 12, 13 and 14)', async (t) => {
  await using server = await startHydrant({ set: { 'clients.events': false } });
  for (const [name, at] of Object.entries(await seedPlaces())) {
    await t.test(name, async () => {
      const found = await hydrant('find', ...at, '-o', 'ndjson');
      const topics = rows<{ topic: string }>(found.stdout).map(({ topic }) => topic);
      assert.deepEqual(topics.slice(0, 9), [
        'home/<kitchen>/temp&hum',
        'home/door',
        'home/übergang',
        'home/door',
        'site/1/x',
        'home/door',
        'glued/1',
        'glued/3',
        'long',
      ]);
      const whole = topics.length - 9;
      assert.ok(whole > 1000 && whole < 2000, `${whole} whole lines before the cut`);
      assert.equal(found.code, 3);
      assert.match(found.stderr, /20220702.* at byte \d+: not a whole archive line/);
      assert.match(found.stderr, /20220703.* at byte \d+: /);
      assert.match(found.stderr, /20220704.*cut off/);
      assert.ok(found.stdout.includes('"topic":"home/\\u003ckitchen\\u003e/temp\\u0026hum"'), 'lines come byte for byte');

      const raw = await hydrant('find', 'home/+', 'site/#', ...at, '-o', 'raw', '--until', '2022-07-02T01:00:00.1Z');
      assert.equal(raw.stdout, '\ncafé\n\n\u0000�\n\n');
      const exact = await hydrant('find', ...at, '--since', '2022-06-30T23:59:59.999999999Z', '--until', '2022-07-01T00:00:00.500000001Z');
      assert.equal(rows(exact.stdout).length, 2);

      const listed = rows<{ day: string; sealed: number }>((await hydrant('archive', 'ls', ...at)).stdout);
      assert.deepEqual(
        listed.map(({ day, sealed }) => [day, sealed]),
        ['2022-06-30', '2022-07-01', '2022-07-02', '2022-07-03', '2022-07-04'].map((day) => [day, 1]),
      );

      const verified = await hydrant('archive', 'verify', ...at);
      assert.equal(verified.code, 3);
      const kinds = rows<{ kind?: string; day: string }>(verified.stdout).filter(({ kind }) => kind === 'damaged' || kind === 'unreadable');
      assert.deepEqual([...new Set(kinds.map(({ day }) => day))], ['2022-07-02', '2022-07-03', '2022-07-04']);

      const to = `again/${name.replaceAll(' ', '-')}`;
      const replayed = await hydrant(
        'replay',
        'home/#',
        'site/#',
        'long',
        ...at,
        '--to',
        to,
        '--url',
        server.mqttUrl,
        '--checkpoint',
        join(folder.path, 'note'),
      );
      assert.equal(replayed.code, 3, replayed.stderr);
      assert.equal(rows<{ published: number }>(replayed.stdout)[0]!.published, 7);
      const events = await findEvents(server.data, `${to}/#`);
      assert.deepEqual(
        events.map(({ topic, payload }) => [topic.slice(to.length + 1), payload.length]),
        [
          ['home/<kitchen>/temp&hum', 10],
          ['home/door', 0],
          ['home/übergang', 5],
          ['home/door', 0],
          ['site/1/x', 3],
          ['home/door', 4],
          ['long', 2_000_000],
        ],
      );
      assert.deepEqual(events[1]!.props!.user, [['hydrant-replay', '2022-06-30T12:00:00Z']]);
    });
  }
});

/** A data folder with six sealed hours and some events that are not sealed, and an empty bucket. */
async function ownArchive(bucket: string): Promise<{ own: ArchiveFolder; remote: ObjectStore; from: string[] }> {
  const own = await ArchiveFolder.create('2026-11-20T00:00:00Z');
  for (let hour = 0; hour < 6; hour++) {
    for (let i = 0; i < 20; i++) await own.append(`hour/${hour}`, `${i} ${'.'.repeat(200)}`);
    own.nowMs += HOUR_MS;
  }
  await own.seal({ blockBytes: 2048 });
  await own.append('open');
  await own.close();
  const remote = await openStore(`s3://${bucket}/site`, { s3: radosgw.settings() });
  return { own, remote, from: ['--from', `s3://${bucket}/site`, '--endpoint', proxy.url] };
}

/** Moves what is sealed of these hours away, as an upload does. */
async function upload(own: ArchiveFolder, to: ObjectStore, isMoved: (key: string) => boolean): Promise<void> {
  for (const { key } of (await collect(own.store.list())).filter(({ key }) => isMoved(key))) {
    await to.put(key, await own.store.get(key), ONCE);
    await own.store.delete(key);
  }
}

test('a data folder and a bucket are read as one, each event once; either can be read alone', async () => {
  const { own, remote, from } = await ownArchive('both');
  await using _ = own;
  await using __ = remote;
  await upload(own, remote, (key) => /hour=0[0-2]/.test(key));
  const count = async (...args: string[]) =>
    rows<{ seq: number }>((await hydrant('find', ...args, '-o', 'ndjson')).stdout).map(({ seq }) => seq);
  const all = Array.from({ length: 121 }, (_, i) => i + 1);
  assert.deepEqual(await count('--data', own.path, ...from), all);
  assert.deepEqual(await count(...from), all.slice(0, 60));
  assert.deepEqual(await count('--data', own.path), all.slice(60));

  // The folder's own configuration says where its archive goes.
  await writeFile(join(own.path, 'hydrant.yaml'), `archive:\n  to: s3://both/site\n  s3:\n    endpoint: ${proxy.url}\n`);
  const configured = await hydrant('find', '--data', own.path, '-o', 'ndjson');
  assert.deepEqual([rows(configured.stdout).length, configured.code], [121, 0]);
  assert.equal(configured.stderr, `reading ${own.path} and s3://both/site; --local reads the folder alone\n`);
  assert.deepEqual(await count('--data', own.path, '--local'), all.slice(60));
  const verified = await hydrant('archive', 'verify', '--data', own.path);
  assert.equal(verified.code, 0, verified.stdout);
  assert.equal(rows<{ events: number }>(verified.stdout).at(-1)!.events, 121);
  const dry = await hydrant('replay', '--data', own.path, '--dry-run');
  assert.equal(dry.code, 0, dry.stderr);
  assert.equal(rows<{ events: number }>(dry.stdout)[0]!.events, 121);
  const listed = rows<{ events: number }>((await hydrant('archive', 'ls', '--data', own.path)).stdout);
  assert.equal(
    listed.reduce((sum, { events }) => sum + events, 0),
    121,
  );
});

test('what was read from a bucket is not fetched again, and --cache-bytes 0 keeps nothing', async () => {
  const { own, remote, from } = await ownArchive('cached');
  await using _ = own;
  await using __ = remote;
  await upload(own, remote, () => true);
  const objects = async (...args: string[]): Promise<number> => {
    proxy.requests.length = 0;
    const found = await hydrant('find', ...from, ...args, '-o', 'ndjson');
    assert.deepEqual([rows(found.stdout).length, found.code], [120, 0]);
    return proxy.requests.filter(({ method, path }) => method === 'GET' && path.includes('/hour')).length;
  };
  assert.equal(await objects(), 12, 'six manifests and six objects');
  assert.equal(await objects(), 0);
  assert.equal(await objects('--cache-bytes', '0'), 12);
  await rm(join(folder.path, 'cache'), { recursive: true });
});

test('a store that fails in the middle ends the search with exit 1 and the fix; what was found stays, and is whole', async () => {
  const { own, remote, from } = await ownArchive('failing');
  await using _ = own;
  await using __ = remote;
  await upload(own, remote, () => true);
  for (const output of ['ndjson', 'json'] as const) {
    const injected = proxy.inject(
      { kind: 'answer', status: 403, code: 'AccessDenied' },
      { path: /hour(=|%3D)0[345].*ndjson/, times: 1000 },
    );
    const found = await hydrant('find', ...from, '-o', output, '--cache-bytes', '0');
    injected.end();
    assert.equal(found.code, 1);
    const events = output === 'json' ? (JSON.parse(found.stdout) as unknown[]) : rows(found.stdout);
    assert.equal(events.length, 60);
    assert.match(found.stderr, /^hydrant find: .*s3:\/\/failing\/site.*\n {2}fix: Allow s3:GetObject/);
  }
  const listing = proxy.inject({ kind: 'answer', status: 403, code: 'AccessDenied' }, { method: 'GET', times: 1000 });
  const none = await hydrant('find', '--data', own.path, ...from);
  listing.end();
  assert.deepEqual([none.code, none.stdout], [1, '']);
});

test('an interruption does not wait for a store that does not answer', async () => {
  const { own, remote, from } = await ownArchive('silent');
  await using _ = own;
  await using __ = remote;
  await upload(own, remote, () => true);
  const silence = proxy.inject({ kind: 'swallow' }, { path: /ndjson/, times: 1000 });
  const io = newIo();
  const done = runCli(['find', ...from, '--cache-bytes', '0'], io);
  await until(() => silence.hits > 0, 'the first request that is not answered');
  io.abort(new HydrantError('HYD_ABORTED', 'interrupted'));
  assert.equal(await within(done, 10_000, 'the end of the search'), 130);
  silence.end();
});

test('an address under which there is no archive is questioned; one of which the time asked for holds nothing is not', async () => {
  const { own, remote, from } = await ownArchive('bare');
  await using _ = own;
  await using __ = remote;
  await upload(own, remote, () => true);
  const [address, ...server] = from.slice(1);
  const said = /^there is no archive in \S+, or nothing in it yet; is the address right\?\n$/;
  for (const command of [['find'], ['archive', 'ls'], ['archive', 'verify'], ['archive', 'hours'], ['replay', '--dry-run']]) {
    const elsewhere = await hydrant(...command, '--from', `${address}/elsewhere`, ...server);
    assert.deepEqual([elsewhere.code, said.test(elsewhere.stderr)], [0, true], `${command.join(' ')}: ${elsewhere.stderr}`);
    const found = await hydrant(...command, ...from);
    assert.deepEqual([found.code, found.stderr], [0, ''], command.join(' '));
  }
  assert.equal((await hydrant('find', ...from, '--until', '2001-01-01')).stderr, '');
});

test('every mistake says what, why and the fix', async () => {
  const data = join(folder.path, 'data');
  await mkdir(join(data, 'journal'), { recursive: true });
  await writeFile(join(data, 'hydrant.json'), '{}');
  const fetched = join(folder.path, 'fetched');
  await mkdir(join(fetched, 'dt=2026-11-20/hour=00'), { recursive: true });
  await writeFile(join(fetched, 'dt=2026-11-20/hour=00/0123456789abcdef-01234567-000000000000001-000000000000002.ndjson.gz'), '');
  const broken = join(folder.path, 'broken');
  await mkdir(join(broken, 'archive'), { recursive: true });
  await writeFile(join(broken, 'hydrant.yaml'), 'archive: { to: ftp://x }\n');
  for (const [args, code, stderr] of [
    [['--from', 's3://'], 2, /store "s3:\/\/": expected s3:\/\/bucket\/prefix or file:\/\/\/dir\n {2}fix: /],
    [['--from', 'ftp://x/y'], 2, /store "ftp:\/\/x\/y": expected/],
    [['--from', join(folder.path, 'none')], 1, /--from: there is no folder .*none\n {2}fix: /],
    [['--from', data], 2, /--from: .*data is a data folder\n {2}fix: Give it with --data/],
    [['--from', 's3:/x12'], 2, /store "s3:\/x12": expected s3:\/\/bucket\/prefix/],
    [['--from', 's3://x12', '--local'], 2, /--local and --from exclude each other/],
    [['--from', 's3://x12', '--endpoint', 'nowhere'], 2, /--endpoint is "nowhere": expected a URL/],
    [['--data', broken], 2, /archive.to is "ftp:\/\/x".*\n {2}fix: .* Or read the folder alone: --local\./],
    [['--from', 's3://no-such-bucket-here', '--endpoint', radosgw.endpoint], 1, /no-such-bucket-here.*\n {2}fix: Make the bucket/],
    [['--data', fetched], 1, /fetched has neither .*\n {2}fix: There are objects of an archive in it: give it with --from .*fetched\./],
    [['--data', join(folder.path, 'nothing'), '--from', 's3://x12'], 1, /nothing has neither a journal nor an archive/],
  ] as const) {
    const found = await hydrant('find', ...args);
    assert.match(found.stderr, stderr, args.join(' '));
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '));
  }
});
