import assert from 'node:assert/strict';
import { existsSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { until } from '../../src/testing/deadline.ts';
import { runHydrant } from '../../src/testing/hydrant-server.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { openNotifySocket } from '../../src/testing/notify-socket.ts';
import { askAt, startOutboxServe } from '../../src/testing/outbox-serve.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

// `hydrant outbox serve`: what local programs post to it is on disk when they are answered.
const NOWHERE = 'mqtt://127.0.0.1:9';

async function serve(args: string[]): Promise<{ code: number | null; stderr: string }> {
  return runHydrant(['outbox', 'serve', ...args], { timeoutMs: 20_000 });
}

test('what is posted to its socket is stored, sent, and told in status and metrics', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a/#']);
  await using box = await startOutboxServe(folder.path, server.url);
  const path = join(folder.path, 'outbox.sock');
  assert.deepEqual([box.ready.listen, box.ready.outbox, statSync(path).mode & 0o777], [`unix:${path}`, folder.path, 0o600]);
  const answer = await box.post('a/b?qos=2&retain=true', 'hello', { 'hydrant-id': 'mine', 'content-type': 'text/x' });
  assert.deepEqual([answer.status, JSON.parse(answer.text)], [202, { id: 'mine', topic: 'a/b' }]);
  await witness.seen(1);
  assert.deepEqual([witness.events[0]!.topic, witness.events[0]!.id, witness.texts], ['a/b', 'mine', ['hello']]);
  const { id } = JSON.parse((await box.post('a/c', 'x')).text) as { id: string };
  assert.match(id, /^[0-9A-Z]{26}$/);
  await witness.seen(2);
  const isEmpty = async (): Promise<boolean> => (JSON.parse((await box.get('/status')).text) as { depth: number }).depth === 0;
  await until(isEmpty, 'both to leave the outbox');
  const { stored, acked, connected, outbox } = JSON.parse((await box.get('/status')).text) as Record<string, unknown>;
  assert.deepEqual([stored, acked, connected, outbox], [2, 2, true, folder.path]);
  const metrics = (await box.get('/metrics')).text;
  assert.match(metrics, /\nhydrant_outbox_stored_total 2\n/);
  assert.match(metrics, /\nhydrant_outbox_dropped_total\{reason="oldest"\} 0\n/);
  assert.deepEqual(await box.stop(), { code: 0, signal: null });
  assert.equal(existsSync(path), false);
});

test('without a broker it stores, ends at once, and the next start sends', async () => {
  await using folder = await createTempFolder();
  const port = await freePort();
  const url = `mqtt://127.0.0.1:${port}`;
  {
    await using box = await startOutboxServe(folder.path, url);
    for (const text of ['1', '2', '3']) assert.equal((await box.post('a', text)).status, 202);
    assert.deepEqual(await box.stop(), { code: 0, signal: null });
    assert.match(box.child.stdout, /"remaining":3/);
  }
  await using server = await startMosquitto({ port });
  await using witness = await startWitness(server.url, ['a']);
  await using _ = await startOutboxServe(folder.path, url);
  await witness.seen(3);
  assert.deepEqual(witness.texts, ['1', '2', '3']);
});

test('SIGTERM sends what was stored before it ends', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto({ config: ['max_queued_messages 0'] });
  await using witness = await startWitness(server.url, ['a']);
  await using box = await startOutboxServe(folder.path, server.url);
  await box.post('a', 'first');
  await witness.seen(1);
  const posts = Array.from({ length: 300 }, (_, i) => box.post('a', String(i)));
  for (const { status } of await Promise.all(posts)) assert.equal(status, 202);
  assert.deepEqual(await box.stop(), { code: 0, signal: null });
  assert.doesNotMatch(box.child.stdout, /"remaining"/);
  await witness.seen(301);
});

test('at its bound it answers 507 with Retry-After, takes what is small enough, and what is wrong is said', async () => {
  await using folder = await createTempFolder();
  await using box = await startOutboxServe(folder.path, NOWHERE, ['--max-events', '2', '--max-body', '1KiB', '--listen', '127.0.0.1:0']);
  assert.match(String(box.ready.listen), /^http:\/\/127\.0\.0\.1:\d+$/);
  const code = ({ text }: { text: string }): string => (JSON.parse(text) as { error: { code: string } }).error.code;
  for (const status of [202, 202, 507]) {
    const answer = await box.post('a', 'x');
    assert.equal(answer.status, status);
    if (status === 507) assert.deepEqual([code(answer), answer.headers['retry-after']], ['HYD_OUTBOX_FULL', '5']);
  }
  const at = String(box.ready.listen);
  const big = await box.post('a', Buffer.alloc(1025));
  assert.deepEqual([big.status, code(big)], [413, 'HYD_TOO_LARGE']);
  const chunked = await askAt(at, 'POST', '/t/a', { payload: Buffer.alloc(1025), headers: { 'transfer-encoding': 'chunked' } });
  assert.deepEqual([chunked.status, code(chunked)], [413, 'HYD_TOO_LARGE']);
  assert.equal((await box.post('a/%23', 'x')).status, 400);
  assert.equal((await box.post('a?qos=3', 'x')).status, 400);
  assert.equal((await box.get('/nothing')).status, 404);
  assert.equal((await box.post('a', 'x', { origin: 'http://evil.example' })).status, 403, 'a page of another site');
  assert.equal((await box.post('a', 'x', { host: 'evil.example' })).status, 403, 'a foreign name of loopback');
  assert.equal((await box.get('/healthz')).status, 200);
});

test('with drop-oldest the newest stay', async () => {
  await using folder = await createTempFolder();
  await using box = await startOutboxServe(folder.path, NOWHERE, ['--max-events', '2', '--when-full', 'drop-oldest']);
  for (const text of ['1', '2', '3']) assert.equal((await box.post('a', text)).status, 202);
  const { depth, dropped } = JSON.parse((await box.get('/status')).text) as { depth: number; dropped: { oldest: number } };
  assert.deepEqual([depth, dropped.oldest], [2, 1]);
});

test('a socket of one that was killed is taken over, one of a living one is not', async () => {
  await using folder = await createTempFolder();
  const first = await startOutboxServe(folder.path, NOWHERE, ['--socket-mode', '0660']);
  assert.equal(statSync(join(folder.path, 'outbox.sock')).mode & 0o777, 0o660);
  const busy = await serve(['--outbox', folder.path, '--url', NOWHERE]);
  assert.equal(busy.code, 1);
  assert.match(busy.stderr, /somebody listens on unix:.*outbox\.sock already\n {2}fix: Use that one/);
  assert.equal((await first.post('a', 'x')).status, 202, 'nothing has changed for it');
  await first.kill();
  assert.ok(existsSync(join(folder.path, 'outbox.sock')));
  await using second = await startOutboxServe(folder.path, NOWHERE);
  assert.equal((await second.post('a', 'y')).status, 202);
  assert.equal((JSON.parse((await second.get('/status')).text) as { depth: number }).depth, 2);
});

test('systemd is told', async () => {
  await using folder = await createTempFolder();
  await using socket = await openNotifySocket();
  await using box = await startOutboxServe(folder.path, NOWHERE, [], { NOTIFY_SOCKET: socket.path });
  await socket.heard(/READY=1/);
  await box.stop();
  await socket.heard(/STOPPING=1/);
});

test('what cannot be is said with what to do', async () => {
  await using folder = await createTempFolder();
  writeFileSync(join(folder.path, 'file'), '');
  const box = ['--outbox', join(folder.path, 'box'), '--url', NOWHERE];
  const mistakes: [args: string[], code: number, said: RegExp][] = [
    [['--url', NOWHERE], 2, /--outbox/],
    [['--outbox', '/proc/nothing', '--url', NOWHERE], 1, /\/proc\/nothing cannot be made.*\n {2}fix: Give a folder/],
    [[...box, '--listen', '0.0.0.0:80'], 2, /0\.0\.0\.0 is not this machine’s loopback.*\n {2}fix: Listen on 127/],
    [[...box, '--listen', 'nonsense'], 2, /unix:PATH, or 127\.0\.0\.1:PORT/],
    [[...box, '--listen', `unix:${join(folder.path, 'file')}`], 2, /file is there, and it is no socket/],
    [[...box, '--listen', `unix:/${'x'.repeat(200)}`], 2, /has more than \d+ bytes/],
    [[...box, '--listen', 'unix:/nothing/there.sock'], 2, /cannot listen on unix:\/nothing\/there\.sock: ENOENT/],
    [[...box, '--socket-mode', '8'], 2, /three octal digits/],
    [[...box, '--will-topic', 'w'], 2, /no will/],
  ];
  for (const [args, code, said] of mistakes) {
    const output = await serve(args);
    assert.match(output.stderr, said, args.join(' '));
    assert.equal(output.code, code, args.join(' '));
  }
});
