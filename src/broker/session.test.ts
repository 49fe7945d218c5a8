import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { JournalRecord } from '../journal/record.ts';
import type { EventReader } from './catch-up.ts';
import type { Delivery } from './delivery.ts';
import { Message } from './message.ts';
import { Session } from './session.ts';
import type { SessionHost, Sink } from './session-host.ts';

function createMessage(seq: number): Message {
  const message = new Message({ topic: 'a', payload: Buffer.from(`${seq}`), qos: 1, retain: false });
  message.seq = seq;
  return message;
}

test('a session that is being resumed has no room for anything else, and what is not journalled and comes meanwhile is sent once', async () => {
  const fetched = Promise.withResolvers<Map<number, JournalRecord>>();
  const host = {
    tailSeq: 0,
    limits: { queuedBytes: 1000, queuedMessages: 10 },
    fetch: () => fetched.promise,
    nowMs: () => 0,
  } as unknown as SessionHost;
  const sent: string[] = [];
  const createSink = (): Sink => ({
    window: 10,
    writable: true,
    deliver: ({ seq, dup }: Delivery) => void sent.push(`${seq}${dup ? ' dup' : ''}`),
    deliverOnce() {},
    release() {},
  });
  const session = new Session(host, { clientId: 'c', user: 'anonymous', incarnation: 'i', readFrom: 1, persistent: false });
  const route = { qos: 1, retainAsPublished: false, ids: undefined } as const;
  session.resume(createSink());
  session.offer(createMessage(1), route);
  session.detach();
  session.resume(createSink());
  session.offer(createMessage(0), route);
  assert.equal(session.room, 0);
  assert.deepEqual(sent, ['1'], 'what was in flight goes first');
  fetched.resolve(new Map([[1, createMessage(1)]]));
  await fetched.promise;
  assert.deepEqual(sent, ['1', '1 dup', '0']);
  assert.equal(session.room, 8);
});

test('what waits in memory for a session that has fallen behind is not done with, also when all that was in flight is', () => {
  const host = { tailSeq: 0, limits: { queuedBytes: 1000, queuedMessages: 2 }, nowMs: () => 0, onSettled() {} };
  const sent: Delivery[] = [];
  const sink = { window: 10, writable: true, deliver: (delivery: Delivery) => void sent.push(delivery), deliverOnce() {}, release() {} };
  const session = new Session(host as unknown as SessionHost, {
    clientId: 'c',
    user: 'anonymous',
    incarnation: 'i',
    readFrom: 1,
    persistent: false,
  });
  session.resume(sink);
  for (let seq = 1; seq <= 4; seq++) {
    host.tailSeq = seq;
    session.offer(createMessage(seq), { qos: 1, retainAsPublished: false, ids: undefined });
    sink.writable = false;
  }
  session.inFlight.acknowledge(sent[0]!.packetId);
  assert.equal(session.cursor, 1);
});

/** A journal of events that all match, read two at a time. */
function createReading(last: number) {
  const readers: { filters: readonly string[]; from: number; closed: boolean }[] = [];
  const read = (filters: readonly string[], from: number): EventReader => {
    const reader = { filters, from, closed: false };
    readers.push(reader);
    let next = from;
    return {
      async read(maxRecords) {
        const records = Array.from({ length: Math.min(maxRecords, last + 1 - next) }, () => createMessage(next++) as JournalRecord);
        return { records, next, caughtUp: next > last };
      },
      close() {
        reader.closed = true;
      },
    };
  };
  const host = {
    tailSeq: last,
    limits: { queuedBytes: 1000, queuedMessages: 10 },
    read,
    takeTurn: (work: () => Promise<unknown>) => work(),
    nowMs: () => 0,
    onSettled() {},
  } as unknown as SessionHost;
  return { host, readers };
}

const FILTER = { qos: 1, noLocal: false, retainAsPublished: false, begin: 0 } as const;

test('a subscription made while reading waits for acknowledgements counts for all that is read from then on', async () => {
  const { host, readers } = createReading(9);
  const session = new Session(host, { clientId: 'c', user: 'anonymous', incarnation: 'i', readFrom: 1, persistent: false });
  session.subscribe({ name: 'a', filter: 'a', ...FILTER });
  const sent: Delivery[] = [];
  session.resume({ window: 2, writable: true, deliver: (delivery) => void sent.push(delivery), deliverOnce() {}, release() {} });
  while (sent.length < 2) await Promise.resolve();
  await nextTurn();
  session.subscribe({ name: '+', filter: '+', ...FILTER });
  session.inFlight.acknowledge(sent[0]!.packetId);
  while (sent.length < 3) await Promise.resolve();
  assert.deepEqual(readers, [
    { filters: ['a'], from: 1, closed: true },
    { filters: ['a', '+'], from: 3, closed: false },
  ]);
});

test('what a session reads is closed when its client goes', async () => {
  const { host, readers } = createReading(9);
  const session = new Session(host, { clientId: 'c', user: 'anonymous', incarnation: 'i', readFrom: 1, persistent: false });
  session.subscribe({ name: 'a', filter: 'a', ...FILTER });
  session.resume({ window: 2, writable: true, deliver() {}, deliverOnce() {}, release() {} });
  while (session.inFlight.size < 2) await Promise.resolve();
  session.detach();
  assert.deepEqual(readers, [{ filters: ['a'], from: 1, closed: true }]);
});

test('what a subscription to the past reads is closed when its client goes', async () => {
  const { host, readers } = createReading(9);
  Object.assign(host, { startOf: async () => 4 });
  const session = new Session(host, { clientId: 'c', user: 'anonymous', incarnation: 'i', readFrom: 10, persistent: true });
  const sink: Sink = { window: 2, writable: true, deliver() {}, deliverOnce() {}, release() {} };
  session.resume(sink);
  session.subscribe({ name: '$history/4/a', filter: 'a', reading: { seq: 4 }, ...FILTER });
  while (session.inFlight.size < 2) await Promise.resolve();
  await nextTurn();
  session.detach();
  assert.deepEqual(readers, [{ filters: ['a'], from: 4, closed: true }]);
});
