import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { createUlid } from '../../core/id.ts';
import { silentLog } from '../../core/log.ts';
import { until } from '../../testing/deadline.ts';
import { HandEngine } from '../../testing/hand-engine.ts';
import { HandTiming, turns } from '../../testing/hand-timing.ts';
import type { Gatherer } from '../channels/gatherer.ts';
import { openOutbox } from '../outbox/open-outbox.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';
import { Drain } from './drain.ts';
import { RateLimit } from './rate-limit.ts';

const text = ({ payload }: { payload: Uint8Array }): string => Buffer.from(payload).toString();

/** Puts together what waits, three at most, when it is due; what is called `huge` can never be sent. */
class Joiner implements Gatherer {
  readonly reach = { maxEvents: 10, maxBytes: 10_000 };
  dueMs = 0;
  onDue = (): void => {};

  waitMs(_oldest: OutboxRecord, nowMs: number): number {
    return Math.max(0, this.dueMs - nowMs);
  }

  gather(records: readonly OutboxRecord[]) {
    const some = records.slice(0, 3);
    if (text(some[0]!) === 'huge') throw new HydrantError('HYD_TOO_LARGE', 'huge is too large');
    const { id, topic } = some.at(-1)!;
    return { count: some.length, event: { id, topic, payload: Buffer.from(some.map(text).join('+')), qos: 1 as const, retain: false } };
  }
}

async function openWorld() {
  const outbox = await openOutbox(':memory:');
  const engine = new HandEngine();
  const timing = new HandTiming();
  const joiner = new Joiner();
  const acked: string[] = [];
  const quarantined: string[] = [];
  const drain = new Drain({
    bus: engine,
    outbox,
    maxInFlight: 10,
    maxAttempts: 3,
    rate: new RateLimit({}, timing.now()),
    timing,
    log: silentLog,
    onAcked: (record) => void acked.push(text(record)),
    onExpired: () => {},
    onQuarantined: (record) => void quarantined.push(text(record)),
  });
  outbox.onStored = (records) => drain.onStored(records);
  outbox.onDropped = (records) => drain.onDropped(records);
  drain.gatherWith('state', joiner);
  drain.start();
  return {
    outbox,
    engine,
    timing,
    joiner,
    acked,
    quarantined,
    put: (...texts: string[]) =>
      Promise.all(
        texts.map((each) =>
          outbox.put({ id: createUlid(), channel: 'state', topic: 's', payload: Buffer.from(each), qos: 1, retain: false }),
        ),
      ),
    async quiet() {
      for (let i = 0; i < 3; i++) {
        await outbox.settled();
        await outbox.read('-', 0, { maxEvents: 1, maxBytes: 1 });
        await turns();
      }
    },
    async [Symbol.asyncDispose]() {
      drain.stop();
      await engine.close();
      await outbox.close();
    },
  };
}

test('what a channel gathers goes as one publish, one at a time, and all of it leaves the outbox with its acknowledgement', async () => {
  await using world = await openWorld();
  await world.put('a', 'b', 'c', 'd', 'e');
  await world.engine.until(1);
  await world.put('f');
  await world.quiet();
  assert.deepEqual(world.engine.published, ['a+b+c']);
  assert.equal(world.outbox.channels.get('state')!.events, 6);
  world.engine.ack();
  await world.engine.until(2);
  await world.quiet();
  assert.deepEqual([world.acked, world.engine.published[1]], [['a', 'b', 'c'], 'd+e+f']);
  assert.equal(world.outbox.channels.get('state')!.events, 3);
});

test('it is sent when it is due, or as soon as the channel says', async () => {
  await using world = await openWorld();
  world.joiner.dueMs = world.timing.now() + 1000;
  await world.put('a');
  await world.quiet();
  await world.timing.pass(999);
  await world.quiet();
  assert.deepEqual(world.engine.published, []);
  await world.put('b');
  await world.timing.pass(1);
  await world.engine.until(1);
  world.engine.ack();
  world.joiner.dueMs = world.timing.now() + 1_000_000;
  await world.put('c');
  await world.quiet();
  world.joiner.dueMs = 0;
  world.joiner.onDue();
  await world.engine.until(2);
  assert.deepEqual(world.engine.published, ['a+b', 'c']);
});

test('after a refusal that passes it is gathered anew, with what came meanwhile', async () => {
  await using world = await openWorld();
  await world.put('a');
  await world.engine.until(1);
  await world.put('b');
  world.engine.refuse('HYD_BUSY');
  await world.quiet();
  assert.deepEqual(world.engine.published, ['a'], 'not at once');
  await world.timing.pass(world.timing.nextMs);
  await world.engine.until(2);
  assert.deepEqual(world.engine.out, ['a+b']);
});

test('what can never be sent is set aside, and the rest goes on; so is all that was in a publish refused for good', async () => {
  await using world = await openWorld();
  await world.put('huge', 'a', 'b');
  await world.engine.until(1);
  assert.deepEqual([world.engine.out, world.quarantined], [['a+b'], ['huge']]);
  world.engine.refuse('HYD_REFUSED');
  await until(() => world.quarantined.length === 3, 'both to be set aside');
  await world.put('c');
  await world.engine.until(2);
  assert.deepEqual(world.engine.out, ['c']);
});

test('what is dropped before it was sent is not in the publish', async () => {
  await using world = await openWorld();
  world.joiner.dueMs = world.timing.now() + 10;
  const [a] = await world.put('a', 'b');
  await world.quiet();
  await world.outbox.drop(a!.seq);
  await world.timing.pass(10);
  await world.engine.until(1);
  assert.deepEqual(world.engine.published, ['b']);
});
