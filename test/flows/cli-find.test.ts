import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder, type TempFolder } from '../../src/testing/temp-folder.ts';

// `hydrant find` on the folder of a running server, then of the stopped one.
let folder: TempFolder;
let server: HydrantServer | undefined;
let data: string;
const COUNT = 500;

const find = (...args: string[]) => runHydrant(['find', ...args, '--data', data]);
const lines = (text: string): string[] => text.split('\n').filter((line) => line !== '');

before(async () => {
  folder = await createTempFolder();
  data = join(folder.path, 'data');
  server = await startHydrant({ data, set: { 'clients.events': false } });
  const input = Array.from({ length: COUNT }, (_, i) => JSON.stringify({ i, t: i % 40 })).join('\n');
  const sent = await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'plant/7/temp', '-l', '-q', '1'], { input });
  assert.equal(sent.code, 0, sent.stderr);
  for (const topic of ['plant/8/temp', 'other/x'])
    await runHydrant(['pub', '--url', server.mqttUrl, '-t', topic, '-m', 'no JSON', '-q', '2']);
});
after(async () => {
  await server?.[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

test('NDJSON is what the journal holds, byte for byte, while the server runs', async () => {
  const found = await find('#', '-o', 'ndjson');
  const [segment] = readdirSync(join(data, 'journal')).filter((name) => name.endsWith('.ndjson'));
  const written = readFileSync(join(data, 'journal', segment!), 'utf8');
  assert.deepEqual([found.code, found.stderr], [0, '']);
  assert.equal(lines(found.stdout).length, COUNT + 2, 'no default limit');
  assert.equal(found.stdout, written.slice(written.indexOf('\n') + 1));
});

test('filters, times and expressions narrow it down', async () => {
  assert.equal(lines((await find('plant/+/temp')).stdout).length, COUNT + 1);
  assert.equal(lines((await find('plant/8/#', 'other/x')).stdout).length, 2);
  assert.equal(lines((await find('--where', 'json.t > 35')).stdout).length, (COUNT / 40 - 0.5) * 4);
  assert.equal(lines((await find('--since', '1h')).stdout).length, COUNT + 2);
  assert.equal(lines((await find('--until', '1h')).stdout).length, 0);
  assert.equal(lines((await find('--limit', '7')).stdout).length, 7);
});

test('raw prints payloads, json one array, a table what a person reads', async () => {
  assert.equal((await find('plant/7/#', '--limit', '2', '-o', 'raw')).stdout, '{"i":0,"t":0}\n{"i":1,"t":1}\n');
  const array = JSON.parse((await find('plant/#', '--limit', '2', '-o', 'json')).stdout) as { json: { i: number } }[];
  assert.deepEqual(
    array.map((event) => event.json.i),
    [0, 1],
  );
  const table = lines((await find('other/#', '-o', 'table', '--tz', 'Asia/Tokyo')).stdout);
  assert.match(table[0]!, /^TIME +SEQ +QOS +TOPIC +PAYLOAD$/);
  assert.match(table[1]!, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+09:00 +502 +2 +other\/x +no JSON$/);
});

test('a bound on the work is said, and is exit 3', async () => {
  const found = await find('--max-scan', '10');
  assert.equal(lines(found.stdout).length, 10);
  assert.equal(found.code, 3);
  assert.match(found.stderr, /^stopped by --max-scan: looked at 10 events; there are more\n$/);
});

test('events without the field asked for are counted when nothing matched', async () => {
  const found = await find('--where', 'json.pressure > 1');
  assert.deepEqual([found.code, found.stdout], [0, '']);
  assert.match(found.stderr, /--where could not be evaluated on 502 events.*No such key: pressure/);
});

test('every mistake says what, why and the fix', async () => {
  for (const [args, code, stderr] of [
    [['a/#/b'], 2, /^hydrant find: filter "a\/#\/b": # stands for all that follows.*\n {2}fix: /],
    [['--where', 'topik == 1'], 2, /--where: Unknown variable: topik\n {4}topik == 1\n {4}\^\n {2}fix: /],
    [['--since', 'tomorrowish'], 2, /time "tomorrowish": it is not a time\n {2}fix: /],
    [['--since', 'now', '--until', '1h'], 2, /nothing lies between "now" and "1h"/],
    [['--tz', 'Mars/Olympus', '-o', 'table'], 2, /"Mars\/Olympus" is not a time zone/],
    [['--limit', '0'], 2, /--limit.*Give a whole number, 1 or more/],
    [['-o', 'yaml'], 2, /Allowed choices are table, ndjson, json, raw/],
    [['--sicne', '1h'], 2, /unknown option '--sicne'\n {2}fix: Did you mean --since\?/],
  ] as const) {
    const found = await find(...args);
    assert.match(found.stderr, stderr, args.join(' '));
    assert.deepEqual([found.code, found.stdout], [code, ''], args.join(' '));
  }
  const missing = await runHydrant(['find', '--data', join(folder.path, 'nothing')]);
  assert.equal(missing.code, 1);
  assert.match(
    missing.stderr,
    /nothing has neither a journal nor an archive\n {2}fix: Give the folder of a server with --data DIR or HYDRANT_DATA/,
  );
});

test('the stopped server’s folder says the same; a damaged line is reported, left out, and exit 3', async () => {
  await server!.stop();
  const found = await find('#');
  assert.equal(lines(found.stdout).length, COUNT + 2);
  const [segment] = readdirSync(join(data, 'journal')).filter((name) => name.endsWith('.ndjson'));
  const path = join(data, 'journal', segment!);
  const bytes = readFileSync(path);
  bytes[2000]! ^= 1;
  writeFileSync(path, bytes);
  const damaged = await find('#');
  assert.equal(lines(damaged.stdout).length, COUNT + 1);
  assert.equal(damaged.code, 3);
  assert.match(damaged.stderr, new RegExp(`^damaged: .*${segment} at byte \\d+: .*\\n {2}fix: Run \`hydrant archive verify\``));
});

test('topics that begin with $ are found by name, and are not in what is found without a filter', async () => {
  await using other = await startHydrant();
  for (const topic of ['$own/a', 'plain/a']) await fetch(`${other.httpUrl}/t/${topic}`, { method: 'POST', body: 'x' });
  await (await RawClient.connect(other.mqttUrl)).disconnect();
  const topics = async (...args: string[]) => {
    const { stdout } = await runHydrant(['find', ...args, '-d', other.data, '-o', 'ndjson']);
    return stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { topic: string }).topic);
  };
  assert.deepEqual(await topics(), ['plain/a']);
  assert.deepEqual(await topics('$own/#'), ['$own/a']);
  assert.match((await topics('$hydrant/#')).join(' '), /connected .*disconnected$/);
});
