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

async function passTurns(): Promise<void> {
  for (let turn = 0; turn < 100; turn++) await nextTurn();
}

test('a client, which sends packets of few lengths, has no table of all', async () => {
  const connect: Packet = { cmd: 'connect', clientId: 'a', clean: true, protocolId: 'MQTT', protocolVersion: 5, keepalive: 60 };
  const ping: Packet = { cmd: 'pingreq' };
  encodePacket(connect, 5);
  await passTurns();
  collect();
  const before = process.memoryUsage().heapUsed;
  encodePacket(connect, 5);
  for (let minute = 0; minute < 100; minute++) encodePacket(ping, 5);
  await passTurns();
  collect();
  const added = process.memoryUsage().heapUsed - before;
  assert.ok(added < 1024 * 1024, `${added} bytes more`);
});

test('packets of many lengths leave nothing behind', async () => {
  encodePacket({ cmd: 'connack', sessionPresent: false, reasonCode: 0 }, 5);
  await passTurns();
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
