import assert from 'node:assert/strict';
import { test } from 'node:test';
import { silentLog } from '../core/log.ts';
import { packageVersion } from '../core/version.ts';
import { HandEngine } from '../testing/hand-engine.ts';
import { HandTiming, turns } from '../testing/hand-timing.ts';
import type { ClientMetrics } from './metrics.ts';
import { type StatusOptions, StatusReporter } from './status.ts';

function openReporter(options: Partial<StatusOptions> = {}) {
  const engine = new HandEngine();
  const timing = new HandTiming();
  const dropped = { oldest: 0, age: 0, expired: 0, replaced: 0, operator: 0 };
  const state = { depth: 3, bytes: 300, oldestAgeMs: 1500, quarantined: 0, dropped };
  const metrics = (): ClientMetrics => ({ ...state }) as unknown as ClientMetrics;
  const reporter = new StatusReporter({ bus: engine, clientId: 'plant/7+a', timing, log: silentLog, metrics, ...options });
  return { engine, timing, state, reporter, told: () => engine.published.map((text) => JSON.parse(text)) };
}

test('a client’s status is a retained event on a topic of its client id, told with every connection', () => {
  const { engine, reporter, told, timing } = openReporter();
  assert.equal(engine.published.length, 0, 'nothing while there is no connection');
  reporter.setLink(true);
  const [event] = engine.events;
  assert.deepEqual(
    [event!.topic, event!.retain, event!.qos, event!.contentType],
    ['hydrant/status/plant%2F7%2Ba', true, 1, 'application/json'],
  );
  assert.deepEqual(told(), [
    {
      client: 'plant/7+a',
      version: packageVersion(),
      depth: 3,
      bytes: 300,
      oldestAgeMs: 1500,
      dropped: 0,
      quarantined: 0,
      since: new Date(timing.now()).toISOString(),
    },
  ]);
  reporter.stop();
});

test('it is told again each interval, and a second after a change of substance', async () => {
  const { engine, timing, state, reporter, told } = openReporter({ topic: 'own', intervalMs: 60_000 });
  reporter.setLink(true);
  engine.ack();
  await turns();
  state.depth = 4;
  reporter.look();
  await timing.pass(59_999);
  assert.equal(engine.published.length, 1, 'one event more is no change of substance');
  await timing.pass(1);
  assert.equal(engine.published.length, 2);
  engine.ack();
  await turns();
  state.dropped.oldest = 2;
  state.quarantined = 1;
  reporter.look();
  reporter.look();
  await timing.pass(1_000);
  assert.deepEqual(
    told().map(({ depth, dropped, quarantined }) => [depth, dropped, quarantined]),
    [
      [3, 0, 0],
      [4, 0, 0],
      [4, 2, 1],
    ],
  );
  assert.equal(engine.events[2]!.topic, 'own');
  reporter.stop();
});

test('no status is sent while the one before is out, without a connection, or after the end', async () => {
  const { engine, timing, reporter } = openReporter();
  reporter.setLink(true);
  await timing.pass(30_000);
  assert.equal(engine.published.length, 1);
  engine.refuse('HYD_REFUSED');
  await turns();
  reporter.setLink(false);
  await timing.pass(30_000);
  assert.equal(engine.published.length, 1);
  reporter.setLink(true);
  assert.equal(engine.published.length, 2);
  engine.ack();
  await turns();
  reporter.stop();
  await timing.pass(30_000);
  assert.equal(engine.published.length, 2);
});

test('a status that the server hangs up on is not sent again with the next connection, and later ever more seldom', async () => {
  const { engine, timing, reporter } = openReporter({ intervalMs: 1_000 });
  reporter.setLink(true);
  for (const [published, ms] of [
    [1, 2_000],
    [2, 4_000],
  ] as const) {
    assert.equal(engine.published.length, published);
    engine.cut();
    reporter.setLink(false);
    await turns();
    reporter.setLink(true);
    reporter.look();
    await timing.pass(ms - 1);
    assert.deepEqual([engine.published.length, engine.out], [published, []]);
    await timing.pass(1);
  }
  assert.equal(engine.published.length, 3);
  engine.ack();
  await turns();
  reporter.setLink(true);
  assert.equal(engine.published.length, 4, 'one that is taken ends that');
  reporter.stop();
});
