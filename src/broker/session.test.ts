import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JournalRecord } from '../journal/record.ts';
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
  session.acknowledge(sent[0]!.packetId);
  assert.equal(session.cursor, 1);
});
