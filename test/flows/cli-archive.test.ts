import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';

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
  assert.match(table[0]!, /^DAY +HOUR +SEALED +OPEN +EVENTS +SIZE +SEQUENCES$/);
  assert.equal((await runHydrant(['archive', 'ls', '--until', '1h', ...at])).stdout, '');
});

test('verify is content with a running server, and finds one changed byte in the stopped one’s folder', async () => {
  const good = await runHydrant(['archive', 'verify', ...at]);
  assert.equal(good.code, 0, good.stdout + good.stderr);
  assert.deepEqual(
    rows<{ status: string; events: number }>(good.stdout).map(({ status, events }) => ({ status, events })),
    [{ status: 'ok', events: COUNT }],
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
    /^DAY +PROBLEM +DETAIL +NAME\n.*\n(?:.*\n)*.* objects and .* open segments, .* problems\n$/,
  );
});

test('archive alone names its subcommands', async () => {
  const output = await runHydrant(['archive']);
  assert.equal(output.code, 2);
  assert.match(output.stderr, /hydrant archive needs a subcommand: ls, verify/);
});
