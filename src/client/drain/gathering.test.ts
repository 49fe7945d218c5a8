import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { createUlid } from '../../core/id.ts';
import { until } from '../../testing/deadline.ts';
import { openHandDrain, textOf } from '../../testing/hand-drain.ts';
import type { Gatherer } from '../channels/gatherer.ts';
import type { OutboxRecord } from '../outbox/outbox.ts';

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
    if (textOf(some[0]!) === 'huge') throw new HydrantError('HYD_TOO_LARGE', 'huge is too large');
    const { id, topic } = some.at(-1)!;
    return { count: some.length, event: { id, topic, payload: Buffer.from(some.map(textOf).join('+')), qos: 1 as const, retain: false } };
  }
}

async function openWorld() {
  const world = await openHandDrain({ maxInFlight: 10 });
  const joiner = new Joiner();
  world.drain.gatherWith('state', joiner);
  world.drain.start();
  const event = { channel: 'state', topic: 's', qos: 1, retain: false } as const;
  const put = (...texts: string[]) =>
    Promise.all(texts.map((each) => world.outbox.put({ ...event, id: createUlid(), payload: Buffer.from(each) })));
  return { ...world, joiner, put };
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
  assert.deepEqual([world.engine.out, world.quarantined], [['a+b'], [['huge', 'HYD_TOO_LARGE']]]);
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
