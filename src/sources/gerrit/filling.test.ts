import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';
import { until } from '../../testing/deadline.ts';
import { type EventsLogStandIn, startEventsLog } from '../../testing/events-log.ts';
import { type SourceHarness, startSource } from '../../testing/source-harness.ts';
import { type Sshd, startSshd } from '../../testing/sshd.ts';
import { gerrit } from './gerrit.ts';
import type { GerritOptions } from './options.ts';

type Harness = SourceHarness<GerritOptions>;

/** Events between stream and log are about now. */
const NOW_S = Math.floor(Date.now() / 1000);

function start(sshd: Sshd, log: EventsLogStandIn, more: object = {}, ofLog: object = {}): Promise<Harness> {
  const { port, user, key, knownHosts } = sshd;
  const { url, user: reader, password } = log;
  const eventsLog = { url, user: reader, password, delay: '300ms', ...ofLog };
  return startSource(gerrit, { host: '127.0.0.1', port, user, key, knownHosts, eventsLog, ...more });
}

function event(number: number, createdS = NOW_S): { type: string; project: string; change: object; eventCreatedOn: number } {
  return { type: 'comment-added', project: 'nova', change: { number }, eventCreatedOn: createdS };
}

/** In the stream and in the log. */
async function send(sshd: Sshd, log: EventsLogStandIn, numbers: readonly number[]): Promise<void> {
  for (const number of numbers) log.add(event(number));
  await sshd.append(numbers.map((number) => `${JSON.stringify(event(number))}\n`).join(''));
}

function numbers({ events }: Harness): number[] {
  return events.filter(({ topic }) => topic.endsWith('/comment-added')).map(({ payload }) => JSON.parse(String(payload)).change.number);
}

function reasons({ events }: Harness): string[] {
  return events.filter(({ topic }) => topic.endsWith('/$gap')).map(({ payload }) => JSON.parse(String(payload)).reason);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

/** Resolves once the second look is behind. */
async function filled({ logged }: Harness): Promise<void> {
  await until(() => logged.some(({ message }) => message === 'what was missed has been read from the events log'), 'the hole to be closed');
}

test('what came while the server was away is read from the events log once, in order, and there is no gap', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, range(0, 10));
  await source.seen(10);
  await sshd.kill();
  await send(sshd, log, range(10, 20));
  await sshd.start();
  await sshd.logins(2);
  await send(sshd, log, range(20, 30));
  await source.seen(30);
  await filled(source);
  assert.deepEqual(numbers(source), range(0, 30));
  assert.deepEqual(reasons(source), []);
  assert.deepEqual(source.source.status().refused, {});
  assert.equal(new Set(source.events.map(({ id }) => id)).size, 30);
});

test('what came while Hydrant was away is read too, and what it has published is not published again', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log);
  await sshd.logins(1);
  assert.equal(log.requests.length, 0, 'the first connection asks for nothing');
  await send(sshd, log, range(0, 10));
  await source.seen(10);
  await source.stop();
  await send(sshd, log, range(10, 20));
  await source.start();
  await source.seen(20);
  await sshd.logins(2);
  await send(sshd, log, range(20, 30));
  await source.seen(30);
  await filled(source);
  assert.deepEqual(numbers(source), range(0, 30));
  assert.deepEqual(reasons(source), []);
});

test('what the log gets late is found by the second look', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log, {}, { delay: '1s' });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  await source.start();
  await until(() => log.requests.length >= 1, 'the first look');
  log.add(event(1));
  await source.seen(2);
  await filled(source);
  assert.deepEqual(numbers(source), [0, 1]);
});

test('pages follow pages, whatever the limit of the server is', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog({ limit: 50 });
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  const missed = range(1, 1000).map((number) => event(number, NOW_S + Math.floor(number / 20)));
  for (const one of missed) log.add(one);
  await source.start();
  await source.seen(1000);
  assert.deepEqual(numbers(source), range(0, 1000));
  assert.ok(log.requests.length > 1000 / 50);
});

test('more events of one second than the server gives are a gap, and what follows is read', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  for (const number of range(1, 5202)) log.add(event(number, NOW_S + 1));
  log.add(event(6000, NOW_S + 2));
  await source.start();
  await until(() => numbers(source).includes(6000), 'the event of the next second');
  await filled(source);
  assert.equal(numbers(source).length, 1 + 5000 + 1);
  assert.deepEqual([...new Set(reasons(source))], ['events-log-limit']);
});

test('a server that gives less at a time than others is noticed too', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog({ limit: 40 });
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  for (const number of range(1, 100)) log.add(event(number, NOW_S + 1));
  log.add(event(6000, NOW_S + 2));
  await source.start();
  await until(() => numbers(source).includes(6000), 'the event of the next second');
  await filled(source);
  assert.deepEqual([...new Set(reasons(source))], ['events-log-limit']);
});

test('a log that refuses is a gap that says so, and the stream goes on', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log, {}, { password: 'wrong' });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  await send(sshd, log, [1]);
  await source.start();
  await sshd.logins(2);
  await send(sshd, log, [2]);
  await until(() => reasons(source).length > 0, 'the gap');
  await until(() => numbers(source).includes(2), 'the event of the stream');
  assert.deepEqual(reasons(source), ['events-log-failed']);
  const told = source.logged.find(({ message }) => message === 'events that were missed could not be read');
  assert.match(`${told?.fields.error} ${told?.fields.fix}`, /answers 401 .*HTTP password of reader.*eventsLog\.password/);
});

test('a hole that was not filled is filled after a restart, though newer events came meanwhile', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log, {}, { delay: '1h' });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  const cursor = `${source.folder}/source/cursor.json`;
  writeFileSync(cursor, JSON.stringify({ ...JSON.parse(readFileSync(cursor, 'utf8')), complete: NOW_S - 2000 }));
  log.add(event(1, NOW_S - 1000));
  log.fail(503);
  await source.start();
  await sshd.logins(2);
  await sshd.append(`${JSON.stringify(event(2))}\n`);
  await source.seen(2);
  await source.stop();
  log.fail();
  await source.start();
  await until(() => source.events.length >= 3, 'the event of the hole');
  assert.deepEqual(numbers(source), [0, 2, 1]);
});

test('a log that is away for a moment costs nothing', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log, {}, { delay: '1s' });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  await send(sshd, log, [1]);
  log.fail(503);
  await source.start();
  await until(() => source.logged.some(({ fields }) => /answers 503/.test(String(fields.error))), 'the first look to fail');
  log.fail();
  await source.seen(2);
  await filled(source);
  assert.deepEqual(numbers(source), [0, 1]);
  assert.deepEqual(reasons(source), []);
});

test('what the server dropped is read from the log', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, range(0, 5));
  for (const number of range(5, 10)) log.add(event(number));
  await sshd.append(`{"type":"dropped-output","eventCreatedOn":${NOW_S}}\n`);
  await send(sshd, log, range(10, 15));
  await until(() => numbers(source).length >= 15, 'all events');
  assert.deepEqual(new Set(numbers(source)), new Set(range(0, 15)));
  assert.deepEqual(reasons(source), []);
});

test('only the types that are wanted are taken from the log', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log, { type: ['comment-added'] });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  log.add({ ...event(1), type: 'ref-updated' });
  log.add(event(2));
  await source.start();
  await source.seen(2);
  await filled(source);
  assert.deepEqual(source.bus.topics, ['gerrit/nova/comment-added', 'gerrit/nova/comment-added']);
  assert.deepEqual(numbers(source), [0, 2]);
});

test('times are asked for in the zone of the server', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog({ utcOffsetHours: 9 });
  await using source = await start(sshd, log, {}, { timeZone: 'Asia/Tokyo' });
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await source.stop();
  await send(sshd, log, [1]);
  await source.start();
  await source.seen(2);
  const asked = Date.parse(`${log.requests[0]!.t1.replace(' ', 'T')}+09:00`) / 1000;
  assert.ok(Math.abs(asked - (NOW_S - 30)) < 60, log.requests[0]!.t1);
});

test('what could not be stored is not taken for published', async () => {
  await using sshd = await startSshd();
  await using log = await startEventsLog();
  await using source = await start(sshd, log);
  await sshd.logins(1);
  await send(sshd, log, [0]);
  await source.seen(1);
  await filledPosition(source);
  await source.source.client.close({ deadlineMs: 5000 });
  await send(sshd, log, [1]);
  await until(() => source.source.status().errors > 0, 'the closed outbox to be noticed');
  await source.stop();
  await source.start();
  await source.seen(2);
  assert.deepEqual(numbers(source), [0, 1]);
});

/** The position has been saved once. */
async function filledPosition(source: Harness): Promise<void> {
  const path = `${source.folder}/source/cursor.json`;
  const saved = (): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '{}';
    }
  };
  await until(() => JSON.parse(saved()).recent?.length === 1, 'the position to be saved');
}
