import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Arrival } from './arrival.ts';
import { Unclaimed } from './unclaimed.ts';

function hold(t: TestContext, maxBytes = 100) {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const gone: string[] = [];
  const isWaitedFor = ({ event }: Arrival): boolean => event.topic.startsWith('durable');
  const unclaimed = new Unclaimed(maxBytes, isWaitedFor, (arrivals, why) => {
    gone.push(...arrivals.map(({ event }) => `${event.topic}: ${why}`));
  });
  const take = (topic: string, bytes = 1): void => {
    const event = { topic, payload: Buffer.alloc(bytes), qos: 1, retain: false, seq: 0, ts: '' } as const;
    unclaimed.take(new Arrival(event, 1, 1, unclaimed));
  };
  const topics = (arrivals: Arrival[]): string[] => arrivals.map(({ event }) => event.topic);
  return { gone, unclaimed, take, topics };
}

test('what nobody asks for is let go after a minute or two, but what a closed durable waits for is held on', (t) => {
  const { gone, unclaimed, take, topics } = hold(t);
  const why = 'no subscription asked for them within 60 s';
  take('stray');
  take('durable/1');
  t.mock.timers.tick(60_000);
  take('late');
  assert.deepEqual(gone, []);
  t.mock.timers.tick(60_000);
  assert.deepEqual(gone, [`stray: ${why}`]);
  t.mock.timers.tick(60_000);
  assert.deepEqual(gone, [`stray: ${why}`, `late: ${why}`]);
  t.mock.timers.tick(600_000);
  assert.deepEqual(topics(unclaimed.claim(() => true)), ['durable/1']);
  take('forgotten');
  unclaimed.clear();
  take('stray again');
  for (let minute = 0; minute < 2; minute++) t.mock.timers.tick(60_000);
  assert.deepEqual(gone.slice(2), [`stray again: ${why}`]);
});

test('beyond its bytes the oldest are let go; what is claimed leaves in its order and makes room', (t) => {
  const { gone, unclaimed, take, topics } = hold(t);
  for (const topic of ['a', 'b', 'c']) take(topic, 30);
  assert.deepEqual(topics(unclaimed.claim(({ event }) => event.topic !== 'b')), ['a', 'c']);
  take('d', 70);
  assert.deepEqual(gone, []);
  take('e', 1);
  assert.deepEqual(gone, ['b: more than 100 bytes wait']);
  unclaimed.clear();
  assert.deepEqual(
    unclaimed.claim(() => true),
    [],
  );
  take('f', 100);
  assert.equal(gone.length, 1);
});
