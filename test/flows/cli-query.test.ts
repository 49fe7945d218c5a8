import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { runCli } from '../../src/cli/cli.ts';
import { EVENT_COLUMNS, MACROS } from '../../src/cli/query/views.ts';
import { HydrantError } from '../../src/core/errors.ts';
import { openStore } from '../../src/storage/open.ts';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { startBreakingHttp } from '../../src/testing/breaking-http.ts';
import { captureIo } from '../../src/testing/capture-io.ts';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { shareRadosgw } from '../../src/testing/radosgw.ts';
import { SEED_DAYS } from '../../src/testing/seed-archive.ts';
import { filterFault, matchFilter } from '../../src/wire/topic.ts';

const HOUR_MS = 3_600_000;
let folder: ArchiveFolder;

/** Two hours sealed with gzip and with zstd, one sealed that is still in the journal too, one open. */
before(async () => {
  folder = await ArchiveFolder.create('2026-11-20T21:00:00Z');
  for (const codec of ['gzip', 'zstd'] as const) {
    for (let i = 0; i < 20; i++)
      await folder.append(`plant/${i % 4}/temp`, JSON.stringify({ t: 20 + i, codec }), { qos: 1, source: 'plc' });
    folder.nowMs += HOUR_MS;
    const sealer = await folder.seal({ codec, blockBytes: 600 });
    await sealer.close();
  }
  folder.journal.hold('a session').set(41);
  await folder.append('plant/9/state', 'on', { retain: true, dup: true, id: 'id-1', props: { user: [['k', 'v']], expiry: 5 } });
  await folder.append('bytes', Buffer.from([0, 255, 10, 27]), { contentType: 'x/y' });
  await (await folder.seal()).close();
  folder.nowMs += 2 * HOUR_MS;
  await folder.append('plant/0/temp', '{"t":99}');
  await folder.append('empty', '');
  await folder.append('$hydrant/x', 'inside');
});

after(() => folder[Symbol.asyncDispose]());

async function hydrant(args: string[], input?: string): Promise<{ code: number; out: string; err: string }> {
  const io = captureIo({ input });
  const code = await runCli(args, io);
  return { code, out: io.stdout.text, err: io.stderr.text };
}

const query = (sql: string, ...args: string[]) => hydrant(['query', sql, '--data', folder.path, ...args]);

async function rows(sql: string, ...args: string[]): Promise<unknown[]> {
  const { code, out, err } = await query(sql, '-o', 'json', ...args);
  assert.equal(code, 0, err);
  return JSON.parse(out) as unknown[];
}

test('each event is there once, sealed with any codec, sealed and still in the journal, or not sealed yet', async () => {
  assert.deepEqual(await rows('select count(*) n, count(distinct seq) seqs, min(seq) a, max(seq) b from events'), [
    { n: 44, seqs: 44, a: 1, b: 44 },
  ]);
  assert.deepEqual(await rows('select day, hour, count(*) n from events group by all order by all'), [
    { day: '2026-11-20', hour: 21, n: 20 },
    { day: '2026-11-20', hour: 22, n: 20 },
    { day: '2026-11-20', hour: 23, n: 2 },
    { day: '2026-11-21', hour: 1, n: 2 },
  ]);
});

test('every column of an event comes out as it went in', async () => {
  const [state, bytes, empty] = (await rows(
    "select * from events where topic in ('plant/9/state', 'bytes', 'empty') order by seq",
  )) as Record<string, unknown>[];
  const [segment] = folder.journal.segments;
  assert.deepEqual(state, {
    ts: '2026-11-20T23:00:00.000000Z',
    topic: 'plant/9/state',
    payload: Buffer.from('on').toString('base64'),
    seq: 41,
    id: 'id-1',
    qos: 0,
    retain: true,
    dup: true,
    content_type: null,
    source: null,
    props: { user: [['k', 'v']], expiry: 5 },
    journal: segment!.journal,
    epoch: segment!.epoch,
    day: '2026-11-20',
    hour: 23,
  });
  assert.deepEqual([bytes!.payload, bytes!.content_type, empty!.payload], [Buffer.from([0, 255, 10, 27]).toString('base64'), 'x/y', '']);
});

test('helpers decode the payload and take the topic apart', async () => {
  assert.deepEqual(
    await rows(
      "select text(payload) a, json(payload) b, json(payload).t c, topic_level(topic, 2) d, topic_level(topic, -1) e, topic_level(topic, 7) f from events where seq in (1, 41, 42, 44) or topic = 'empty' order by seq",
    ),
    [
      { a: '{"t":20,"codec":"gzip"}', b: { t: 20, codec: 'gzip' }, c: 20, d: '0', e: 'temp', f: null },
      { a: 'on', b: null, c: null, d: '9', e: 'state', f: null },
      { a: null, b: null, c: null, d: null, e: 'bytes', f: null },
      { a: '', b: null, c: null, d: null, e: 'empty', f: null },
    ],
  );
  assert.deepEqual(await rows("select sum(json(payload).t::int) s from events where topic_matches(topic, 'plant/+/temp')"), [
    { s: 2 * 590 + 99 },
  ]);
});

test('topic_matches follows the rules of MQTT, for every filter and topic', async () => {
  const level = fc.constantFrom('a', 'b', '', '$x', 'a.b', '(c', 'ü\n', '\\d');
  const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'));
  const filters = fc
    .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 3 }), fc.constantFrom('a', '+', '#', 'b'))
    .map(([levels, last]) => [...levels, last].join('/'));
  const seed = Date.now();
  console.log(`seed ${seed}`);
  const pairs = fc
    .sample(fc.tuple(filters, topics), { numRuns: 400, seed })
    .filter(([filter, topic]) => topic !== '' && !filterFault(filter));
  const sql = (text: string) => `'${text.replaceAll("'", "''")}'`;
  const values = pairs.map(([filter, topic], i) => `(${i}, ${sql(filter)}, ${sql(topic)})`).join(', ');
  const found = await rows(`select topic_matches(t, f) m from (values ${values}) v(i, f, t) order by i`);
  assert.deepEqual(
    found,
    pairs.map(([filter, topic]) => ({ m: matchFilter(filter, topic) })),
  );
  for (const filter of ['a/#/b', 'a+', '#a', '', 'a/+b/c']) {
    const { code, err } = await query(`select count(*) from events where topic_matches(topic, ${sql(filter)})`);
    assert.equal(code, 2, filter);
    assert.match(err, /is not an MQTT filter: \+ stands for one whole level, # for all that follows/);
  }
});

test('topics that begin with $ are there for those who name them', async () => {
  assert.deepEqual(await rows("select topic from events where topic like '$%'"), []);
  assert.deepEqual(await rows('select topic, text(payload) p from events', '--filter', '$hydrant/#'), [
    { topic: '$hydrant/x', p: 'inside' },
  ]);
  assert.deepEqual(await rows('select count(*) n from events', '--filter', '#', '--filter', '$hydrant/#'), [{ n: 45 }]);
});

test('--since, --until and --filter bound what is read, exactly', async () => {
  const count = async (...args: string[]) => (await rows('select count(*) n from events', ...args))[0];
  assert.deepEqual(await count('--since', '2026-11-20T22:00Z', '--until', '2026-11-20T23:00Z'), { n: 20 });
  assert.deepEqual(await count('--since', '2026-11-20T23:00:00.001Z'), { n: 2 });
  assert.deepEqual(await count('--filter', 'plant/0/+'), { n: 11 });
  assert.deepEqual(await count('--since', '2027-01-01'), { n: 0 });
  await using own = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  for (let minute = 0; minute < 4; minute++) {
    await own.append('a', String(minute));
    own.nowMs += 60_000;
  }
  own.nowMs += HOUR_MS;
  await own.append('b');
  await (await own.seal()).close();
  const within = ['--since', '2026-11-20T10:01Z', '--until', '2026-11-20T10:03Z', '--data', own.path];
  assert.equal((await hydrant(['query', 'select text(payload) p from events order by p', ...within])).out, '{"p":"1"}\n{"p":"2"}\n');
});

test('a table, csv, ndjson and json show the same rows', async () => {
  const sql = `select seq, topic, payload, 'a"b,c' q, null n, 1.5::decimal(4,1) d, [1, 2] l, {'x': 1} s, map {'k': 2} m, 18446744073709551615::ubigint u,
    ts, 'nan'::double f from events where seq in (41, 42) order by seq`;
  const shown = async (format: string) => (await query(sql, '-o', format)).out;
  const record = { seq: 41, topic: 'plant/9/state', payload: 'b24=', q: 'a"b,c', n: null, d: 1.5, l: [1, 2], s: { x: 1 }, m: { k: 2 } };
  const [first] = JSON.parse(await shown('json')) as unknown[];
  assert.deepEqual(first, { ...record, u: '18446744073709551615', ts: '2026-11-20T23:00:00.000000Z', f: 'NaN' });
  assert.deepEqual(JSON.parse((await shown('ndjson')).split('\n')[0]!), first);
  assert.deepEqual((await shown('csv')).split('\r\n').slice(0, 2), [
    'seq,topic,payload,q,n,d,l,s,m,u,ts,f',
    '41,plant/9/state,b24=,"a""b,c",,1.5,"[1,2]","{""x"":1}","{""k"":2}",18446744073709551615,2026-11-20T23:00:00.000000Z,NaN',
  ]);
  const [titles, on, bytes] = (await shown('table')).split('\n');
  assert.match(titles!, /^seq {2}topic +payload +q +n +d {2}l/);
  assert.match(on!, /^ 41 {2}plant\/9\/state {2}on .*a"b,c {2}NULL {2}1\.5 {2}\[1,2\]/);
  assert.match(bytes!, /\\x00\\xff\\x0a\\x1b/, 'bytes cannot drive a terminal');
  assert.equal((await query('select seq from events where false', '-o', 'table')).out, 'seq\n');
  assert.equal((await query('select seq from events where false', '-o', 'json')).out, '[]\n');
});

test('the statement comes from an argument, from stdin or from a file', async () => {
  const sql = 'select count(*) n from events';
  const path = join(folder.path, 'q.sql');
  await writeFile(path, sql);
  const data = ['--data', folder.path];
  for (const { out } of [
    await hydrant(['query', sql, ...data]),
    await hydrant(['query', '-', ...data], sql),
    await hydrant(['query', '--file', path, ...data]),
  ]) {
    assert.equal(out, '{"n":44}\n');
  }
  for (const args of [[], [sql, '--file', path]]) assert.equal((await hydrant(['query', ...args, ...data])).code, 2);
  assert.match((await hydrant(['query', '--file', `${path}.none`, ...data])).err, /--file .*q\.sql\.none: ENOENT/);
});

test('a mistake in the SQL is said once, with the place, and is exit 2', async () => {
  const { code, out, err } = await query('select nope\nfrom events');
  assert.deepEqual([code, out], [2, '']);
  assert.match(
    err,
    /^hydrant query: Binder Error: Referenced column "nope" not found in FROM clause!\n.*\n\nLINE 1: select nope\n +\^\n {2}fix: Correct the SQL; /,
  );
  assert.match((await query("select json(payload)::int from events where topic = 'plant/0/temp'")).err, /Conversion Error/);
  assert.match((await query('select 1; select 2')).err, /there are 2 statements, not one/);
  assert.match((await query(' ')).err, /there is no SQL/);
});

test('only reading is allowed: no other file, no write, no setting, no extension', async () => {
  const secret = join(folder.path, 'secret.txt');
  await writeFile(secret, 'x');
  for (const sql of [
    `select * from read_text('${secret}')`,
    `select * from '${folder.archiveDir}/**/*.gz'`,
    `copy (select 1) to '${join(folder.path, 'out.csv')}'`,
    'create table t as select 1',
    'drop view events',
    'set enable_external_access = true',
    'install httpfs',
    'load icu',
    `attach '${join(folder.path, 'state.db')}'`,
  ]) {
    const { code, out } = await query(sql);
    assert.deepEqual([code, out], [2, ''], sql);
  }
  assert.ok(!(await readdir(folder.path)).includes('out.csv'));
  assert.deepEqual(await readdir(join(folder.path, 'query')), [], 'nothing of a query stays');
});

test('Ctrl-C ends a query that runs, with 130 and nothing left behind', async () => {
  const io = captureIo();
  const running = runCli(['query', 'select sum(a.range * b.range) from range(300000) a, range(200000) b', '--data', folder.path], io);
  setTimeout(() => io.abort(new HydrantError('HYD_ABORTED', 'interrupted')), 1000);
  assert.equal(await running, 130);
  assert.deepEqual(await readdir(join(folder.path, 'query')), []);
});

test('what a killed query left is removed by the next one; memory has a bound', async () => {
  await using own = await ArchiveFolder.create();
  await own.append('a');
  const io = captureIo();
  assert.equal(await runCli(['query', 'select 1', '--data', own.path], io), 0);
  const left = join(own.path, 'query', '4194999-dead');
  await writeFile(left, 'x');
  const { code, err } = await hydrant([
    'query',
    'select list(range) from range(100000000)',
    '--data',
    own.path,
    '--memory',
    '64MiB',
    '--threads',
    '1',
  ]);
  assert.equal(code, 2);
  assert.match(err, /Out of Memory Error[\s\S]*fix: Allow more with --memory/);
  assert.deepEqual(await readdir(join(own.path, 'query')), []);
});

/** A copy of the archive as a store elsewhere. */
const remote = () => pathToFileURL(folder.archiveDir).href;

test('a store given with --from is read alone, and with the data folder as one', async () => {
  const { out } = await hydrant(['query', 'select count(*) n from events', '--from', remote()]);
  assert.equal(out, '{"n":42}\n');
  assert.deepEqual(await rows('select count(*) n from events', '--from', remote()), [{ n: 44 }]);
});

test('damaged objects give what is good of them; what is left out is told and is exit 3', async () => {
  await using own = await ArchiveFolder.create();
  for (let i = 0; i < 30; i++) await own.append('a', `payload ${i}`.repeat(20));
  await own.journal.rotate();
  await own.append('open');
  const sealer = await own.openSealer({ codec: 'zstd', blockBytes: 1500 });
  await sealer.run();
  await sealer.close();
  const name = (await own.files('archive')).find((file) => file.endsWith('.zst'))!;
  const path = join(own.archiveDir, name);
  const bytes = await readFile(path);
  bytes[bytes.length >> 1]! ^= 1;
  await writeFile(path, bytes);
  const { code, out, err } = await hydrant([
    'query',
    'select count(*) n from events',
    '--data',
    own.path,
    '--from',
    pathToFileURL(own.archiveDir).href,
  ]);
  const { n } = JSON.parse(out) as { n: number };
  assert.ok(n > 10 && n < 30, out);
  assert.equal(code, 3);
  assert.match(err, /^damaged: .*\.ndjson\.zst at byte \d+: .*\n {2}fix: Run `hydrant archive verify`/);
});

test('days that the seed program wrote are read: its escapes, null data, torn last lines', async () => {
  await using own = await ArchiveFolder.create();
  for (const { day, lines } of SEED_DAYS.slice(0, 2)) await own.store.put(`2022/${day}.json.gz`, gzipSync(lines), { ifNoneMatch: true });
  await own.store.put('2022/20220702.json', Buffer.from(SEED_DAYS[2]!.lines), { ifNoneMatch: true });
  await rm(own.journalDir, { recursive: true });
  const { code, out, err } = await hydrant([
    'query',
    'select topic, text(payload) p, seq, journal, day from events order by ts',
    '--data',
    own.path,
  ]);
  const unknown = { seq: null, journal: null };
  assert.deepEqual(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { topic: 'home/<kitchen>/temp&hum', p: '{"t":21.5}', ...unknown, day: '2022-06-30' },
      { topic: 'home/door', p: '', ...unknown, day: '2022-06-30' },
      { topic: 'home/übergang', p: 'café', ...unknown, day: '2022-06-30' },
      { topic: 'home/door', p: '', ...unknown, day: '2022-07-01' },
      { topic: 'site/1/x', p: null, ...unknown, day: '2022-07-01' },
      { topic: 'home/door', p: 'open', ...unknown, day: '2022-07-02' },
    ],
  );
  assert.equal(code, 3);
  assert.match(err, /^damaged: 2022\/20220702\.json at byte \d+: not a whole archive line/);
});

test('a day that was put together of two starts, and hours that a crash left beside it, tell each event once', async () => {
  await using own = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  await own.append('a', '1');
  await own.restart();
  own.journal.hold('a session').set(2);
  await own.append('a', '2');
  await own.journal.rotate();
  await (await own.seal()).close();
  const hours = await own.files('archive');
  const kept = await Promise.all(hours.map(async (name) => [name, await readFile(join(own.archiveDir, name))] as const));
  own.nowMs += 24 * HOUR_MS;
  await own.append('a', '3');
  const sealer = await own.openSealer({ layout: 'daily' });
  await sealer.run();
  await sealer.close();
  assert.ok((await own.files('archive')).includes('2026/20261120.json.gz'));
  for (const [name, bytes] of kept) await own.store.put(name, bytes, { ifNoneMatch: true });
  const { out } = await hydrant([
    'query',
    'select text(payload) p, count(distinct epoch) over () e, day from events order by p',
    '--data',
    own.path,
  ]);
  assert.deepEqual(
    out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    [
      { p: '1', e: 2, day: '2026-11-20' },
      { p: '2', e: 2, day: '2026-11-20' },
      { p: '3', e: 2, day: '2026-11-21' },
    ],
  );
});

test('hours that were put together as Parquet say what their lines said, beside what they were made of and without it', async () => {
  await using own = await ArchiveFolder.create('2026-11-20T10:00:00Z');
  const hold = own.journal.hold('a session');
  hold.set(3);
  const sealer = await own.openSealer();
  for (let i = 0; i < 3; i++) {
    await own.append(`p/${i}`, Buffer.from([i, 255]), {
      qos: 2,
      retain: i === 1,
      dup: i === 2,
      id: `id ${i}`,
      contentType: 'a/b',
      source: 's',
    });
    await own.append('p/json', JSON.stringify({ i }), { props: { user: [['k', `v${i}`]] } });
    await own.journal.rotate();
    own.nowMs += 60_000;
  }
  own.nowMs += 3 * HOUR_MS;
  await own.append('open');
  await sealer.run();
  const all = async (): Promise<string> => {
    const { code, out, err } = await hydrant(['query', 'select * from events order by seq', '--data', own.path]);
    assert.equal(code, 0, err);
    return out;
  };
  const before = await all();
  assert.equal(before.trim().split('\n').length, 7);
  const parts = await Promise.all(
    (await own.files('archive')).map(async (name) => [name, await readFile(join(own.archiveDir, name))] as const),
  );
  const upkeep = own.openUpkeep(sealer, { compact: { afterMs: 0, minObjects: 2, maxBytes: 2 ** 28, format: 'parquet' }, graceMs: 0 });
  // The second look removes what the first has put together.
  await upkeep.run();
  await upkeep.run();
  const whole = await own.files('archive');
  assert.ok(whole.some((name) => name.endsWith('.parquet')) && !whole.some((name) => name.endsWith('.ndjson.gz')), whole.join());
  assert.equal(await all(), before, 'what the journal still has is told once');
  hold.release();
  await own.journal.trim();
  assert.equal(own.journal.firstSeq, 7);
  assert.equal(await all(), before);
  for (const [name, bytes] of parts) await own.store.put(name, bytes, { ifNoneMatch: true });
  assert.equal(await all(), before);
});

test('objects of a bucket are fetched, those that may match and no others', async () => {
  const radosgw = await shareRadosgw();
  const env = { AWS_ACCESS_KEY_ID: radosgw.accessKeyId, AWS_SECRET_ACCESS_KEY: radosgw.secretAccessKey, HOME: folder.path };
  await using bucket = await openStore('s3://query-archive/site', { s3: radosgw.settings(), makeBucket: true });
  for (const name of await folder.files('archive')) await bucket.put(name, { path: join(folder.archiveDir, name) }, { ifNoneMatch: true });
  Object.assign(process.env, env);
  await using proxy = await startBreakingHttp(radosgw.endpoint);
  const count = async (...args: string[]): Promise<{ out: string; fetched: string[] }> => {
    const io = captureIo({ env });
    const from = ['--from', 's3://query-archive/site', '--endpoint', proxy.url, '--cache-bytes', '0'];
    const seen = proxy.requests.length;
    assert.equal(await runCli(['query', 'select count(*) n, min(seq) least from events', ...from, ...args], io), 0, io.stderr.text);
    const objects = proxy.requests
      .slice(seen)
      .filter(({ method, path }) => method === 'GET' && /\.ndjson\.\w+(\?x-id=GetObject)?$/.test(path));
    return { out: io.stdout.text, fetched: objects.map(({ path }) => /hour=\d\d/.exec(decodeURIComponent(path))![0]) };
  };
  const hour = ['--since', '2026-11-20T22:00Z', '--until', '2026-11-20T23:00Z'];
  assert.deepEqual(await count(...hour), { out: '{"n":20,"least":21}\n', fetched: ['hour=22'] });
  assert.deepEqual(await count('--filter', 'plant/9/#'), { out: '{"n":1,"least":41}\n', fetched: ['hour=23'] });
  assert.deepEqual(await count('--filter', 'nobody'), { out: '{"n":0,"least":null}\n', fetched: [] });
  proxy.inject({ kind: 'flip-response' }, { path: /\.ndjson\./ });
  assert.equal((await count(...hour)).out, '{"n":20,"least":21}\n', 'what comes damaged from the store is not believed');
});

test('a line of 20 MB is read', async () => {
  await using own = await ArchiveFolder.create();
  await own.append('big', Buffer.alloc(15 * 1024 * 1024, 'x'));
  await own.append('small', 'y');
  await (await own.seal()).close();
  const { out, err } = await hydrant(['query', 'select topic, octet_length(payload) n from events order by seq', '--data', own.path]);
  assert.equal(out, `{"topic":"big","n":${15 * 1024 * 1024}}\n{"topic":"small","n":1}\n`, err);
});

test('the guide’s tables are those of the program, and every example in it runs', async () => {
  const guide = await readFile(new URL('../../docs/guide/query.md', import.meta.url), 'utf8');
  const columns = Object.entries(EVENT_COLUMNS);
  for (const [name, [type, what]] of columns) assert.ok(guide.includes(`\n| \`${name}\` | ${type} | ${what} |\n`), name);
  for (const [call, [what]] of Object.entries(MACROS)) assert.ok(guide.includes(`\n| \`${call}\` | ${what} |\n`), call);
  assert.deepEqual(
    await rows('select column_name, column_type from (describe events)'),
    columns.map(([column_name, [type]]) => ({ column_name, column_type: type === 'TIMESTAMPTZ' ? 'TIMESTAMP WITH TIME ZONE' : type })),
  );
  await writeFile(join(folder.path, 'report.sql'), 'select 1 as n');
  const examples = guide.split('\n').filter((line) => /^ {4}(echo .*)?hydrant query/.test(line));
  assert.ok(examples.length >= 12);
  for (const line of examples) {
    const words = [...line.matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(([, a, b, c]) => a ?? b ?? c!);
    const input = words[0] === 'echo' ? words[1] : undefined;
    const args = words.slice(words.indexOf('hydrant') + 1).map((word) => (word === 'report.sql' ? join(folder.path, word) : word));
    const { code, out, err } = await hydrant([...args, '--data', folder.path], input);
    assert.deepEqual([code, err], [0, ''], line);
    assert.match(out, /\n/, line);
  }
});

test('without DuckDB the command says how to install it', async () => {
  const hook = join(folder.path, 'without-duckdb.mjs');
  const text = `import { registerHooks } from 'node:module';
registerHooks({
  resolve(specifier, context, next) {
    if (!specifier.startsWith('@duckdb/')) return next(specifier, context);
    throw Object.assign(new Error('Cannot find package'), { code: 'ERR_MODULE_NOT_FOUND' });
  },
});`;
  await writeFile(hook, text);
  const env = { NODE_OPTIONS: `--import=${pathToFileURL(hook).href}` };
  const { code, stderr } = await runHydrant(['query', 'select 1', '--data', folder.path], { env });
  assert.equal(
    stderr,
    'hydrant query: SQL needs DuckDB, which is not installed\n' +
      '  fix: Run `npm install @duckdb/node-api` in the folder where Hydrant is installed (`npm install -g @duckdb/node-api` when it was installed with -g).\n',
  );
  assert.equal(code, 1);
});
