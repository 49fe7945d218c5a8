import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startBreakingProxy } from '../../testing/breaking-proxy.ts';
import { until } from '../../testing/deadline.ts';
import { type SourceHarness, startSource } from '../../testing/source-harness.ts';
import { type Sshd, startSshd } from '../../testing/sshd.ts';
import { gerrit } from './gerrit.ts';
import type { GerritOptions } from './options.ts';

const SAMPLES = new URL('../../../test/fixtures/gerrit/', import.meta.url);

type Harness = SourceHarness<GerritOptions>;

function start(sshd: Sshd, more: object = {}): Promise<Harness> {
  const { port, user, key, knownHosts } = sshd;
  return startSource(gerrit, { host: '127.0.0.1', port, user, key, knownHosts, ...more });
}

/** One line; with a number that tells it from others. */
function numbered(number: number, createdS = Math.floor(Date.now() / 1000)): string {
  return `{"type":"comment-added","project":"nova","change":{"number":${number}},"eventCreatedOn":${createdS}}`;
}

function numbers({ events }: Harness): number[] {
  return events.flatMap(({ topic, payload }) => (topic.endsWith('/comment-added') ? [JSON.parse(String(payload)).change.number] : []));
}

function gaps({ events }: Harness): { reason: string; from?: string; until: string; detail: string }[] {
  return events.filter(({ topic }) => topic === 'gerrit/$gap').map(({ payload }) => JSON.parse(String(payload)));
}

test('every sample is published on its topic, byte for byte', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd);
  await sshd.logins(1);
  const names = readdirSync(SAMPLES).filter((name) => name.endsWith('-event.txt'));
  const lines = names.map((name) => readFileSync(new URL(name, SAMPLES), 'utf8').trim().replaceAll('\n', ' '));
  await sshd.append(`${lines.join('\n')}\n`);
  await source.seen(lines.length);
  assert.deepEqual(
    source.events.map(({ payload }) => String(payload)),
    lines,
  );
  const types = source.events.map(({ topic }) => topic.split('/').at(-1));
  assert.deepEqual(
    types,
    lines.map((line) => JSON.parse(line).type),
  );
  assert.equal(source.events.filter(({ topic }) => topic.startsWith('gerrit/project-name/')).length, 10);
});

test('what is no event is counted, what was one is a gap, and what follows arrives', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd, { maxLine: 20_000 });
  await sshd.logins(1);
  const bad = Buffer.concat([Buffer.from('{"type":"t","project":"latin-1","comment":"'), Buffer.from([0xe9, 0xff]), Buffer.from('"}\n')]);
  await sshd.append(
    Buffer.concat([Buffer.from(`Welcome!\n)]}'\n)]}'{"type":"prefixed"}\r\n\n{"type":"cut","comm\n{"a":"\0"}\n[1]\n`), bad]),
  );
  await sshd.append(`{"type":"long","comment":"${'x'.repeat(50_000)}"}\n${numbered(1)}\n`);
  await until(() => numbers(source).length === 1, 'the event behind');
  const own = source.events.filter(({ topic }) => !topic.endsWith('$gap'));
  assert.deepEqual(
    own.map(({ topic }) => topic),
    ['gerrit/prefixed', 'gerrit/latin-1/t', 'gerrit/nova/comment-added'],
  );
  assert.equal(String(own[0]!.payload), '{"type":"prefixed"}');
  assert.deepEqual(Buffer.from(own[1]!.payload), bad.subarray(0, -1));
  assert.deepEqual(
    gaps(source).map(({ reason }) => reason),
    ['unreadable', 'unreadable', 'too-long'],
  );
  assert.deepEqual(source.source.status().refused, {
    'a line is no JSON object': 4,
    "a line with nothing but )]}' was left out": 1,
    "the prefix )]}' in front of an event was left out": 1,
    'a line is too long': 1,
    'a line is not UTF-8': 1,
  });
});

test('hostile names make no other topics', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd);
  await sshd.logins(1);
  const projects = ['../../secret', '#', '+', '', '\0', '$SYS', 'a/+/#'];
  await sshd.append(projects.map((project) => `${JSON.stringify({ type: 't', project })}\n`).join(''));
  await source.seen(projects.length);
  assert.deepEqual(source.bus.topics, [
    'gerrit/%2E%2E/%2E%2E/secret/t',
    'gerrit/%23/t',
    'gerrit/%2B/t',
    'gerrit/t',
    'gerrit/%00/t',
    'gerrit/%24SYS/t',
    'gerrit/a/%2B/%23/t',
  ]);
});

test('a comment of 5 MB arrives whole', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd);
  await sshd.logins(1);
  const line = JSON.stringify({ type: 'comment-added', project: 'nova', comment: 'ä'.repeat(2_500_000) });
  await sshd.append(`${line}\n`);
  await source.seen(1);
  assert.ok(Buffer.from(source.events[0]!.payload).equals(Buffer.from(line)));
});

test('without an events log each interruption is a gap, the first connection is none, and nothing else is lost', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd);
  await sshd.logins(1);
  await sshd.append(`${numbered(1)}\n`);
  await source.seen(1);
  await sshd.kill();
  await sshd.append(`${numbered(2)}\n`);
  await sshd.start();
  await sshd.logins(2);
  await sshd.append(`${numbered(3)}\n`);
  await until(() => numbers(source).includes(3), 'the event after the interruption');
  assert.deepEqual(numbers(source), [1, 3]);
  await source.stop();
  await source.start();
  await sshd.logins(3);
  await sshd.append(`${numbered(4)}\n`);
  await until(() => numbers(source).includes(4), 'the event after the restart');
  const told = gaps(source);
  assert.deepEqual(
    told.map(({ reason }) => reason),
    ['disconnected', 'disconnected'],
  );
  for (const { from, until } of told) assert.ok(Date.parse(from!) <= Date.parse(until));
});

test('an event that is cut in the middle is not published, and a line that only lacks its end is', async () => {
  await using sshd = await startSshd();
  await using proxy = await startBreakingProxy(sshd.port);
  await using source = await start(sshd, { port: proxy.port, hostKeyCheck: 'off' });
  await sshd.logins(1);
  await sshd.append(numbered(1).slice(0, 40));
  await until(() => source.source.status().up, 'the connection');
  proxy.cut();
  await sshd.logins(2);
  await sshd.append(`${numbered(1).slice(40)}\n${numbered(2)}\n`);
  await until(() => numbers(source).length > 0, 'the next event');
  assert.deepEqual(numbers(source), [2]);
  assert.deepEqual([...new Set(gaps(source).map(({ reason }) => reason))], ['disconnected']);
  await using ending = await startSshd({ command: `printf '%s' '${numbered(7)}'; exec sleep 0.2` });
  await using last = await start(ending);
  await until(() => numbers(last).length > 0, 'the event without a newline');
  assert.equal(numbers(last)[0], 7);
});

test('a server that falls silent is left, and found again', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd, { keepAlive: '100ms', silence: '2s' });
  await sshd.logins(1);
  await sshd.append(`${numbered(1)}\n`);
  await source.seen(1);
  sshd.freeze();
  await until(() => /nothing was heard/.test(source.source.status().lastError ?? ''), 'the silence to be noticed');
  sshd.thaw();
  await sshd.logins(2);
  await sshd.append(`${numbered(2)}\n`);
  await until(() => numbers(source).includes(2), 'the event after the silence');
});

test('a quiet server that answers is not left', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd, { keepAlive: '100ms', silence: '1s' });
  await sshd.logins(1);
  const path = `${source.folder}/source/cursor.json`;
  const alive = (): number => {
    try {
      return JSON.parse(readFileSync(path, 'utf8')).alive ?? 0;
    } catch {
      return 0;
    }
  };
  await until(() => alive() > 0, 'a first answer');
  const first = alive();
  await until(() => alive() > first + 2500, 'answers for longer than the time of silence');
  assert.equal(source.source.status().errors, 0);
});

test('dropped output is an event and a gap', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd, { type: ['comment-added'] });
  await sshd.logins(1);
  await sshd.append(`${numbered(1)}\n{"type":"dropped-output","eventCreatedOn":${Math.floor(Date.now() / 1000)}}\n${numbered(2)}\n`);
  await source.seen(4);
  assert.deepEqual(source.bus.topics, ['gerrit/nova/comment-added', 'gerrit/dropped-output', 'gerrit/$gap', 'gerrit/nova/comment-added']);
  assert.equal(gaps(source)[0]!.reason, 'dropped-output');
});

test('notes of changes are left out where that is wanted', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd, { refUpdatedMeta: false });
  await sshd.logins(1);
  const update = (refName: string): string => `${JSON.stringify({ type: 'ref-updated', refUpdate: { refName, project: 'nova' } })}\n`;
  await sshd.append(update('refs/changes/01/1/meta') + update('refs/heads/master'));
  await source.seen(1);
  assert.match(String(source.events[0]!.payload), /refs\/heads\/master/);
});

test('while the bus is away the stream waits, and nothing of it is lost', async () => {
  await using sshd = await startSshd();
  await using source = await start(sshd);
  await sshd.logins(1);
  source.bus.hold();
  await sshd.append(Array.from({ length: 5000 }, (_, i) => `${numbered(i)}\n`).join(''));
  await until(() => source.source.status().published > 0, 'the first event');
  source.bus.release();
  await source.seen(5000);
  assert.deepEqual(
    numbers(source),
    Array.from({ length: 5000 }, (_, i) => i),
  );
});
