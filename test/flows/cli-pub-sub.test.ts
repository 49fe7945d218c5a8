import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { HYDRANT_BIN, runHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, type Mosquitto, startMosquitto } from '../../src/testing/mosquitto.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// `hydrant pub` and `hydrant sub` against a broker that somebody else wrote.
let broker: Mosquitto;
let env: Record<string, string>;

before(async () => {
  broker = await startMosquitto({ ws: true });
  env = { HYDRANT_URL: broker.url };
});
after(() => broker.stop());

/** Starts `hydrant sub` and resolves once the broker knows the subscription. */
async function subscribed(args: string[], topic: string): Promise<Child> {
  const child = new Child(HYDRANT_BIN, ['sub', ...args], { env });
  const probe = `probe-${Math.random()}`;
  const seen = child.line((line) => (line.includes(probe) ? true : undefined), 10_000, 'the probe');
  const timer = setInterval(() => void run('mosquitto_pub', ['-p', String(broker.port), '-t', topic, '-m', probe]), 200);
  await seen.finally(() => clearInterval(timer));
  return child;
}

const notProbes = (child: Child): string[] => child.lines.filter((line) => !line.includes('probe-'));

test('what pub sends, mosquitto_sub gets, at every QoS and version', async () => {
  for (const version of ['31', '311', '5']) {
    for (const qos of ['0', '1', '2']) {
      const topic = `pub/${version}/${qos}`;
      const sent = await runHydrant(['pub', '-V', version, '-q', qos, '-t', topic, '-m', `m${qos}`, '-r'], { env });
      assert.deepEqual([sent.code, sent.stdout, sent.stderr], [0, '', '']);
      const got = await run('mosquitto_sub', ['-p', String(broker.port), '-t', topic, '-C', '1', '-W', '10', '-v']);
      assert.equal(got.stdout, `${topic} m${qos}\n`);
    }
  }
});

test('sub prints what mosquitto_sub prints, byte for byte, in a pipe', async () => {
  await using folder = await createTempFolder();
  const bytes = Buffer.from([0, 1, 27, 255, 10, 65]);
  writeFileSync(join(folder.path, 'payload'), bytes);
  await runHydrant(['pub', '-t', 'bytes', '-f', join(folder.path, 'payload'), '-r', '-q', '1'], { env });
  const ours = await run('sh', ['-c', `${HYDRANT_BIN} sub -t bytes -C 1 -W 10 | od -An -tx1`], { env });
  const theirs = await run('sh', ['-c', `mosquitto_sub -p ${broker.port} -t bytes -C 1 -W 10 | od -An -tx1`]);
  assert.equal(ours.stdout.trim(), '00 01 1b ff 0a 41 0a');
  assert.equal(ours.stdout, theirs.stdout);
});

test('each line of stdin is a message, in order', async () => {
  await using child = await subscribed(['-t', 'lines/#'], 'lines/x');
  const numbers = Array.from({ length: 3000 }, (_, i) => String(i));
  const sent = await runHydrant(['pub', '-t', 'lines/x', '-l', '-q', '1'], { env, input: numbers.join('\n') });
  assert.equal(sent.code, 0, sent.stderr);
  await child.line((line) => (line === '2999' ? true : undefined), 10_000, 'the last line');
  assert.deepEqual(notProbes(child), numbers);
});

test('-C ends with 0, -W with 5, Ctrl-C with 130', async () => {
  await runHydrant(['pub', '-t', 'ends', '-m', 'x', '-r', '-q', '1'], { env });
  assert.equal((await runHydrant(['sub', '-t', 'ends', '-C', '1'], { env })).code, 0);
  assert.equal((await runHydrant(['sub', '-t', 'nothing', '-W', '0.2'], { env })).code, 5);
  await using child = await subscribed(['-t', 'ctrl/#'], 'ctrl/c');
  assert.equal((await child.kill('SIGINT')).code, 130);
});

for (const version of ['311', '5']) {
  test(`a persistent session gets what came while it was away, over MQTT ${version}`, async () => {
    const session = ['sub', '-V', version, '-t', `away/${version}/#`, '-q', '1', '-c', '-i', `cli-away-${version}`];
    assert.equal((await runHydrant([...session, '-E'], { env })).code, 0);
    await runHydrant(['pub', '-t', `away/${version}/1`, '-m', 'one', '-q', '1'], { env });
    await runHydrant(['pub', '-t', `away/${version}/2`, '-m', 'two', '-q', '1'], { env });
    const first = await runHydrant([...session, '-C', '1', '-W', '10'], { env });
    assert.equal(first.stdout, 'one\n');
    const second = await runHydrant([...session, '-C', '1', '-W', '10'], { env });
    assert.equal(second.stdout, 'two\n', 'what was not printed was not acknowledged');
  });
}

test('retained messages can be left out, and removed', async () => {
  await runHydrant(['pub', '-t', 'kept/a', '-m', 'x', '-r', '-q', '1'], { env });
  assert.equal((await runHydrant(['sub', '-t', 'kept/#', '-R', '-C', '1', '-W', '0.3'], { env })).stdout, '');
  assert.equal((await runHydrant(['sub', '-t', 'kept/#', '--remove-retained', '-C', '1', '-W', '10'], { env })).stdout, 'x\n');
  assert.equal((await runHydrant(['sub', '-t', 'kept/#', '-C', '1', '-W', '0.3'], { env })).stdout, '');
});

test('MQTT 5 properties go out and come in', async () => {
  await runHydrant(
    [
      'pub',
      '-V',
      '5',
      '-t',
      'props',
      '-m',
      'x',
      '-r',
      '-q',
      '1',
      '-D',
      'publish',
      'user-property',
      'k',
      'v',
      '-D',
      'publish',
      'content-type',
      'text/plain',
    ],
    { env },
  );
  const got = await runHydrant(['sub', '-V', '5', '-t', 'props', '-C', '1', '-W', '10', '-F', '%t|%P|%C'], { env });
  assert.equal(got.stdout, 'props|k:v|text/plain\n');
  const lines = await runHydrant(['sub', '-V', '5', '-t', 'props', '-C', '1', '-W', '10', '-o', 'ndjson'], { env });
  assert.deepEqual(JSON.parse(lines.stdout).props, { user: [['k', 'v']] });
});

test('a websocket URL works as well', async () => {
  const url = `ws://127.0.0.1:${broker.wsPort}/mqtt`;
  assert.equal((await runHydrant(['pub', '--url', url, '-t', 'ws', '-m', 'x', '-r', '-q', '1'])).code, 0);
  assert.equal((await runHydrant(['sub', '--url', url, '-t', 'ws', '-C', '1', '-W', '10', '-v'])).stdout, 'ws x\n');
});

test('a reader that goes away ends sub quietly', async () => {
  const script = `${HYDRANT_BIN} sub -t 'pipe/#' | head -n 1; echo "exit \${PIPESTATUS[0]}"`;
  await using child = new Child('bash', ['-c', script], { env });
  const timer = setInterval(() => void run('mosquitto_pub', ['-p', String(broker.port), '-t', 'pipe/x', '-m', 'x']), 100);
  const exit = await child.exited.finally(() => clearInterval(timer));
  assert.equal(exit.code, 0);
  assert.equal(child.stderr, '');
  assert.equal(child.stdout, 'x\nexit 0\n');
});

test('sub connects again when the broker comes back', async () => {
  const port = await freePort();
  await using first = await startMosquitto({ port });
  await using child = new Child(HYDRANT_BIN, ['sub', '-p', String(port), '-t', 'again/#', '-v'], {});
  const publish = (): void => void run('mosquitto_pub', ['-p', String(port), '-t', 'again/x', '-m', `${first.pid}`]).catch(() => {});
  let timer = setInterval(publish, 200);
  await child.line((line) => (line.startsWith('again/x') ? true : undefined), 10_000, 'a message').finally(() => clearInterval(timer));
  await first.stop();
  await child.line((line) => (line.includes('connecting again') ? true : undefined), 10_000, 'the notice');
  await using second = await startMosquitto({ port });
  const seen = child.lines.length;
  timer = setInterval(() => void run('mosquitto_pub', ['-p', String(port), '-t', 'again/x', '-m', `${second.pid}`]), 200);
  await child
    .line((line) => (line === `again/x ${second.pid}` ? true : undefined), 15_000, 'a message after the return')
    .finally(() => clearInterval(timer));
  assert.ok(child.lines.length > seen);
});

test('every mistake says what, why and the fix', async () => {
  const url = `mqtt://127.0.0.1:${await freePort()}`;
  for (const [args, code, stderr] of [
    [['pub', '-t', 'a/#', '-m', 'x'], 2, /^hydrant pub: topic "a\/#": a topic to publish to has no wildcard .*\n {2}fix: /],
    [['pub', '-t', 'a'], 2, /no message was given\n {2}fix: Give one of -m TEXT/],
    [['pub', '-m', 'x'], 2, /no topic was given\n {2}fix: /],
    [['pub', '-t', 'a', '-m', 'x', '-q', '3'], 2, /QoS "3" does not exist/],
    [['pub', '-t', 'a', '-m', 'x', '--retian'], 2, /unknown option '--retian'\n {2}fix: Did you mean --retain\?/],
    [['sub'], 2, /no filter was given/],
    [['sub', '-t', 'a/#/b'], 2, /filter "a\/#\/b": # stands for all that follows/],
    [['sub', '-t', 'a', '-c'], 2, /a session belongs to a client id\n {2}fix: Give the id with -i ID/],
    [['sub', '-t', 'a', '--url', url], 4, /no connection to .*ECONNREFUSED/],
    [['pub', '-t', 'a', '-m', 'x', '--url', url], 4, /no connection to .*ECONNREFUSED.*\n {2}fix: Check that the server runs/],
  ] as const) {
    const output = await runHydrant([...args], { env });
    assert.match(output.stderr, stderr, args.join(' '));
    assert.equal(output.code, code, args.join(' '));
    assert.equal(output.stdout, '');
  }
});
