import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { encodePacket } from './encode.ts';
import type { Packet } from './packet.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function publish(bytes: number, subscriptionIdentifier: number): Packet {
  return {
    cmd: 'publish',
    topic: 'a',
    payload: Buffer.alloc(bytes),
    qos: 0,
    retain: false,
    dup: false,
    properties: { subscriptionIdentifier },
  };
}

test('packets of many lengths leave nothing behind', async () => {
  encodePacket(publish(1, 1), 5);
  for (let turn = 0; turn < 100; turn++) await nextTurn();
  collect();
  const before = process.memoryUsage().arrayBuffers;
  for (let length = 100; length < 2000; length++) {
    encodePacket(publish(length, 16_000 - length), 5);
    // Other users of the buffer pool, so that each length is written in memory of its own.
    for (let used = 0; used < Buffer.poolSize; used += 4000) Buffer.allocUnsafe(4000);
  }
  collect();
  await nextTurn();
  collect();
  const left = process.memoryUsage().arrayBuffers - before;
  assert.ok(left < 4 * 1024 * 1024, `${left} bytes are left`);
});
