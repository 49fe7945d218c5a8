import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { NumberedPublisher } from '../../src/testing/numbered-publisher.ts';
import { NumberedSubscriber } from '../../src/testing/numbered-subscriber.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const DEADLINE_MS = 2_000;

test('SIGTERM under load ends with exit code 0 inside the deadline, five times, and loses nothing acknowledged', {
  timeout: 120_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  const publishers = [new NumberedPublisher('stop-q1', 1, 200), new NumberedPublisher('stop-q2', 2, 200)];
  const subscribers = [
    new NumberedSubscriber('stop-s1', 1),
    new NumberedSubscriber('stop-s2', 2),
    new NumberedSubscriber('stop-lazy', 2, 50),
  ];
  for (let round = 1; round <= 5; round++) {
    await using server = await startHydrant({ data, set: { 'shutdown.deadline': `${DEADLINE_MS}ms` } });
    const runs = subscribers.map((subscriber) => {
      const { promise, resolve } = Promise.withResolvers<void>();
      return { ended: subscriber.run(server.mqttUrl, resolve), ready: promise };
    });
    await Promise.all(runs.map((run) => run.ready));
    const load = publishers.map((publisher) => publisher.run(server.mqttUrl, 2));
    using stalled = await RawClient.connect(server.mqttUrl);
    await stalled.subscribe('load/#', 1);
    stalled.stream.pause();
    await sleep(100 * round);
    const startMs = performance.now();
    assert.deepEqual(await server.stop(), { code: 0, signal: null }, server.child.text());
    const tookMs = performance.now() - startMs;
    assert.ok(tookMs <= DEADLINE_MS + 2_000, `took ${tookMs} ms`);
    await Promise.all([...load, ...runs.map((run) => run.ended)]);
    const events = await findEvents(data, 'load/#');
    assert.deepEqual(
      publishers.flatMap((publisher) => publisher.check(events)),
      [],
    );
  }
  await using server = await startHydrant({ data });
  await Promise.all(publishers.map((publisher) => publisher.settle(server.mqttUrl)));
  for (const subscriber of subscribers) void subscriber.run(server.mqttUrl);
  await Promise.all(subscribers.map((subscriber) => subscriber.complete(publishers, 30_000)));
  assert.deepEqual(
    subscribers.flatMap((subscriber) => subscriber.check(publishers)),
    [],
  );
});

test('a second signal ends a server that is still draining, at once and with exit code 1', { timeout: 60_000 }, async () => {
  await using server = await startHydrant({ set: { 'shutdown.deadline': '50s' } });
  const unfinished = connect(server.httpPort, '127.0.0.1');
  unfinished.on('error', () => {});
  unfinished.write('POST /t/never/ends HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 10\r\n\r\nhalf');
  using client = await RawClient.connect(server.mqttUrl);
  await client.deliver('drain/a', 'x', { qos: 1 });
  server.child.signal('SIGTERM');
  await server.logged((entry) => entry.message === 'stopping', 'the line that says it stops');
  assert.deepEqual(await server.stop(), { code: 1, signal: null });
  unfinished.destroy();
});
