import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Delivery } from './delivery.ts';
import { Message } from './message.ts';
import type { Session } from './session.ts';
import type { SessionHost } from './session-host.ts';
import type { SessionState } from './session-state.ts';
import { type Member, SharedDistributor } from './shared-distributor.ts';

/** A group of which some members are away, and those that are here may read nothing at first. */
function createGroup() {
  const acknowledged: number[] = [];
  const dropped: string[] = [];
  const session = { persistent: false, pump() {}, inFlight: { acknowledge: (packetId: number) => acknowledged.push(packetId) } };
  const distributor = new SharedDistributor(session as unknown as Session, {
    host: { nowMs: () => 0, onDropped: (_session: Session, reason: string) => dropped.push(reason) } as unknown as SessionHost,
    state: {} as SessionState,
    mayWait: () => true,
    onIdle: () => assert.fail('somebody is here'),
  });
  const got: number[] = [];
  const member = { load: 0, hasRoom: true, writable: true, mayRead: false, suits: () => member.mayRead, takeOnce() {} };
  const here: Member & typeof member = Object.assign(member, {
    take: ({ delivery }: { delivery: Delivery }) => void got.push(delivery.seq),
  });
  distributor.welcome(here);
  const deliver = (count: number): void => {
    for (let seq = 1; seq <= count; seq++) {
      const message = Object.assign(new Message({ topic: 'a', payload: Buffer.alloc(0), qos: 1, retain: false }), { seq });
      const route = { qos: 1, retainAsPublished: false, ids: undefined } as const;
      distributor.deliver({
        packetId: seq,
        seq,
        qos: 1,
        stage: 'sent',
        message,
        route,
        retained: false,
        tracked: true,
        share: undefined,
        dup: false,
      });
    }
  };
  return { distributor, here, got, acknowledged, dropped, deliver };
}

const upTo = (to: number, from = 1): number[] => Array.from({ length: to - from + 1 }, (_, i) => from + i);

test('what nobody here may read waits for those who are away, the last 500; the oldest beyond are passed over and counted', async () => {
  const { distributor, got, acknowledged, dropped, deliver } = createGroup();
  deliver(620);
  distributor.tick();
  await Promise.resolve();
  assert.deepEqual(acknowledged, upTo(120));
  assert.deepEqual([...new Set(dropped)], ['no-suitable-member']);
  assert.equal(dropped.length, 120);
  assert.deepEqual(got, []);
});

test('what waits goes out in order once somebody here may read it', () => {
  const { distributor, here, got, deliver } = createGroup();
  deliver(20);
  here.mayRead = true;
  distributor.tick();
  assert.deepEqual(got, upTo(20));
});

test('a group with a thousand deliveries that nobody takes asks for no more', () => {
  const { distributor, here, deliver } = createGroup();
  deliver(999);
  assert.ok(distributor.window > 0);
  deliver(1);
  assert.equal(distributor.window, 0);
  here.mayRead = true;
  distributor.tick();
  assert.ok(distributor.window > 0);
});
