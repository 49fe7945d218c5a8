import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Admission } from './admission.ts';

test('an IPv6 network counts as one address, and a limit of 0 is none', () => {
  const limits = { connections: 0, connectionsPerAddress: 2, connectRate: 0 };
  const door = new Admission(
    () => limits,
    () => 0,
  );
  assert.equal(door.enter('2001:db8::1'), undefined);
  assert.equal(door.enter('2001:db8::2'), undefined);
  assert.equal(door.enter('2001:db8::3'), 'connections-per-address');
  assert.equal(door.enter('2001:db8:0:1::3'), undefined);
  door.leave('2001:db8::2');
  assert.equal(door.enter('2001:db8::4'), undefined);
});

test('the rate is refilled as time passes, up to ten seconds of it; a connection that was refused costs nothing', () => {
  let nowMs = 0;
  const door = new Admission(
    () => ({ connections: 0, connectionsPerAddress: 0, connectRate: 2 }),
    () => nowMs,
  );
  const enter = () => {
    const refusal = door.enter('192.0.2.1');
    if (!refusal) door.leave('192.0.2.1');
    return refusal;
  };
  const takeAll = () => {
    let taken = 0;
    while (enter() === undefined) taken++;
    return taken;
  };
  assert.equal(takeAll(), 20);
  nowMs += 1000;
  assert.equal(takeAll(), 2);
  for (let i = 0; i < 100; i++) enter();
  nowMs += 3000;
  assert.equal(takeAll(), 6);
  nowMs += 3_600_000;
  door.tick();
  assert.equal(takeAll(), 20);
});
