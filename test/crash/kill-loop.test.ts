import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { NumberedPublisher } from '../../src/testing/numbered-publisher.ts';
import { NumberedSubscriber } from '../../src/testing/numbered-subscriber.ts';
import { createRandom } from '../../src/testing/random.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import type { StoredEvent } from '../../src/wire/event.ts';

const ROUNDS = 50;

test(`loses nothing acknowledged and repeats no QoS 2 event when killed at ${ROUNDS} random instants`, { timeout: 300_000 }, async () => {
  const random = createRandom('kill loop');
  await using folder = await createTempFolder();
  const data = folder.path;
  const publishers = [
    new NumberedPublisher('q1-steady', 1, 10),
    new NumberedPublisher('q1-burst', 1, 100),
    new NumberedPublisher('q2-steady', 2, 10),
    new NumberedPublisher('q2-burst', 2, 50),
  ];
  const steady = [new NumberedSubscriber('s1', 1), new NumberedSubscriber('s2', 2)];
  const lazy = [new NumberedSubscriber('s1-lazy', 1, 30), new NumberedSubscriber('s2-lazy', 2, 20)];
  const away = new NumberedSubscriber('s2-away', 2);
  const subscribers = [...steady, ...lazy, away];

  {
    await using server = await startHydrant({ data });
    await Promise.all(
      subscribers.map((subscriber) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        void subscriber.run(server.mqttUrl, resolve);
        return promise;
      }),
    );
    await Promise.all(subscribers.map((subscriber) => subscriber.leave()));
    await server.kill();
  }

  let sent = 0;
  for (let round = 1; round <= ROUNDS; round++) {
    await using server = await startHydrant({ data });
    const lifeMs = random.between(5, 400);
    const runs = publishers.map((publisher, i) => publisher.run(server.mqttUrl, i % 2 === 0 ? 5 : 50));
    for (const subscriber of [...steady, ...lazy]) {
      const plan = random.between(0, 4);
      if (plan === 0) continue;
      const joinMs = plan === 1 ? random.between(0, lifeMs) : 0;
      runs.push(sleep(joinMs).then(() => subscriber.run(server.mqttUrl)));
      if (plan === 2) runs.push(sleep(random.between(0, lifeMs)).then(() => subscriber.leave()));
    }
    await sleep(lifeMs);
    await server.kill();
    await Promise.all(runs);

    const events = await findEvents(data, 'load/#');
    const faults = [...checkSequences(events), ...publishers.flatMap((publisher) => publisher.check(events))];
    assert.deepEqual(faults.slice(0, 20), [], `after round ${round}, killed at ${lifeMs} ms, seed ${random.seed}\n${server.child.text()}`);
    sent = events.length;
  }

  await using server = await startHydrant({ data });
  await Promise.all(publishers.map((publisher) => publisher.settle(server.mqttUrl)));
  for (const subscriber of subscribers) void subscriber.run(server.mqttUrl);
  await Promise.all(subscribers.map((subscriber) => subscriber.complete(publishers, 60_000)));
  await Promise.all(subscribers.map((subscriber) => subscriber.leave()));
  const events = await findEvents(data, 'load/#');
  assert.ok(events.length >= sent && sent > 1_000, `${sent} events in ${ROUNDS} rounds`);
  const faults = [
    ...checkSequences(events),
    ...publishers.flatMap((publisher) => publisher.check(events)),
    ...subscribers.flatMap((subscriber) => subscriber.check(publishers)),
  ];
  assert.deepEqual(faults.slice(0, 20), [], `seed ${random.seed}`);
  for (const publisher of publishers) assert.equal(publisher.acknowledged.size, publisher.sent);
  assert.deepEqual(await server.stop(), { code: 0, signal: null });
});

/** Sequences must rise: none is given out twice, none is served twice. */
function checkSequences(events: StoredEvent[]): string[] {
  const faults: string[] = [];
  for (const [i, event] of events.entries()) {
    const before = events[i - 1]?.seq ?? 0;
    if (event.seq <= before) faults.push(`sequence ${event.seq} follows ${before}`);
  }
  return faults;
}
