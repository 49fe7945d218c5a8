import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { HYDRANT_BIN, startHydrant } from '../../src/testing/hydrant-server.ts';
import { parseReady } from '../../src/testing/running-hydrant.ts';
import { startScriptedServer } from '../../src/testing/scripted-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const NOWHERE = 'mqtt://127.0.0.1:9';

const pipe = (args: string[], input: string) => run(HYDRANT_BIN, ['source', 'stdin', ...args], { input });

test('each line of a pipe is an event, and the command ends once all are acknowledged', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['l/#']);
  const lines = Array.from({ length: 3000 }, (_, i) => `line ${i}`);
  const { code, stdout } = await pipe(['-t', 'l/a', '--url', server.mqttUrl, '-d', folder.path], `${lines.join('\r\n')}`);
  assert.equal(code, 0, stdout);
  await witness.seen(3000);
  assert.deepEqual(witness.firsts, lines);
});

test('an object names its topic; what is no object, or names none that can be, is counted and goes to the standard one', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['#']);
  const lines = ['{"topic":"a/b","n":1}', '{"n":2}', 'no json', '{"topic":"a/#"}', '[1]'];
  const { code, stdout } = await pipe(['-t', 'rest', '--format', 'ndjson', '--url', server.mqttUrl, '-d', folder.path], lines.join('\n'));
  assert.equal(code, 0);
  await witness.seen(5);
  assert.deepEqual(
    witness.events.map(({ topic }) => topic),
    ['a/b', 'rest', 'rest', 'rest', 'rest'],
  );
  assert.deepEqual(witness.texts, lines);
  assert.match(stdout, /a line is no JSON object/);
  assert.match(stdout, /names no topic that can be/);
});

test('without the bus the lines wait on disk, also for the next run', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['l']);
  const args = ['source', 'stdin', '-t', 'l', '-d', folder.path, '--url', NOWHERE];
  await using child = new Child(HYDRANT_BIN, args, { input: 'one\ntwo\n' });
  await until(() => child.text().includes('the source has ended'), 'the pipe to have ended');
  await child.kill('SIGKILL');
  assert.equal((await pipe(['-t', 'l', '-d', folder.path, '--url', server.mqttUrl], 'three\n')).code, 0);
  await witness.seen(3);
  assert.deepEqual(witness.firsts, ['one', 'two', 'three']);
});

test('once the pipe is closed it is ready while the bus takes the rest, says how much that is, and is not ready without the bus', async () => {
  await using folder = await createTempFolder();
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', returnCode: 0, reasonCode: 0, sessionPresent: false });
  });
  const args = ['source', 'stdin', '-t', 'l', '-d', folder.path, '--url', server.url, '--set', 'health.port=0'];
  await using child = new Child(HYDRANT_BIN, args, { input: 'one\ntwo\n' });
  const { listeners } = await child.line(parseReady, 20_000, 'the ready line');
  const readyz = async () => {
    const response = await fetch(`${(listeners as { http: string }).http}/readyz`);
    return { code: response.status, ...((await response.json()) as { reasons?: string[]; notes?: string[] }) };
  };
  await until(() => server.packets.filter(({ cmd }) => cmd === 'publish').length === 2, 'both lines to be sent');
  await until(() => child.text().includes('the source has ended'), 'the pipe to have ended');
  const notes = ['the upstream has ended; events that the bus has not acknowledged yet: 2'];
  assert.deepEqual(await readyz(), { code: 200, status: 'ready', notes });
  await server[Symbol.asyncDispose]();
  await until(async () => (await readyz()).code === 503, 'the lost bus to be noticed');
  assert.deepEqual(await readyz(), { code: 503, status: 'not ready', reasons: ['the bus is not connected; events that wait: 2'], notes });
});

test('what the bus refuses is set aside, and the end of a pipe or command says so with its exit code', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant({ config: 'acl: { anonymous: { publish: [mine/#], subscribe: ["#"] } }\n' });
  const at = ['--url', server.mqttUrl, '-d', folder.path];
  const lines = await pipe(['-t', 'other', '--format', 'ndjson', ...at], '{"topic":"mine/a"}\n{"n":1}\n{"n":2}\n');
  assert.equal(lines.code, 1);
  assert.match(lines.stderr, /2 events of the source stdin are set aside; the first: .*refused the event on other: not authorized/);
  assert.match(lines.stderr, /fix: Look with `hydrant outbox ls --outbox .*\/sources\/stdin\/outbox`/);
  assert.equal((await pipe(['-t', 'mine/b', ...at], 'later\n')).code, 0);
  const command = await run(HYDRANT_BIN, ['source', 'exec', '-t', 'other', '--restart', 'never', ...at, '--', 'echo', 'a']);
  assert.equal(command.code, 1);
  assert.match(command.stderr, /1 event of the source exec is set aside/);
});

test('a second pipe at a time is told to take a name of its own, and with one both publish', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['l']);
  const args = ['-t', 'l', '--url', server.mqttUrl, '-d', folder.path];
  await using first = new Child(HYDRANT_BIN, ['source', 'exec', '--name', 'stdin', ...args, '--', 'sh', '-c', 'echo one; sleep 1000']);
  await witness.seen(1);
  const busy = await pipe(args, 'two\n');
  assert.equal(busy.code, 1);
  assert.match(
    busy.stderr,
    /another process runs the source stdin in .*\n {2}fix: Stop it, or give this one a name of its own, with --name NAME/,
  );
  assert.equal((await pipe([...args, '--name', 'other'], 'two\n')).code, 0);
  await witness.seen(2);
  assert.equal((await first.kill('SIGTERM')).code, 0);
});

test('what the bus refuses is told once with the command that sends it again, at the next start too, and that command does', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant({ config: 'acl: { anonymous: { publish: [mine/#], subscribe: ["#"] } }\n' });
  const refused = await pipe(['-t', 'other', '--url', server.mqttUrl, '-d', folder.path], 'one\ntwo\n');
  assert.equal(refused.stdout.match(/the bus refuses events for good; they are kept/g)?.length, 1, refused.stdout);
  await using open = await startHydrant();
  await using witness = await startWitness(open.mqttUrl, ['other']);
  const at = ['--name', 'stdin', '-d', folder.path, '--url', open.mqttUrl];
  await using again = new Child(HYDRANT_BIN, ['source', 'exec', '-t', 'other', ...at, '--', 'tail', '-f', '/dev/null']);
  await until(() => again.text().includes('events are set aside from before'), 'it to say what is there');
  const command = /`(hydrant outbox retry [^`]*)`/.exec(again.text())![1]!.split(' ').slice(1);
  assert.equal((await run(HYDRANT_BIN, command)).code, 0);
  await witness.seen(2);
  assert.deepEqual(witness.firsts, ['one', 'two']);
});

test('a line beyond the bound comes in parts', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['l/#']);
  const args = ['-t', 'l', '--max-line', '1KiB', '--url', server.mqttUrl, '-d', folder.path];
  const { code, stdout } = await pipe(args, `a\n${'x'.repeat(1500)}\nb\n`);
  assert.equal(code, 0);
  await witness.seen(4);
  assert.deepEqual(witness.texts, ['a', 'x'.repeat(1024), 'x'.repeat(476), 'b']);
  assert.match(stdout, /a line is longer than the bound and came in parts/);
});

test('mistakes say what, why, and the fix', async () => {
  await using folder = await createTempFolder();
  const source = async (...args: string[]) => {
    const { code, stderr } = await run(HYDRANT_BIN, ['source', ...args, '-d', folder.path]);
    return { code, stderr };
  };
  assert.match((await source('stdin')).stderr, /--topic is needed\n {2}fix: Run `hydrant source stdin --help`/);
  assert.match((await source('stdin', '-t', 'a/#')).stderr, /--topic: "a\/#" is no topic/);
  const { code, stderr } = await source('exec', '-t', 'a', '--', '/no/such/program');
  assert.match(stderr, /\/no\/such\/program cannot be run: there is no such program/);
  assert.equal(code, 2);
  assert.match((await source('exec', '-t', 'a')).stderr, /command behind -- is needed/);
});

test('a command is run again when it ends, its errors are logged, and it ends with the source', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['e']);
  const script = join(folder.path, 'script.sh');
  await writeFile(
    script,
    `echo "run $$"; echo oops >&2; if [ -e ${folder.path}/second ]; then sleep 1000 & echo "child $!"; wait; fi; touch ${folder.path}/second; exit 3\n`,
  );
  const args = ['source', 'exec', '-t', 'e', '--url', server.mqttUrl, '-d', folder.path, '--', 'sh', script];
  await using child = new Child(HYDRANT_BIN, args);
  await witness.seen(3);
  assert.match(child.text(), /sh ended with exit code 3/);
  assert.match(child.text(), /"message":"oops"/);
  const sleeper = Number(/child (\d+)/.exec(witness.texts[2]!)![1]);
  assert.equal((await child.kill('SIGTERM')).code, 0);
  await until(() => !isAlive(sleeper), 'what the command started to end');
});

test('a command that is not to be run again ends the source with its own verdict, once what it printed is published', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  await using witness = await startWitness(server.mqttUrl, ['e']);
  const exec = (restart: string, script: string) =>
    run(HYDRANT_BIN, [
      'source',
      'exec',
      '-t',
      'e',
      '--url',
      server.mqttUrl,
      '-d',
      folder.path,
      '--restart',
      restart,
      '--',
      'sh',
      '-c',
      script,
    ]);
  assert.equal((await exec('never', 'echo a')).code, 0);
  assert.equal((await exec('on-failure', 'echo b')).code, 0);
  const failed = await exec('never', 'echo c; exit 4');
  assert.equal(failed.code, 1);
  assert.match(failed.stderr, /sh ended with exit code 4/);
  assert.doesNotMatch(failed.stdout, /events stay in the outbox/);
  await witness.seen(3);
  assert.deepEqual(witness.firsts, ['a', 'b', 'c']);
});

test('a trial shows three events and publishes none', async () => {
  await using folder = await createTempFolder();
  const args = ['source', 'test', 'exec', '-t', 'e', '-d', folder.path, '--', 'sh', '-c', 'seq 1 10; sleep 100'];
  const { code, stdout } = await run(HYDRANT_BIN, args);
  assert.equal(code, 0);
  assert.equal(stdout, 'ok     started sh -c seq 1 10; sleep 100\nevent  e  1\nevent  e  2\nevent  e  3\n');
  const ended = (script: string) => run(HYDRANT_BIN, [...args.slice(0, -1), script]);
  const failed = await ended('echo a; echo out of paper >&2; exit 7');
  assert.equal(failed.code, 1);
  assert.match(failed.stdout, /event {2}e {2}a\nFAILED the command: sh ended with exit code 7: out of paper\n {7}fix: Run it by hand/);
  const silent = await ended('true');
  assert.deepEqual(
    [silent.code, silent.stdout.split('\n').slice(1)],
    [0, ['ok     sh ended with exit code 0', 'ok     all of it works; no event came', '']],
  );
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
