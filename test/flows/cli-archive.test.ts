import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cp, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ArchiveFolder } from '../../src/testing/archive-folder.ts';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { HYDRANT_BIN, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// `hydrant archive` and `hydrant find` where part of the events is sealed and part is not.
const COUNT = 3000;
let server: HydrantServer;
let at: string[];

const rows = <T>(text: string): T[] =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as T);

before(async () => {
  server = await startHydrant({ set: { 'journal.rotate.bytes': '64KiB', 'clients.events': false } });
  at = ['--data', server.data];
  const input = Array.from({ length: COUNT }, (_, i) => `payload number ${i}`).join('\n');
  assert.equal((await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'a/b', '-l', '-q', '1'], { input })).code, 0);
});
after(() => server[Symbol.asyncDispose]());

test('ls sums every hour, -l shows each object and segment, and no event is missing or told twice', async () => {
  const periods = rows<{ events: number; firstSeq: number; lastSeq: number }>((await runHydrant(['archive', 'ls', ...at])).stdout);
  assert.equal(
    periods.reduce((sum, period) => sum + period.events, 0),
    COUNT,
  );
  const items = rows<{ state: string; events: number }>((await runHydrant(['archive', 'ls', '-l', ...at])).stdout);
  assert.ok(items.some(({ state }) => state === 'sealed') || items.length > 1, JSON.stringify(items));
  assert.equal(
    items.reduce((sum, item) => sum + item.events, 0),
    COUNT,
  );
  const table = (await runHydrant(['archive', 'ls', '-o', 'table', ...at])).stdout.split('\n');
  assert.match(table[0]!, /^DAY +HOUR +SEALED +OPEN +EVENTS +GAPS +SIZE +SEQUENCES$/);
  assert.equal((await runHydrant(['archive', 'ls', '--until', '1h', ...at])).stdout, '');
});

test('hours counts what was archived, sealed or not, and knows that the archiver was up since it started', async () => {
  const { code, stdout, stderr } = await runHydrant(['archive', 'hours', ...at]);
  assert.deepEqual([code, stderr], [0, '']);
  const hours = rows<{ hour: string; archiver: string; events: number }>(stdout);
  assert.equal(
    hours.reduce((sum, { events }) => sum + events, 0),
    COUNT,
  );
  assert.match(hours[0]!.hour, /^\d{4}-\d\d-\d\dT\d\d$/);
  assert.ok(
    hours.every(({ archiver }) => archiver !== 'down'),
    stdout,
  );
  assert.ok(existsSync(join(server.data, 'catalogue.db')));
  assert.equal((await runHydrant(['archive', 'hours', '--holes', '--until', '2020-01-01', ...at])).stdout, '');
  assert.match(
    (await runHydrant(['archive', 'hours', '-o', 'table', ...at])).stdout,
    /^HOUR +ARCHIVER +EVENTS +SIZE +DUP +EXCLUDED +DAMAGED +MISSING +BROKER GAPS\n/,
  );
});

test('ls -f goes on with what is new, until it is interrupted', async () => {
  await using child = new Child(HYDRANT_BIN, ['archive', 'ls', '-l', '-f', '-o', 'ndjson', ...at], {});
  const sum = (): number => {
    const latest = new Map(
      child.stdout
        .split('\n')
        .filter((line) => line.endsWith('}'))
        .map((line) => [JSON.parse(line).name as string, JSON.parse(line).events as number]),
    );
    return [...latest.values()].reduce((total, events) => total + events, 0);
  };
  await until(() => sum() === COUNT, 'what is there');
  const before = child.stdout.length;
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'a/b', '-m', 'one more', '-q', '1']);
  await until(() => child.stdout.length > before, 'what has changed');
  const rowsLater = rows<{ lastSeq: number }>(child.stdout.slice(before));
  assert.equal(rowsLater.at(-1)!.lastSeq, COUNT + 1);
  assert.equal((await child.kill('SIGINT')).code, 130);
});

test('verify is content with a running server, and finds one changed byte in the stopped one’s folder', async () => {
  const good = await runHydrant(['archive', 'verify', ...at]);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.deepEqual(
    rows<{ status: string; events: number }>(good.stdout).map(({ status, events }) => ({ status, events })),
    [{ status: 'ok', events: COUNT + 1 }],
  );
  await server.stop();
  const [item] = rows<{ name: string; state: string }>((await runHydrant(['archive', 'ls', '-l', ...at])).stdout);
  const path = item!.state === 'sealed' ? join(server.data, 'archive', item!.name) : item!.name;
  const bytes = readFileSync(path);
  bytes[bytes.length >> 1]! ^= 0xff;
  writeFileSync(path, bytes);
  const bad = await runHydrant(['archive', 'verify', ...at]);
  assert.equal(bad.code, 3);
  assert.match(bad.stderr, /fix: Restore the files named above from a backup/);
  const found = rows<{ name?: string; status?: string }>(bad.stdout);
  assert.ok(found.some(({ name }) => name?.endsWith(item!.name)));
  assert.equal(found.at(-1)!.status, 'partial');
  assert.match(
    (await runHydrant(['archive', 'verify', '-o', 'table', ...at])).stdout,
    /^DAY +FOUND +DETAIL +NAME\n.*\n(?:.*\n)*.* objects and .* open segments, .* problems\n$/,
  );
});

test('--repair uploads again what the store lost and the folder has whole, and overwrites nothing', async () => {
  await using folder = await ArchiveFolder.create();
  await using store = await createTempFolder();
  for (let hour = 0; hour < 3; hour++) {
    await folder.append('a', `hour ${hour}`);
    folder.nowMs += 3_600_000;
  }
  await folder.append('open');
  await (await folder.seal()).close();
  await folder.close();
  await cp(folder.archiveDir, store.path, { recursive: true });
  const [first, second, third] = (await folder.files('archive')).filter((name) => name.endsWith('.gz'));
  const verify = (...args: string[]) => runHydrant(['archive', 'verify', '-d', folder.path, '--from', store.path, ...args]);
  await rm(join(store.path, first!));
  await truncate(join(store.path, second!), 10);
  const damaged = readFileSync(join(store.path, second!));
  const local = readFileSync(join(folder.archiveDir, third!));
  local[local.length >> 1]! ^= 1;
  writeFileSync(join(folder.archiveDir, third!), local);
  await rm(join(store.path, third!));

  const { code, stdout, stderr } = await verify('--repair');
  assert.equal(code, 3);
  const bytes = statSync(join(folder.archiveDir, first!)).size;
  assert.deepEqual(
    rows<{ outcome?: string }>(stdout).filter(({ outcome }) => outcome),
    [
      { key: first, bytes, outcome: 'uploaded' },
      { key: second, bytes: statSync(join(folder.archiveDir, second!)).size, outcome: 'refused' },
    ],
  );
  assert.match(
    stderr,
    new RegExp(`not uploaded: file://${store.path}/${second} is there with other content\n {2}fix: Remove those from the store`),
  );
  assert.deepEqual(readFileSync(join(store.path, first!)), readFileSync(join(folder.archiveDir, first!)));
  assert.deepEqual(readFileSync(join(store.path, second!)), damaged);
  assert.ok(!existsSync(join(store.path, third!)), 'what is damaged here is not sent');

  await rm(join(store.path, second!));
  assert.match((await verify('--repair', '-o', 'table')).stdout, /^(.*\n)*uploaded again: 1 files, \d+B\n.* problems\n$/);
  const days = await verify('--days', '-o', 'table');
  assert.match(days.stdout, /^DAY +OBJECTS +OPEN +EVENTS +SIZE +EXCLUDED +BROKER GAPS +REPEATED IDS +PROBLEMS\n2026-11-20 +4 +1 +3 /);
  assert.match((await runHydrant(['archive', 'verify', '-d', folder.path, '--repair'])).stderr, /--repair needs a data folder and a store/);
});

test('archive alone says that it needs a broker, or a subcommand', async () => {
  const output = await runHydrant(['archive']);
  assert.equal(output.code, 2);
  assert.match(output.stderr, /no broker is named\n {2}fix: .*or one of the subcommands/);
});
