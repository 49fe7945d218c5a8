import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createUlid } from '../../core/id.ts';
import { until } from '../../testing/deadline.ts';
import { type HandDrainOptions, openHandDrain } from '../../testing/hand-drain.ts';
import type { OutboxEvent } from '../outbox/outbox.ts';

async function openWorld(options?: HandDrainOptions) {
  const world = await openHandDrain(options);
  const put = (channel: string, ...texts: string[]): Promise<unknown> =>
    Promise.all(texts.map((each) => world.outbox.put(event(channel, each))));
  return { ...world, put };
}

function event(channel: string, text: string, more: Partial<OutboxEvent> = {}): OutboxEvent {
  return { id: createUlid(), channel, topic: channel, payload: Buffer.from(text), qos: 1, retain: false, ...more };
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

test('an event leaves the outbox when the bus has acknowledged it, and not before', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', 'a', 'b');
  await world.engine.until(2);
  await world.quiet();
  assert.equal(world.depth('data'), 2);
  world.engine.ackOnly('b');
  await world.quiet();
  assert.equal(world.depth('data'), 1);
  assert.deepEqual(world.acked, ['b']);
  const [left] = await world.outbox.read('data', 0, { maxEvents: 5, maxBytes: 1000 });
  assert.equal(Buffer.from(left!.payload).toString(), 'a');
});

test('no more are out than the window allows, and an acknowledgement makes room for the next', async () => {
  await using world = await openWorld({ maxInFlight: 3 });
  world.drain.start();
  await world.put('data', ...names('e', 8));
  await world.engine.until(3);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['e0', 'e1', 'e2']);
  world.engine.ack(2);
  await world.engine.until(5);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['e2', 'e3', 'e4']);
  world.drain.setLink(true, 2);
  world.engine.ack(3);
  await world.engine.until(7);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['e5', 'e6'], 'a server that takes two gets two');
});

test('while there is no connection one event waits for it and the rest stays in the outbox', async () => {
  await using world = await openWorld();
  world.drain.setLink(false);
  world.drain.start();
  await world.put('data', ...names('e', 5));
  await world.engine.until(1);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['e0']);
  world.drain.setLink(true);
  await world.engine.until(5);
  assert.deepEqual(world.engine.out, names('e', 5));
});

test('a backlog is read in pieces and sent as fast as it is acknowledged, in its order, also what is stored meanwhile (pain 2)', async () => {
  await using world = await openWorld({ maxInFlight: 500 });
  const count = 9000;
  await world.put('data', ...names('e', count));
  world.drain.start();
  let late: Promise<unknown> = Promise.resolve();
  world.engine.onPublish = (text) => {
    if (text === 'e3000') late = world.put('data', ...names('late', 100));
    setImmediate(() => world.engine.ack());
  };
  await until(() => world.acked.length === count + 100, 'all to be acknowledged');
  await late;
  assert.deepEqual(world.engine.published, [...names('e', count), ...names('late', 100)]);
  assert.equal(world.timing.nextMs, Number.POSITIVE_INFINITY, 'nothing waited for time to pass');
});

test('what another process has stored in between is sent in its place', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', 'a');
  await world.engine.until(1);
  await world.quiet();
  const tell = world.outbox.onStored;
  world.outbox.onStored = () => {};
  await world.put('data', 'of another');
  world.outbox.onStored = tell;
  await world.put('data', 'b', 'c');
  await world.engine.until(4);
  assert.deepEqual(world.engine.published, ['a', 'of another', 'b', 'c']);
  world.outbox.onStored = () => {};
  await world.put('data', 'of another too');
  world.outbox.onStored = tell;
  world.drain.onForeign(new Set(['data']));
  await world.engine.until(5);
  assert.equal(world.engine.out.at(-1), 'of another too');
});

test('what comes in a channel goes next to a backlog of another one', async () => {
  await using world = await openWorld({ maxInFlight: 10 });
  await world.put('old', ...names('old', 3000));
  world.drain.start();
  await world.engine.until(10);
  await world.put('live', 'live0', 'live1');
  await world.quiet();
  const before = world.engine.published.length;
  for (let i = 0; i < 2; i++) {
    world.engine.ack();
    await world.engine.until(before + (i + 1) * 10);
  }
  const next = world.engine.published.slice(before, before + 4);
  assert.deepEqual(
    next.filter((text) => text.startsWith('live')),
    ['live0', 'live1'],
    `not among the next four: ${next}`,
  );
});

test('channels of one priority share evenly; a priority more is four times the share, and none starves', async () => {
  await using world = await openWorld({ maxInFlight: 1 });
  world.drain.prioritize('high', 1);
  for (const channel of ['high', 'a', 'b']) await world.put(channel, ...names(channel, 200));
  world.drain.start();
  await world.quiet();
  for (let i = 1; i <= 120; i++) {
    await world.engine.until(i);
    world.engine.ack();
  }
  const shares = ['high', 'a', 'b'].map(
    (channel) => world.engine.published.slice(0, 120).filter((text) => text.startsWith(channel)).length,
  );
  assert.deepEqual(shares, [80, 20, 20]);
});

test('a channel that was still has no claim on the turns it did not take', async () => {
  await using world = await openWorld({ maxInFlight: 1 });
  await world.put('a', ...names('a', 100));
  world.drain.start();
  for (let i = 1; i <= 50; i++) {
    await world.engine.until(i);
    world.engine.ack();
  }
  await world.engine.until(51);
  await world.put('b', ...names('b', 100));
  await world.quiet();
  for (let i = 51; i <= 70; i++) {
    await world.engine.until(i);
    world.engine.ack();
  }
  assert.equal(world.engine.published.slice(50, 70).filter((text) => text.startsWith('b')).length, 10);
});

test('large events count for more: a channel of them leaves small ones their turns', async () => {
  await using world = await openWorld({ maxInFlight: 1 });
  const large = 'x'.repeat(12_288);
  await Promise.all(names('', 50).map((i) => world.outbox.put(event('large', `L${i}${large}`))));
  await world.put('small', ...names('s', 50));
  world.drain.start();
  await world.quiet();
  for (let i = 1; i <= 40; i++) {
    await world.engine.until(i);
    world.engine.ack();
  }
  const count = world.engine.published.slice(0, 40).filter((text) => text.startsWith('L')).length;
  assert.ok(count >= 7 && count <= 9, `${count} of 40 were large`);
});

test('a few large events fill the window by their bytes', async () => {
  await using world = await openWorld();
  const large = 'x'.repeat(1_500_000);
  world.drain.start();
  await world.put('data', ...names(large, 6));
  await world.engine.until(3);
  await world.quiet();
  assert.equal(world.engine.out.length, 3);
});

test('after a refusal that passes the channel waits, and goes on from its lowest event; others are not held up', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', ...names('e', 4));
  await world.engine.until(4);
  world.engine.refuse('HYD_BUSY', 1);
  await world.quiet();
  await world.put('data', 'later');
  await world.put('other', 'o');
  await world.engine.until(5);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['e1', 'e2', 'e3', 'o'], 'what is out settles first');
  world.engine.refuse('HYD_BUSY', 1);
  world.engine.ackOnly('e3');
  world.engine.ackOnly('e2');
  await world.quiet();
  assert.deepEqual(world.engine.out, ['o']);
  assert.equal(world.timing.nextMs, 125, 'half of 250 ms, as chance had it');
  await world.timing.pass(125);
  await world.engine.until(8);
  assert.deepEqual(world.engine.published.slice(5), ['e0', 'e1', 'later']);
});

test('refusals in a row are waited for longer and longer, up to 30 seconds, and an acknowledgement ends that', async () => {
  await using world = await openWorld();
  world.timing.chance = 1;
  world.drain.start();
  await world.put('data', 'a');
  const waits: number[] = [];
  for (let i = 1; i <= 9; i++) {
    await world.engine.until(i);
    world.engine.refuse('HYD_BUSY');
    await world.quiet();
    waits.push(world.timing.nextMs);
    await world.timing.pass(world.timing.nextMs);
  }
  assert.deepEqual(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
  await world.engine.until(10);
  world.engine.ack();
  await world.put('data', 'b');
  await world.engine.until(11);
  world.engine.refuse('HYD_BUSY');
  await world.quiet();
  assert.equal(world.timing.nextMs, 250);
});

test('a clock that is set back by an hour holds nothing up', async () => {
  await using world = await openWorld({ rate: { eventsPerSecond: 20 } });
  world.drain.start();
  await world.put('data', 'a', 'b', 'c');
  await world.engine.until(1);
  world.engine.refuse('HYD_BUSY');
  await world.quiet();
  world.timing.skewMs = -3_600_000;
  for (let i = 0; i < 40 && world.acked.length < 3; i++) {
    await world.timing.pass(50);
    world.engine.ack();
    await world.quiet();
  }
  assert.deepEqual(world.acked, ['a', 'b', 'c']);
});

for (const code of ['HYD_REFUSED', 'HYD_TOO_LARGE', 'HYD_UNSUPPORTED', 'HYD_TOPIC'] as const) {
  test(`an event that the bus refuses for good (${code}) is set aside at once, and the others go on`, async () => {
    await using world = await openWorld();
    world.drain.start();
    await world.put('data', 'bad', 'good');
    await world.engine.until(2);
    world.engine.refuse(code, 1);
    world.engine.ack();
    await until(() => world.quarantined.length === 1, 'the event to be set aside');
    await world.quiet();
    assert.deepEqual([world.quarantined, world.acked, world.depth('data')], [[['bad', code]], ['good'], 0]);
    const [kept] = await world.outbox.quarantined();
    assert.equal(kept?.reason, 'bad is not taken');
  });
}

test('a server that hangs up twice over the same events gets them one by one, and the one it always hangs up on is set aside (pain 10)', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', 'a', 'poison', 'b');
  await world.engine.until(3);
  world.engine.cut();
  await world.quiet();
  assert.deepEqual(world.engine.out, ['a', 'poison', 'b'], 'once is nothing: the bus sends them again');
  world.engine.cut();
  await world.engine.until(4);
  await world.quiet();
  assert.deepEqual(world.engine.out, ['a']);
  world.engine.ack();
  await world.engine.until(5);
  for (const attempts of [1, 2]) {
    assert.deepEqual(world.engine.out, ['poison']);
    world.engine.cut();
    await world.quiet();
    const [kept] = await world.outbox.read('data', 0, { maxEvents: 1, maxBytes: 1 });
    assert.equal(kept?.attempts, attempts, 'on disk, for the next process');
    assert.deepEqual(world.engine.out, [], 'the next connection has to hold with nothing out');
    await world.timing.pass(1000);
    await world.engine.until(5 + attempts);
  }
  world.engine.cut();
  await world.engine.until(8);
  assert.deepEqual(world.engine.out, ['b']);
  assert.deepEqual(world.quarantined, [['poison', 'HYD_QUARANTINED']]);
  world.engine.ack();
  await world.put('data', ...names('e', 5));
  await world.engine.until(13);
  await world.quiet();
  assert.equal(world.engine.out.length, 5, 'the window is open again');
});

test('on a link that also breaks with nothing out no event is set aside, however often it was out alone', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', 'innocent');
  for (let sent = 1; sent <= 5; sent++) {
    await world.engine.until(sent);
    world.engine.cut();
    world.drain.setLink(false);
    await world.quiet();
    world.drain.setLink(true);
    await world.timing.pass(500);
    world.drain.setLink(false);
    await world.quiet();
    const [kept] = await world.outbox.read('data', 0, { maxEvents: 1, maxBytes: 1 });
    assert.equal(kept?.attempts, 0);
    await world.timing.pass(1000);
    await world.quiet();
    assert.deepEqual(world.engine.out, [], 'nothing is tried while there is no connection');
    world.drain.setLink(true);
    await world.timing.pass(1000);
  }
  await world.engine.until(6);
  world.engine.ack();
  await world.quiet();
  assert.deepEqual([world.acked, world.quarantined], [['innocent'], []]);
});

test('hang-ups between which something is acknowledged blame nobody', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', ...names('e', 20));
  await world.engine.until(20);
  for (let i = 0; i < 6; i++) {
    world.engine.cut();
    await world.quiet();
    world.engine.ackOnly(world.engine.out.at(-1)!);
    await world.quiet();
  }
  assert.equal(world.engine.out.length, 14);
  assert.deepEqual(world.quarantined, []);
});

test('an event that an earlier process had out alone is out alone again', async () => {
  await using world = await openWorld();
  await world.put('data', 'a', 'b', 'c');
  const [, b] = await world.outbox.read('data', 0, { maxEvents: 3, maxBytes: 1000 });
  world.outbox.noteAttempt(b!.seq, 2);
  await world.outbox.settled();
  world.drain.start();
  for (const [i, text] of ['a', 'b'].entries()) {
    await world.engine.until(i + 1);
    await world.quiet();
    assert.deepEqual(world.engine.out, [text]);
    if (text === 'a') world.engine.ack();
  }
  world.engine.cut();
  await until(() => world.quarantined.length === 1, 'the third hang-up to set it aside');
});

test('what is left of its time goes with an event, in whole seconds; what has none left is not sent', async () => {
  await using world = await openWorld({ maxInFlight: 1 });
  const nowMs = world.timing.now();
  await world.put('data', 'first');
  for (const [text, leftMs] of Object.entries({ short: 900, long: 61_500, never: undefined, gone: 1_000 }))
    await world.outbox.put(event('data', text, leftMs === undefined ? {} : { expiresMs: nowMs + leftMs, props: { format: 1 } }));
  world.drain.start();
  await world.engine.until(1);
  world.engine.ack();
  await world.engine.until(2);
  await world.timing.pass(1_200);
  world.engine.ack();
  await world.engine.until(3);
  world.engine.ack();
  await world.engine.until(4);
  world.engine.ack();
  await until(() => world.expired.length === 1, 'the last one to expire');
  await world.quiet();
  assert.deepEqual(
    world.engine.events.map(({ payload, props }) => [Buffer.from(payload).toString(), props]),
    [
      ['first', undefined],
      ['short', { format: 1, expiry: 1 }],
      ['long', { format: 1, expiry: 61 }],
      ['never', undefined],
    ],
  );
  assert.deepEqual([world.expired, world.depth('data')], [['gone'], 0]);
});

test('the rate holds in every second, for events and for bytes', async () => {
  await using world = await openWorld({ rate: { eventsPerSecond: 100 } });
  const sentMs: number[] = [];
  world.engine.onPublish = () => void sentMs.push(world.timing.now());
  await world.put('data', ...names('e', 250));
  world.drain.start();
  while (sentMs.length < 250) {
    await world.quiet();
    world.engine.ack();
    if (sentMs.length < 250) await world.timing.pass(Math.max(1, Math.min(world.timing.nextMs, 50)));
  }
  for (const [i, startMs] of sentMs.entries()) {
    const within = sentMs.filter((ms) => ms >= startMs && ms < startMs + 1000).length;
    assert.ok(within <= 100, `${within} in the second that begins with event ${i}`);
  }
  const tookMs = sentMs.at(-1)! - sentMs[0]!;
  assert.ok(tookMs < 2_700, `250 events took ${tookMs} ms`);
});

test('what is dropped meanwhile is not sent', async () => {
  await using world = await openWorld({ maxInFlight: 1 });
  world.drain.start();
  await world.put('data', 'a', 'b', 'c');
  await world.engine.until(1);
  const records = await world.outbox.read('data', 0, { maxEvents: 3, maxBytes: 1000 });
  assert.equal(await world.outbox.drop(records[1]!.seq), true);
  world.engine.ack();
  await world.engine.until(2);
  assert.deepEqual(world.engine.published, ['a', 'c']);
});

test('what was set aside and is to be tried again is sent at its channel’s end', async () => {
  await using world = await openWorld();
  world.drain.start();
  await world.put('data', 'bad', 'good');
  await world.engine.until(2);
  world.engine.refuse('HYD_REFUSED', 1);
  await until(() => world.quarantined.length === 1, 'the event to be set aside');
  const [kept] = await world.outbox.quarantined();
  await world.outbox.retry(kept!.seq);
  await world.engine.until(3);
  assert.deepEqual(world.engine.out, ['good', 'bad']);
});

test('a stopped drain sends nothing more, and what was out stays in the outbox', async () => {
  await using world = await openWorld({ maxInFlight: 2 });
  world.drain.start();
  await world.put('data', 'a', 'b', 'c');
  await world.engine.until(2);
  world.drain.stop();
  await world.engine.close();
  await world.quiet();
  assert.deepEqual([world.engine.published, world.depth('data'), world.logged], [['a', 'b'], 3, []]);
});

test('a channel that others send beside has a third of a large window out, and all of it again when they have been silent', async () => {
  await using world = await openWorld({ maxInFlight: 1200 });
  world.drain.start();
  await world.put('backlog', ...names('b', 3000));
  await world.engine.until(1200);
  await world.put('live', 'now');
  await world.quiet();
  world.engine.ack();
  await world.engine.until(2400);
  world.engine.ack();
  await world.engine.until(2800);
  await world.quiet();
  assert.equal(world.engine.out.length, 400);
  await world.timing.pass(1000);
  world.engine.ack(1);
  await world.engine.until(3001);
});
