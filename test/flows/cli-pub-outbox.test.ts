import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import { createUlid } from '../../src/core/id.ts';
import { Child, type Output, run } from '../../src/testing/child.ts';
import { until } from '../../src/testing/deadline.ts';
import { HYDRANT_BIN, runHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { type ScriptedServer, startScriptedServer } from '../../src/testing/scripted-server.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

// `hydrant pub --outbox`: store and forward in one line of a shell script.
const NOWHERE = 'mqtt://127.0.0.1:9';

async function pub(args: string[], input?: string): Promise<Output> {
  return runHydrant(['pub', ...args], { input, timeoutMs: 60_000 });
}

async function waiting(outbox: string): Promise<number> {
  const { stdout } = await runHydrant(['outbox', 'ls', '--outbox', outbox, '-o', 'json']);
  return (JSON.parse(stdout) as { events: number }[]).reduce((sum, { events }) => sum + events, 0);
}

const quiet = { code: 0, signal: null, stdout: '', stderr: '' };

test('what --no-wait stores without a broker, the next command sends before its own', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a/#']);
  const outbox = join(folder.path, 'made', 'here');
  for (const text of ['1', '2', '3']) assert.deepEqual(await pub(['--outbox', outbox, '-t', 'a/b', '-m', text, '--no-wait']), quiet);
  assert.equal(await waiting(outbox), 3);
  assert.deepEqual(await pub(['--outbox', outbox, '--url', server.url, '-t', 'a/b', '-m', '4']), quiet);
  await witness.seen(4);
  assert.deepEqual(witness.texts, ['1', '2', '3', '4']);
  assert.equal(await waiting(outbox), 0);
});

test('the fix of a broker that is away is a command that sends what waits', async () => {
  await using folder = await createTempFolder();
  const port = await freePort();
  const args = ['--outbox', folder.path, '--url', `mqtt://127.0.0.1:${port}`, '--timeout', '0.3'];
  await pub([...args, '-t', 'a', '-m', 'before', '--no-wait']);
  const { code, stdout, stderr } = await pub([...args, '-t', 'a', '-m', 'now']);
  assert.deepEqual([code, stdout], [5, '']);
  assert.match(stderr, /no acknowledgement for 0\.3 s: .*ECONNREFUSED.*; nothing is lost: 2 events wait in /);
  const [, fix] = /`hydrant (.+)`/.exec(stderr)!;
  await using server = await startMosquitto({ port });
  await using witness = await startWitness(server.url, ['a']);
  assert.deepEqual(await runHydrant(fix!.split(' ')), quiet);
  await witness.seen(2);
  assert.deepEqual(witness.texts, ['before', 'now']);
});

test('retain, properties, time to live and the id travel with the event', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  const property = ['-D', 'publish', 'content-type', 'text/plain', '-D', 'publish', 'user-property', 'trace', '4f2a'];
  const more = ['--event-id', 'order-66', '--ttl', '100s', '-r', '-q', '2', '--channel', 'orders', ...property];
  assert.deepEqual(await pub(['--outbox', folder.path, '-L', `${server.url}/a/b`, '-m', 'x', ...more]), quiet);
  const got = await run('mosquitto_sub', ['-p', String(server.port), '-V', '5', '-t', 'a/b', '-C', '1', '-W', '10', '-F', '%j']);
  const { retain, payload, properties } = JSON.parse(got.stdout) as Record<string, unknown> & { properties: Record<string, unknown> };
  assert.deepEqual([retain, payload, properties['content-type']], [1, 'x', 'text/plain']);
  const expiry = Number(properties['message-expiry-interval']);
  assert.ok(expiry > 80 && expiry <= 100, String(expiry));
  const user = JSON.stringify(properties['user-properties']);
  assert.match(user, /"trace":"4f2a"/);
  assert.match(user, /"hydrant-id":"order-66"/);
});

test('each line of a pipe is an event, in order, stored or sent', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto({ config: ['max_queued_messages 0'] });
  await using witness = await startWitness(server.url, ['l']);
  const numbers = Array.from({ length: 5000 }, (_, i) => String(i));
  const args = ['--outbox', folder.path, '--url', server.url, '-t', 'l', '-l'];
  assert.deepEqual(await pub([...args, '--no-wait'], numbers.slice(0, 2500).join('\n')), quiet);
  assert.equal(await waiting(folder.path), 2500);
  assert.deepEqual(await pub(args, numbers.slice(2500).join('\n')), quiet);
  await witness.seen(5000);
  assert.deepEqual(witness.firsts, numbers);
});

test('of twenty at once on one folder each event arrives once', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['many']);
  const all = await Promise.all(
    Array.from({ length: 20 }, (_, i) => pub(['--outbox', folder.path, '--url', server.url, '-t', 'many', '-m', String(i)])),
  );
  for (const output of all) assert.deepEqual(output, quiet);
  await witness.seen(20);
  assert.equal(witness.texts.length, 20, 'none twice');
  assert.equal(await waiting(folder.path), 0);
});

test('one that ends while another’s event is out waits for its acknowledgement, so that nobody sends it again', async () => {
  await using folder = await createTempFolder();
  const sent: string[] = [];
  let isOwnOut = false;
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
    if (packet.cmd !== 'publish') return;
    sent.push(packet.payload.toString());
    isOwnOut = true;
    // Its own is acknowledged when the other one is out, which has to wait for that a while.
    const ack = (messageId?: number): void => connection.sendAck('puback', messageId!);
    if (sent.length === 1) return;
    ack(packet.messageId! - 1);
    setTimeout(() => ack(packet.messageId), 500);
  });
  await using outbox = await openOutbox(folder.path);
  const ending = pub(['--outbox', folder.path, '--url', server.url, '-t', 'a', '-m', 'own']);
  await until(() => isOwnOut, 'its own to be out');
  const ownMs = Date.now();
  await until(() => Date.now() > ownMs + 200, 'an event of now to be younger than what it waits for');
  await outbox.put({ id: createUlid(), channel: 'events', topic: 'a', payload: Buffer.from('other'), qos: 1, retain: false });
  assert.deepEqual(await ending, quiet);
  assert.deepEqual([sent, await waiting(folder.path)], [['own', 'other'], 0]);
});

test('a signal while it waits, or while its pipe is silent, says what is left', async () => {
  await using folder = await createTempFolder();
  const args = ['pub', '--outbox', folder.path, '--url', NOWHERE, '-t', 'a'];
  await using waits = new Child(HYDRANT_BIN, [...args, '-m', 'x']);
  await until(async () => (await waiting(folder.path).catch(() => 0)) > 0, 'the event to be stored');
  assert.equal((await waits.kill('SIGINT')).code, 130);
  assert.match(waits.stderr, /interrupted; nothing is lost: 1 event waits/);
  for (const more of [[], ['--no-wait']]) {
    const before = await waiting(folder.path);
    const fifo = join(folder.path, `fifo${before}`);
    const line = [HYDRANT_BIN, ...args, '-l', ...more].join(' ');
    await using piped = new Child('sh', ['-c', `mkfifo ${fifo}; exec 3<>${fifo}; echo one >&3; exec ${line} <&3`]);
    await until(async () => (await waiting(folder.path)) > before, 'the line to be stored');
    assert.equal((await piped.kill('SIGINT')).code, 130, piped.text());
  }
});

test('an event that the server refuses for good is set aside, and said to be', async () => {
  await using folder = await createTempFolder();
  await using server = await refusing(0, 0x87);
  const { code, stderr } = await pub(['--outbox', folder.path, '--url', server.url, '-t', 'a', '-m', 'x']);
  assert.equal(code, 1);
  assert.match(stderr, /is set aside: .*\(1 event set aside\)\n {2}fix: Look with `hydrant outbox ls --outbox /);
  assert.equal(await waiting(folder.path), 0);
});

test('a login that is refused ends it at once, with the account’s exit code', async () => {
  await using folder = await createTempFolder();
  await using server = await refusing(0x86, 0);
  const { code, stderr } = await pub(['--outbox', folder.path, '--url', server.url, '-t', 'a', '-m', 'x', '-u', 'ann', '-P', 'wrong']);
  assert.equal(code, 4);
  assert.match(stderr, /nothing is lost: 1 event waits in .*\n {2}fix: .*--flush`/);
});

test('what cannot be is said with what to do, and nothing is stored', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'file');
  await writeFile(file, 'something else');
  const box = ['--outbox', join(folder.path, 'box')];
  const event = ['-t', 'a', '-m', 'x'];
  const mistakes: [args: string[], code: number, said: RegExp][] = [
    [
      ['--outbox', '/proc/nothing', ...event, '--no-wait'],
      1,
      /the outbox \/proc\/nothing cannot be made: ENOENT.*\n {2}fix: Give a folder/,
    ],
    [['--outbox', file, ...event, '--no-wait'], 1, /the outbox .*file cannot be made: EEXIST.*\n {2}fix: Give a folder/],
    [['--outbox', file, ...event], 1, /the outbox .*file cannot be made: EEXIST/],
    [[...box, ...event, '--url', 'nonsense'], 2, /"nonsense" is not the URL of a broker/],
    [[...box, '-m', 'x'], 2, /no topic.*\n.*--flush/],
    [[...box, '-t', 'a'], 2, /no message/],
    [[...box, '-t', 'a/#', '-m', 'x', '--no-wait'], 2, /a\/#/],
    [[...box, ...event, '--flush'], 2, /--flush sends what is there, and a message is given/],
    [[...box, '--flush', '--no-wait'], 2, /--flush and --no-wait exclude/],
    [[...box, ...event, '-V', '31'], 2, /no MQTT 3\.1/],
    [[...box, ...event, '--will-topic', 'w'], 2, /no will/],
    [[...box, ...event, '--channel', 'state'], 2, /--channel "state"/],
    [[...box, ...event, '--event-id', 'a b', '--no-wait'], 2, /"a b" is not 1 to 85/],
    [[...box, '-t', 'a', '-l', '--event-id', 'x'], 2, /id of one event/],
    [[...event, '--no-wait'], 2, /--no-wait is for an outbox.*\n {2}fix: .*--outbox DIR/],
    [[...event, '--ttl', '1m'], 2, /--ttl is for an outbox/],
  ];
  for (const [args, code, said] of mistakes) {
    const output = await pub(args);
    assert.match(output.stderr, said, args.join(' '));
    assert.equal(output.code, code, args.join(' '));
  }
  assert.equal((await runHydrant(['outbox', 'ls', ...box])).code, 1, 'no outbox was made');
});

test('a full disk is said, and what was stored before is sent once there is room', async () => {
  await using disk = await mountSmallDisk(6 << 20);
  await using folder = await createTempFolder();
  const outbox = join(disk.path, 'box');
  const big = join(folder.path, 'big');
  await writeFile(big, Buffer.alloc(4 << 20));
  assert.deepEqual(await pub(['--outbox', outbox, '-t', 'a', '-m', 'small', '--no-wait']), quiet);
  const { code, stderr } = await pub(['--outbox', outbox, '-t', 'a', '-f', big, '--no-wait']);
  assert.equal(code, 1);
  assert.match(stderr, /cannot be written: .*full.*\n {2}fix: Check the disk/);
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  assert.deepEqual(await pub(['--outbox', outbox, '--url', server.url, '--flush']), quiet);
  await witness.seen(1);
  assert.deepEqual(witness.texts, ['small']);
});

/** A server that answers CONNECT and each PUBLISH with these reason codes. */
function refusing(connack: number, puback: number): Promise<ScriptedServer> {
  return startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: connack, sessionPresent: false });
    if (packet.cmd === 'publish') connection.send({ cmd: 'puback', messageId: packet.messageId, reasonCode: puback });
  });
}
