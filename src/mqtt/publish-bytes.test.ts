import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HydrantError } from '../core/errors.ts';
import { MemoryConnection } from '../testing/memory-connection.ts';
import type { PublishPacket, UserProperties, Version } from './packet.ts';
import { encodePublish } from './publish-bytes.ts';

const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((each) => !each.includes('\0'));

function roundTrip(version: Version, bytes: Buffer): PublishPacket {
  const memory = new MemoryConnection().connect(version);
  memory.receive(bytes);
  assert.deepEqual(memory.faults, []);
  return memory.packets[1] as PublishPacket;
}

test('what is encoded is received again, with the identifier at its offset', () => {
  const fields = fc.record({
    version: fc.constantFrom<Version>(3, 4, 5),
    topic: text.filter((each) => each !== ''),
    payload: fc.uint8Array({ maxLength: 20_000 }),
    qos: fc.constantFrom(0 as const, 1 as const, 2 as const),
    retain: fc.boolean(),
    id: fc.integer({ min: 1, max: 65_535 }),
    userProperties: fc.array(fc.tuple(text, text), { maxLength: 5 }),
  });
  fc.assert(
    fc.property(fields, ({ id, ...each }) => {
      const { bytes, idOffset } = encodePublish({ ...each, dup: each.qos > 0, properties: { contentType: 'x' } });
      assert.equal(idOffset === -1, each.qos === 0);
      if (idOffset !== -1) bytes.writeUInt16BE(id, idOffset);
      const packet = roundTrip(each.version, bytes);
      assert.deepEqual([packet.topic, packet.qos, packet.retain, packet.dup], [each.topic, each.qos, each.retain, each.qos > 0]);
      assert.deepEqual(Buffer.from(packet.payload), Buffer.from(each.payload));
      if (each.qos > 0) assert.equal(packet.messageId, id);
      if (each.version === 5) assert.deepEqual(packet.userProperties ?? [], each.userProperties);
      assert.deepEqual(packet.properties, each.version === 5 ? { contentType: 'x' } : undefined);
    }),
    { numRuns: 500 },
  );
});

test('user properties keep order, repeated names, numbers as names and __proto__', () => {
  const userProperties: UserProperties = [
    ['b', '1'],
    ['2', 'two'],
    ['a', ''],
    ['__proto__', 'p'],
    ['b', '3'],
    ['1', 'one'],
    ['constructor', 'c'],
    ['', 'empty'],
  ];
  const { bytes } = encodePublish({ version: 5, topic: 't', payload: Buffer.alloc(0), qos: 0, userProperties });
  assert.deepEqual(roundTrip(5, bytes).userProperties, userProperties);
});

test('a will has user properties of its own', () => {
  const memory = new MemoryConnection();
  const sender = new MemoryConnection({ end: 'client', version: 5 });
  sender.connection.send({
    cmd: 'connect',
    clientId: 'c',
    protocolVersion: 5,
    userProperties: [['of', 'connect']],
    will: { topic: 'w', payload: Buffer.from('x'), properties: { willDelayInterval: 5 }, userProperties: [['of', 'will']] },
  });
  sender.connection.flush();
  memory.receive(sender.written());
  const connect = memory.packets[0];
  assert.ok(connect?.cmd === 'connect');
  assert.deepEqual(connect.userProperties, [['of', 'connect']]);
  assert.deepEqual([connect.will?.userProperties, { ...connect.will?.properties }], [[['of', 'will']], { willDelayInterval: 5 }]);
});

test('what does not fit is refused with HYD_USAGE, and nothing of it is sent', () => {
  const memory = new MemoryConnection().connect();
  const long = 'x'.repeat(70_000);
  const refused = (error: unknown) => error instanceof HydrantError && error.code === 'HYD_USAGE';
  assert.throws(() => encodePublish({ version: 4, topic: long, payload: Buffer.alloc(0), qos: 0 }), refused);
  assert.throws(() => memory.connection.send({ cmd: 'publish', topic: long, payload: 'p', qos: 0, retain: false, dup: false }), refused);
  assert.equal(memory.connection.bufferedBytes, 0);
});
