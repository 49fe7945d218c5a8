import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Child } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { findEvents, HYDRANT_BIN, type HydrantServer, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import type { StoredEvent } from '../../src/wire/event.ts';

const COUNT = 2000;
let server: HydrantServer;
let at: string[];

before(async () => {
  server = await startHydrant({ set: { 'clients.events': false } });
  at = ['--data', server.data, '--url', server.mqttUrl];
  const input = Array.from({ length: COUNT }, (_, i) => String(i)).join('\n');
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'seq/a', '-l', '-q', '1'], { input });
  await runHydrant([
    'pub',
    '--url',
    server.mqttUrl,
    '-t',
    'kept/a',
    '-m',
    'on',
    '-q',
    '2',
    '-r',
    '-V',
    '5',
    '-D',
    'publish',
    'user-property',
    'k',
    'v',
  ]);
});
after(() => server[Symbol.asyncDispose]());

const numbers = (events: StoredEvent[]): number[] => events.map((event) => Number(Buffer.from(event.payload).toString()));
const all = Array.from({ length: COUNT }, (_, i) => i);

test('a dry run counts exactly and publishes nothing', async () => {
  const before = (await findEvents(server.data)).length;
  const counted = await runHydrant(['replay', 'seq/#', '--dry-run', '--rate', '100/s', ...at]);
  const { events, bytes, takesMs } = JSON.parse(counted.stdout) as Record<string, number>;
  assert.deepEqual([counted.code, events, bytes, takesMs], [0, COUNT, all.join('').length, COUNT * 10]);
  assert.equal((await findEvents(server.data)).length, before);
});

test('events come again in order under the prefix, with QoS, retain flag and properties, each marked with what it was', async () => {
  const done = await runHydrant(['replay', '--to', 'again', ...at]);
  assert.deepEqual([done.code, JSON.parse(done.stdout)], [0, { published: COUNT + 1, leftOut: 0 }], done.stderr);
  assert.deepEqual(numbers(await findEvents(server.data, 'again/seq/a')), all);
  const [original] = await findEvents(server.data, 'kept/a');
  const [again] = await findEvents(server.data, 'again/kept/a');
  assert.deepEqual([again!.qos, again!.retain, again!.payload], [2, true, original!.payload]);
  const [first, mark] = again!.props!.user!;
  assert.deepEqual(first, ['k', 'v']);
  assert.match(mark!.join(), new RegExp(`^hydrant-replay,[0-9a-f]{16}-[0-9a-f]{8}-${original!.seq}$`));
  assert.equal((await runHydrant(['sub', '--url', server.mqttUrl, '-t', 'again/kept/#', '-C', '1', '-W', '10'])).stdout, 'on\n');
});

test('QoS and retain flag can be had otherwise, and MQTT 3.1.1 leaves no mark', async () => {
  await runHydrant(['replay', 'kept/a', '--to', 'plain', '--qos', '0', '--no-retain', '-V', '311', ...at]);
  const events = await findEvents(server.data, 'plain/kept/a');
  assert.deepEqual(
    events.map(({ qos, retain, props }) => ({ qos, retain, props })),
    [{ qos: 0, retain: false, props: undefined }],
  );
});

test('topics are rewritten by filter, and what no rule matches keeps its topic', async () => {
  const rewrite = ['--rewrite', 'kept/+=moved/$1/x', '--rewrite', 'seq/#=numbers/$1'];
  const done = await runHydrant(['replay', 'kept/a', 'seq/a', '--limit', '10', ...rewrite, '--to', 'rewritten', ...at]);
  assert.equal(JSON.parse(done.stdout).published, 10, done.stderr);
  assert.deepEqual(numbers(await findEvents(server.data, 'rewritten/numbers/a')), all.slice(0, 10));
  await runHydrant(['replay', 'kept/a', ...rewrite, ...at]);
  assert.equal((await findEvents(server.data, 'moved/a/x')).length, 1);
});

test('what was replayed can be left out: by find, by replay, by sub, and in --where', async () => {
  const find = async (...args: string[]) =>
    (await findEvents(server.data, '+/kept/a', args)).length + (await findEvents(server.data, 'kept/a', args)).length;
  await runHydrant(['replay', 'kept/a', '--to', 'marked', ...at]);
  const marked = await find('--where', 'replayed');
  assert.ok(marked > 0);
  assert.equal(await find('--where', '!replayed'), await find('--skip-replayed'));
  assert.equal(await find('--skip-replayed'), (await find()) - marked);
  const dry = async (...args: string[]) =>
    JSON.parse((await runHydrant(['replay', 'marked/#', 'kept/a', '--dry-run', ...args, ...at])).stdout).events;
  assert.deepEqual([await dry(), await dry('--skip-replayed')], [2, 1]);
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'marked/end', '-m', 'end', '-q', '1']);
  const listen = async (...args: string[]) => {
    const { stdout } = await runHydrant(['sub', '--url', server.mqttUrl, '-t', 'marked/#', '--since', '1h', '-W', '20', '-v', ...args]);
    return stdout.trim().split('\n');
  };
  assert.deepEqual(await listen('-C', '2'), ['marked/kept/a on', 'marked/end end']);
  assert.deepEqual(await listen('-C', '1', '--skip-replayed'), ['marked/end end']);
});

test('following goes on with what is kept later, and never with what it published itself', async () => {
  const note = join(server.data, 'follow.json');
  const args = ['replay', '#', '--since', 'now', '--follow', '--to', 'mirror', '--checkpoint', note, ...at];
  await using child = new Child(HYDRANT_BIN, args, {});
  await until(() => existsSync(note), 'the replay to begin');
  for (const [topic, input] of [
    ['live/a', '0\n1\n2'],
    ['live/b', '0\n1'],
  ] as const) {
    await runHydrant(['pub', '--url', server.mqttUrl, '-t', topic, '-l', '-q', '1'], { input });
    await arrived(`mirror/${topic}`, input.split('\n').length);
  }
  const exit = await child.kill('SIGINT');
  assert.equal(exit.code, 130);
  assert.match(child.stderr, /interrupted; 5 events are acknowledged and noted/);
  assert.deepEqual(numbers(await findEvents(server.data, 'mirror/#')), [0, 1, 2, 0, 1]);
  assert.deepEqual(await findEvents(server.data, 'mirror/mirror/#'), []);

  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'live/c', '-m', '7', '-q', '1']);
  await using again = new Child(HYDRANT_BIN, [...args, '--resume'], {});
  await arrived('mirror/live/c', 1);
  await again.kill('SIGINT');
  assert.deepEqual(numbers(await findEvents(server.data, 'mirror/live/#')), [0, 1, 2, 0, 1, 7], 'it goes on where it was');
});

test('a replay that is interrupted says how to go on, and goes on without leaving anything out', async () => {
  const args = ['replay', 'seq/#', '--to', 'resumed', ...at];
  await using child = new Child(HYDRANT_BIN, [...args, '--rate', '1000/s'], {});
  await arrived('resumed/seq/a', 300);
  const exit = await child.kill('SIGINT');
  assert.equal(exit.code, 130);
  assert.match(
    child.stderr,
    /interrupted; \d+ events are acknowledged and noted in .*replay\/[0-9a-f]{16}\.json\n {2}fix: Run the same command with --resume/,
  );
  await runHydrant(['pub', '--url', server.mqttUrl, '-t', 'seq/later', '-m', '-1', '-q', '1']);
  const resumed = await runHydrant([...args, '--resume']);
  assert.equal(resumed.code, 0, resumed.stderr);
  assert.deepEqual(await findEvents(server.data, 'resumed/seq/later'), [], 'what came after it began is not part of it');
  const found = numbers(await findEvents(server.data, 'resumed/seq/a'));
  assert.deepEqual([...new Set(found)], all);
  assert.ok(found.length - COUNT < 100, `only what was in flight comes twice: ${found.length - COUNT}`);
  assert.deepEqual(readdirSync(join(server.data, 'replay')), [], 'nothing is left to resume');
});

test('a replay that is killed goes on from its last note', async () => {
  const args = ['replay', 'seq/a', '--to', 'killed', '--checkpoint', join(server.data, 'note.json'), ...at];
  await using child = new Child(HYDRANT_BIN, [...args, '--rate', '1000/s'], {});
  await arrived('killed/seq/a', 1200);
  await child.kill('SIGKILL');
  const before = (await findEvents(server.data, 'killed/seq/a')).length;
  const resumed = await runHydrant([...args, '--resume']);
  const { resumedAfter } = JSON.parse(resumed.stdout) as { resumedAfter: number };
  assert.ok(resumedAfter > 0, 'it did not begin anew');
  const found = numbers(await findEvents(server.data, 'killed/seq/a'));
  assert.deepEqual([...new Set(found)], all);
  assert.equal(found.length, before + COUNT - resumedAfter);
  assert.equal(existsSync(join(server.data, 'note.json')), false);
});

test('every mistake says what, why and the fix', async () => {
  writeFileSync(join(server.data, 'other.json'), JSON.stringify({ v: 1, args: { filters: ['x'] } }));
  for (const [args, code, stderr] of [
    [['--resume'], 2, /there is no checkpoint .*\n {2}fix: Give exactly the arguments of the replay that was interrupted/],
    [['--resume', '--checkpoint', join(server.data, 'other.json')], 2, /is the checkpoint of another replay/],
    [['--speed', 'fast'], 2, /--speed.*Give x1 for the pace it happened at/],
    [['--rate', '0'], 2, /--rate.*Give a rate such as 1000\/s/],
    [['--to', 'a/#'], 2, /topic "a\/#"/],
    [['--url', `${server.mqttUrl}/a/b`], 2, /the URL names the topic a\/b/],
    [['--rewrite', 'a/+=b/$2'], 2, /--rewrite.*\$2 stands for a wildcard, and there are 1/],
    [['--follow', '--until', '1h'], 2, /--follow goes on for ever.*but --until ends it/],
    [['--follow', '-V', '311'], 2, /MQTT 3.1.1 has no room for its marks/],
    [['--url', 'mqtt://127.0.0.1:1'], 4, /no connection to mqtt:\/\/127.0.0.1:1/],
  ] as const) {
    const output = await runHydrant(['replay', 'seq/#', ...at, ...args]);
    assert.match(output.stderr, stderr, args.join(' '));
    assert.equal(output.code, code, args.join(' '));
  }
});

/** Resolves once so many events are found on a topic. */
async function arrived(topic: string, count: number): Promise<void> {
  const got = await runHydrant(['sub', '--url', server.mqttUrl, '-t', topic, '--since', '1m', '-C', String(count), '-W', '20'], {});
  assert.equal(got.code, 0, got.stderr);
}
