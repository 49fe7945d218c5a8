import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../core/errors.ts';
import { createUlid } from '../core/id.ts';
import { Metrics } from './metrics.ts';
import type { Publication } from './options.ts';
import { openOutbox } from './outbox/open-outbox.ts';
import type { Outbox, OutboxRecord } from './outbox/outbox.ts';
import { Publications } from './publications.ts';

interface World extends AsyncDisposable {
  outbox: Outbox;
  publications: Publications;
  records: OutboxRecord[];
  publish(): Publication;
}

async function openWorld(): Promise<World> {
  const outbox = await openOutbox(':memory:');
  const publications = new Publications(outbox, new Metrics(outbox));
  const records: OutboxRecord[] = [];
  outbox.onStored = (stored) => void records.push(...stored);
  return {
    outbox,
    publications,
    records,
    publish() {
      const id = createUlid();
      return publications.store({ id, channel: 'data', topic: 'a', payload: Buffer.from('x'), qos: 1, retain: false });
    },
    [Symbol.asyncDispose]: () => outbox.close(),
  };
}

const dropped = new HydrantError('HYD_DROPPED', 'gone');

test('who asks before, between and after the acknowledgement is told alike', async () => {
  await using world = await openWorld();
  const [before, between, after] = [world.publish(), world.publish(), world.publish()];
  const early = before.acked;
  await Promise.all([before.stored, between.stored, after.stored]);
  const middle = between.acked;
  for (const [i, record] of world.records.entries()) world.publications.onAcked(record, { id: record.id, seq: 10 + i });
  assert.deepEqual(await Promise.all([early, middle, after.acked]), [
    { id: before.id, seq: 10 },
    { id: between.id, seq: 11 },
    { id: after.id, seq: 12 },
  ]);
});

test('what nobody asked about and was too much to keep in mind is found out from the outbox when somebody asks', async () => {
  await using world = await openWorld();
  const many = Array.from({ length: 2003 }, () => world.publish());
  await Promise.all(many.map(({ stored }) => stored));
  assert.equal(world.publications.waiting, 2000);
  const [gone, ended, there] = many.slice(2000);
  const [goneRecord, endedRecord, thereRecord] = world.records.slice(2000);
  world.outbox.remove(goneRecord!.seq);
  world.publications.onAcked(goneRecord!, { id: goneRecord!.id, seq: 1 });
  world.outbox.remove(endedRecord!.seq);
  world.publications.onEnded(endedRecord!.seq, dropped);
  const waits = there!.acked;
  assert.deepEqual(await gone!.acked, { id: gone!.id, seq: 0 });
  await assert.rejects(ended!.acked, { code: 'HYD_DROPPED' });
  world.publications.onAcked(thereRecord!, { id: thereRecord!.id, seq: 7 });
  assert.deepEqual(await waits, { id: there!.id, seq: 7 });
});

test('an event of which nothing is known any more is not taken for acknowledged', async () => {
  await using world = await openWorld();
  const many = Array.from({ length: 2001 }, () => world.publish());
  await Promise.all(many.map(({ stored }) => stored));
  const { seq } = world.records[2000]!;
  world.outbox.remove(seq);
  for (let i = 0; i <= 10_000; i++) world.publications.onEnded(seq + i, dropped);
  await assert.rejects(many[2000]!.acked, { code: 'HYD_DROPPED', message: /many were dropped/ });
});

test('an event that another process has set aside is told so, however much is set aside', async () => {
  await using world = await openWorld();
  const many = Array.from({ length: 1200 }, () => world.publish());
  await Promise.all(many.map(({ stored }) => stored));
  await Promise.all(world.records.map(({ seq }) => world.outbox.quarantine(seq, 'it is not taken')));
  await world.publications.poll();
  await assert.rejects(many.at(-1)!.acked, { code: 'HYD_QUARANTINED', message: /it is not taken/ });
});

test('an event that is dropped in the commit that stored it is told so', async () => {
  await using world = await openWorld();
  world.outbox.onStored = (records) => {
    for (const { seq } of records) world.publications.onEnded(seq, dropped);
  };
  const publication = world.publish();
  await publication.stored;
  await assert.rejects(publication.acked, { code: 'HYD_DROPPED' });
});

test('after the end everybody is told, also who asks later', async () => {
  await using world = await openWorld();
  const [asked, unasked] = [world.publish(), world.publish()];
  const early = asked.acked;
  await unasked.stored;
  world.publications.close(new HydrantError('HYD_CLOSED', 'over'));
  await assert.rejects(early, { code: 'HYD_CLOSED' });
  await assert.rejects(unasked.acked, { code: 'HYD_CLOSED' });
  await unasked.stored;
});
