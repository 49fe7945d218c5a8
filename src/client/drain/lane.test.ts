import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OutboxRecord } from '../outbox/outbox.ts';
import { Lane } from './lane.ts';

function record(seq: number): OutboxRecord {
  return { seq, id: `id-${seq}`, channel: 'c', topic: 'a', payload: Buffer.alloc(1), qos: 1, retain: false, storedMs: 0, attempts: 0 };
}

/** A lane after one read that found these, during which others were stored. */
async function laneAfter(found: number[], meanwhile: number[], during: (lane: Lane) => void = () => {}): Promise<Lane> {
  const lane = new Lane('c', { bytes: 0, maxBytes: 1_000_000 });
  const read = async (): Promise<OutboxRecord[]> => {
    for (const seq of meanwhile) lane.take(record(seq));
    during(lane);
    return found.map(record);
  };
  await lane.load({ read });
  return lane;
}

function drain(lane: Lane): number[] {
  const seqs: number[] = [];
  for (let next = lane.peek(); next; next = lane.peek()) {
    seqs.push(next.seq);
    lane.shift();
  }
  return seqs;
}

test('what is stored during the read that finds the end of a backlog goes on from memory, and nothing more is read', async () => {
  const lane = await laneAfter([1, 2, 3], [3, 4, 5]);
  lane.take(record(6));
  assert.equal(lane.isHungry, false);
  assert.deepEqual(drain(lane), [1, 2, 3, 4, 5, 6]);
});

for (const [what, found, meanwhile, during, inMemory] of [
  ['the read has not come to the end', [1, 2], [8, 9], undefined, [1, 2]],
  ['another process has stored something in between', [1, 2], [3, 5], undefined, [1, 2, 3]],
  ['another process may have stored something after it', [1, 2], [3], (lane: Lane) => lane.fallBehind(), [1, 2, 3]],
] as const) {
  test(`${what}: the rest is read`, async () => {
    const lane = await laneAfter([...found], [...meanwhile], during);
    lane.take(record(10));
    assert.equal(lane.isHungry, true);
    assert.deepEqual(drain(lane), inMemory);
  });
}

test('what another process may have stored is read until nothing is found', async () => {
  const lane = await laneAfter([1], [2], (other) => other.fallBehind());
  const reads = [[record(3)], []];
  for (; lane.isHungry; ) await lane.load({ read: async () => reads.shift() ?? [] });
  assert.equal(reads.length, 0);
  lane.take(record(4));
  assert.deepEqual([lane.isHungry, drain(lane)], [false, [1, 2, 3, 4]]);
});

test('what is dropped during a read is neither sent nor told to have come, and not remembered for longer', async () => {
  const lane = new Lane('c', { bytes: 0, maxBytes: 1_000_000 });
  const read = async (): Promise<OutboxRecord[]> => {
    for (const seq of [2, 3, 9]) lane.forget(seq);
    return [1, 2, 3, 4].map(record);
  };
  const came = await lane.load({ read });
  assert.deepEqual(
    came.map(({ seq }) => seq),
    [1, 4],
  );
  assert.deepEqual(drain(lane), [1, 4]);
  await lane.load({ read: async () => [record(9)] });
  assert.deepEqual(drain(lane), [9]);
});
