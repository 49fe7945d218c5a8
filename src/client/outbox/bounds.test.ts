import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HydrantError } from '../../core/errors.ts';
import { until, within } from '../../testing/deadline.ts';
import { FakeClock } from '../../testing/fake-clock.ts';
import { outboxEvent, payloadTexts } from '../../testing/outbox-event.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { type OutboxOptions, openOutbox } from './open-outbox.ts';
import type { Outbox, OutboxEvent, OutboxRecord } from './outbox.ts';

const ALL = { maxEvents: 1_000_000, maxBytes: 1 << 30 };
const MINUTE = 60_000;

async function textsOf(outbox: Outbox, channel = 'events'): Promise<string[]> {
  return payloadTexts(await outbox.read(channel, 0, ALL));
}

function put(outbox: Outbox, text: string, what: Partial<OutboxEvent> = {}): Promise<OutboxRecord> {
  return outbox.put(outboxEvent(text, what));
}

/** `ok`, or the code of the error. */
function outcomes(puts: readonly Promise<OutboxRecord>[]): Promise<string[]> {
  return Promise.all(
    puts.map((result) =>
      result.then(
        () => 'ok',
        (error: HydrantError) => error.code,
      ),
    ),
  );
}

function watchDrops(outbox: Outbox): [id: string, reason: string][] {
  const dropped: [string, string][] = [];
  outbox.onDropped = (briefs, reason) => {
    for (const { id } of briefs) dropped.push([id, reason]);
  };
  return dropped;
}

test('reject: what does not fit is refused and named, and once something was removed the channel takes more (pain 4)', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 3 });
  const first = await put(outbox, '1');
  assert.deepEqual(await outcomes(['2', '3', '4', '5'].map((text) => put(outbox, text))), [
    'ok',
    'ok',
    'HYD_OUTBOX_FULL',
    'HYD_OUTBOX_FULL',
  ]);
  await assert.rejects(put(outbox, '6'), /channel events of the outbox is at its bound of 3 events/);
  assert.deepEqual(await outcomes([put(outbox, 'x', { channel: 'other' })]), ['ok']);
  outbox.remove(first.seq);
  assert.deepEqual(await outcomes([put(outbox, '7'), put(outbox, '8')]), ['ok', 'HYD_OUTBOX_FULL']);
  assert.deepEqual(await textsOf(outbox), ['2', '3', '7']);
});

test('reject by bytes: a smaller one that still fits is taken', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxBytes: 1000 });
  const puts = [put(outbox, 'a'.repeat(600)), put(outbox, 'b'.repeat(600)), put(outbox, 'c'.repeat(100))];
  assert.deepEqual(await outcomes(puts), ['ok', 'HYD_OUTBOX_FULL', 'ok']);
});

test('what is on its way behind a commit that left something out keeps its order', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 1, whenFull: 'wait', waitMs: MINUTE });
  const first = await put(outbox, 'first');
  const held = put(outbox, 'held');
  const texts = Array.from({ length: 20 }, (_, i) => String(i));
  const puts: Promise<OutboxRecord>[] = [];
  for (const text of texts) {
    await nextTurn();
    puts.push(put(outbox, text, { channel: 'other' }));
  }
  await Promise.all(puts);
  assert.deepEqual(await textsOf(outbox, 'other'), texts);
  outbox.remove(first.seq);
  await held;
});

test('wait: goes in as soon as there is room, in the order of the calls (pain 4)', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 2, whenFull: 'wait', waitMs: MINUTE });
  const puts = ['1', '2', '3', '4', '5', '6'].map((text) => put(outbox, text));
  const [first, second] = [await puts[0]!, await puts[1]!];
  outbox.remove(first.seq);
  const third = await puts[2]!;
  puts.push(put(outbox, '7'));
  outbox.remove(second.seq);
  outbox.remove(third.seq);
  await puts[4]!;
  assert.deepEqual(await textsOf(outbox), ['4', '5']);
  outbox.configure('events', { maxEvents: 100, whenFull: 'wait', waitMs: MINUTE });
  await Promise.all(puts);
  assert.deepEqual(await textsOf(outbox), ['4', '5', '6', '7']);
});

test('wait: gives up after its time, and the channel takes more afterwards (pain 4)', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 1, whenFull: 'wait', waitMs: 20 });
  const first = await put(outbox, '1');
  const late = put(outbox, '2');
  await assert.rejects(late, (error: HydrantError) => error.code === 'HYD_OUTBOX_FULL' && /no room for 20 ms/.test(error.message));
  outbox.remove(first.seq);
  await put(outbox, '3');
  assert.deepEqual(await textsOf(outbox), ['3']);
});

test('wait: what waits can be given up by its caller, and is not stored then', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 1, whenFull: 'wait', waitMs: MINUTE });
  const first = await put(outbox, '1');
  const controller = new AbortController();
  const given = outbox.put(outboxEvent('2'), { signal: controller.signal });
  const kept = put(outbox, '3');
  await outbox.settled();
  controller.abort();
  assert.deepEqual(await outcomes([given]), ['HYD_ABORTED']);
  outbox.remove(first.seq);
  await kept;
  assert.deepEqual(await textsOf(outbox), ['3']);
  assert.deepEqual(await outcomes([outbox.put(outboxEvent('4'), { signal: controller.signal })]), ['HYD_ABORTED']);
});

test('wait: what waits is refused when the outbox is closed', async () => {
  const outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 1, whenFull: 'wait', waitMs: MINUTE });
  await put(outbox, '1');
  const waiting = outcomes([put(outbox, '2'), put(outbox, '3')]);
  await outbox.settled();
  await outbox.close();
  assert.deepEqual(await waiting, ['HYD_CLOSED', 'HYD_CLOSED']);
});

test('wait: ten thousand puts through a bound of fifty, some in flight at any time, keep their order', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 50, whenFull: 'wait', waitMs: MINUTE });
  const seen: string[] = [];
  outbox.onStored = (records) => {
    seen.push(...payloadTexts(records));
    assert.ok(outbox.channels.get('events')!.events <= 50);
    setImmediate(() => {
      for (const { seq } of records) outbox.remove(seq);
    });
  };
  const texts = Array.from({ length: 10_000 }, (_, i) => `${i}`);
  await Promise.all(texts.map((text) => put(outbox, text)));
  assert.deepEqual(seen, texts);
});

test('drop-oldest: the oldest go, each is told, and the newest are there (pain 4)', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 3, whenFull: 'drop-oldest' });
  const dropped = watchDrops(outbox);
  const records = await Promise.all(Array.from({ length: 20 }, (_, i) => put(outbox, `${i}`)));
  assert.deepEqual(await textsOf(outbox), ['17', '18', '19']);
  assert.deepEqual(
    dropped,
    records.slice(0, 17).map(({ id }) => [id, 'oldest']),
  );
  await put(outbox, '20');
  assert.deepEqual(await textsOf(outbox), ['18', '19', '20']);
});

test('drop-oldest by bytes: as many go as the new one needs, and no more', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxBytes: 1000, whenFull: 'drop-oldest' });
  await Promise.all(['a', 'b', 'c', 'd'].map((text) => put(outbox, text.repeat(150))));
  await put(outbox, 'e'.repeat(600));
  assert.deepEqual(
    (await textsOf(outbox)).map((text) => text[0]),
    ['c', 'd', 'e'],
  );
});

test('drop-oldest: never what is out; when all is out it waits, and goes on when something is acknowledged (pain 4)', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 3, whenFull: 'drop-oldest', waitMs: MINUTE });
  const dropped = watchDrops(outbox);
  const [one, two, three] = (await Promise.all(['1', '2', '3'].map((text) => put(outbox, text)))) as [
    OutboxRecord,
    OutboxRecord,
    OutboxRecord,
  ];
  outbox.markOut([one.seq, two.seq], true);
  await put(outbox, '4');
  assert.deepEqual(await textsOf(outbox), ['1', '2', '4']);
  const four = (await outbox.read('events', 0, ALL))[2]!;
  outbox.markOut([four.seq], true);
  const waiting = put(outbox, '5');
  await outbox.settled();
  assert.deepEqual(await textsOf(outbox), ['1', '2', '4']);
  outbox.remove(two.seq);
  await waiting;
  assert.deepEqual(await textsOf(outbox), ['1', '4', '5']);
  outbox.markOut([one.seq, four.seq], false);
  await put(outbox, '6');
  assert.deepEqual(await textsOf(outbox), ['4', '5', '6']);
  assert.deepEqual(dropped, [
    [three.id, 'oldest'],
    [one.id, 'oldest'],
  ]);
});

test('drop-oldest: what goes out while room is being looked for stays, and what is behind it goes', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 2, whenFull: 'drop-oldest', waitMs: MINUTE });
  const dropped = watchDrops(outbox);
  const [one, two] = (await Promise.all(['1', '2'].map((text) => put(outbox, text)))) as [OutboxRecord, OutboxRecord];
  const third = put(outbox, '3');
  // Settles with the commit in which there was no room.
  await outbox.settled();
  outbox.markOut([one.seq], true);
  await third;
  assert.deepEqual(await textsOf(outbox), ['1', '3']);
  assert.deepEqual(dropped, [[two.id, 'oldest']]);
});

test('drop-oldest: with everything out for longer than it may wait, the new one is refused', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 1, whenFull: 'drop-oldest', waitMs: 20 });
  const { seq } = await put(outbox, '1');
  outbox.markOut([seq], true);
  assert.deepEqual(await outcomes([put(outbox, '2')]), ['HYD_OUTBOX_FULL']);
  outbox.remove(seq);
  assert.deepEqual(await outcomes([put(outbox, '3')]), ['ok']);
});

test('what is in quarantine counts against the bound, and is never dropped for it', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('events', { maxEvents: 2, whenFull: 'drop-oldest', waitMs: 20 });
  const { seq } = await put(outbox, 'bad');
  await outbox.quarantine(seq, 'refused');
  await put(outbox, '1');
  await put(outbox, '2');
  assert.deepEqual(await textsOf(outbox), ['2']);
  assert.equal((await outbox.quarantined()).length, 1);
});

test('a key takes the place of what waits under it, in its channel, unless that is out', async () => {
  await using folder = await createTempFolder();
  await using outbox = await openOutbox(folder.path);
  outbox.configure('events', { maxEvents: 3 });
  const dropped = watchDrops(outbox);
  const first = await put(outbox, 'a1', { key: 'a' });
  await put(outbox, 'b1', { key: 'b' });
  await put(outbox, 'a', { key: 'a', channel: 'other' });
  const last = await put(outbox, 'c');
  const again = await put(outbox, 'a2', { key: 'a' });
  await outbox.settled();
  assert.deepEqual(await textsOf(outbox), ['b1', 'c', 'a2']);
  outbox.markOut([again.seq], true);
  outbox.remove(last.seq);
  await put(outbox, 'a3', { key: 'a' });
  await outbox.settled();
  assert.deepEqual(await textsOf(outbox), ['b1', 'a2', 'a3']);
  assert.deepEqual(await textsOf(outbox, 'other'), ['a']);
  assert.deepEqual(dropped, [[first.id, 'replaced']]);
});

test('what is too old or past its time goes by itself, each with its reason; what is out stays', async () => {
  await using folder = await createTempFolder();
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  const options: OutboxOptions = { clock, pollMs: 2 };
  await using outbox = await openOutbox(folder.path, options);
  await outbox.claim();
  outbox.configure('aged', { maxAgeMs: 10_000 });
  const dropped = watchDrops(outbox);
  const old = await put(outbox, 'old', { channel: 'aged' });
  const oldOut = await put(outbox, 'old, out', { channel: 'aged' });
  const expiring = await put(outbox, 'expiring', { expiresMs: clock.now() + 5000 });
  const expiringOut = await put(outbox, 'expiring, out', { expiresMs: clock.now() + 5000 });
  await put(outbox, 'kept');
  outbox.markOut([oldOut.seq, expiringOut.seq], true);
  clock.advance(5001);
  await until(() => dropped.length === 1, 'the expired one to go');
  clock.advance(5000);
  await put(outbox, 'young', { channel: 'aged' });
  await until(() => dropped.length === 2, 'the old one to go');
  await outbox.settled();
  assert.deepEqual(dropped, [
    [expiring.id, 'expired'],
    [old.id, 'age'],
  ]);
  assert.deepEqual(await textsOf(outbox), ['expiring, out', 'kept']);
  assert.deepEqual(await textsOf(outbox, 'aged'), ['old, out', 'young']);
});

test('what is too old goes however much of the channel is out', async () => {
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  await using outbox = await openOutbox(':memory:', { clock, pollMs: 20 });
  outbox.configure('aged', { maxAgeMs: 10_000 });
  const dropped = watchDrops(outbox);
  const records = await Promise.all(Array.from({ length: 3000 }, (_, i) => put(outbox, `${i}`, { channel: 'aged' })));
  outbox.markOut(
    records.slice(0, 700).map(({ seq }) => seq),
    true,
  );
  clock.advance(10_001);
  await until(() => dropped.length === 2300, 'all that is not out to go');
  await outbox.settled();
  assert.equal(outbox.channels.get('aged')?.events, 700);
});

test('what waits for the disk is bounded in memory, whatever the policy of its channel (pain 5)', async () => {
  await using outbox = await openOutbox(':memory:');
  const payload = Buffer.alloc(1 << 20);
  const puts = Array.from({ length: 100 }, () => outbox.put({ ...outboxEvent(''), payload }));
  const results = await within(outcomes(puts), 60_000, 'every put to settle');
  assert.deepEqual(
    [results.filter((result) => result === 'ok').length, results.filter((result) => result === 'HYD_OUTBOX_FULL').length],
    [64, 36],
  );
  assert.deepEqual(await outcomes([outbox.put({ ...outboxEvent(''), payload })]), ['ok']);
});
