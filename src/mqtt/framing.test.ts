import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryConnection } from '../testing/memory-connection.ts';
import { encodePacket } from './encode.ts';
import type { Packet } from './packet.ts';

const PACKETS: Packet[] = [
  { cmd: 'connect', clientId: 'c', protocolVersion: 4, clean: true, keepalive: 0 },
  { cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: 'a/#', qos: 1 }] },
  { cmd: 'pingreq' },
  { cmd: 'publish', topic: 'a/b', payload: Buffer.from('short'), qos: 0, retain: false, dup: false },
  { cmd: 'publish', topic: 'a/\u{1F4A7}', payload: Buffer.alloc(300, 'x'), qos: 1, retain: false, dup: false, messageId: 7 },
  { cmd: 'publish', topic: 'a/long', payload: Buffer.alloc(20_000, 'y'), qos: 2, retain: true, dup: true, messageId: 8 },
  { cmd: 'puback', messageId: 9 },
  { cmd: 'unsubscribe', messageId: 10, unsubscriptions: ['a/#'] },
  { cmd: 'disconnect' },
];
const STREAM = Buffer.concat(PACKETS.map((packet) => encodePacket(packet, 4)));

/** Packets as text, so that views of different buffers compare. */
function texts(memory: MemoryConnection): string[] {
  assert.deepEqual(memory.faults, []);
  return memory.packets.map((packet) => JSON.stringify(packet));
}

function receiveAll(chunks: Buffer[]): string[] {
  const memory = new MemoryConnection();
  for (const chunk of chunks) memory.receive(chunk);
  return texts(memory);
}

const WHOLE = receiveAll([STREAM]);

test('a stream in one chunk gives its packets', () => {
  assert.deepEqual(
    WHOLE.map((text) => JSON.parse(text).cmd),
    PACKETS.map((packet) => packet.cmd),
  );
});

test('a stream cut at any one offset gives the same packets', () => {
  for (let cut = 1; cut < STREAM.length; cut += cut < 500 || cut > STREAM.length - 100 ? 1 : 97) {
    assert.deepEqual(receiveAll([STREAM.subarray(0, cut), STREAM.subarray(cut)]), WHOLE, `cut at ${cut}`);
  }
});

test('a stream byte by byte gives the same packets', () => {
  assert.deepEqual(receiveAll(Array.from(STREAM, (byte) => Buffer.of(byte))), WHOLE);
});

test('any chunking gives the same packets, also when reading pauses and goes on in between', () => {
  const cuts = fc.array(fc.record({ bytes: fc.integer({ min: 1, max: 4000 }), pause: fc.boolean() }), { minLength: 1, maxLength: 60 });
  fc.assert(
    fc.property(cuts, (steps) => {
      const memory = new MemoryConnection();
      let at = 0;
      for (const { bytes, pause } of steps) {
        if (pause) memory.connection.pauseReading();
        const before = memory.packets.length;
        memory.receive(STREAM.subarray(at, at + bytes));
        if (pause) assert.equal(memory.packets.length, before, 'nothing is handed on while paused');
        memory.connection.resumeReading();
        at += bytes;
      }
      memory.receive(STREAM.subarray(at));
      assert.deepEqual(texts(memory), WHOLE);
    }),
    { numRuns: 200 },
  );
});

test('random bytes after CONNECT end in packets or one fault, never in an exception', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.uint8Array({ maxLength: 40 }).map((body) => frameOf(body)),
  );
  fc.assert(
    fc.property(fc.constantFrom(3, 4, 5) as fc.Arbitrary<3 | 4 | 5>, fc.array(bytes, { maxLength: 5 }), (version, chunks) => {
      const memory = new MemoryConnection().connect(version);
      for (const chunk of chunks) memory.receive(chunk);
      assert.ok(memory.faults.length <= 1);
      assert.equal(memory.transport.ended, memory.faults.length === 1);
    }),
    { numRuns: 5000 },
  );
});

test('a valid packet with any one byte changed ends in a packet or one fault, never in an exception', () => {
  const publish = encodePacket(
    {
      cmd: 'publish',
      topic: 'a/b',
      payload: Buffer.from('p'),
      qos: 1,
      retain: false,
      dup: false,
      messageId: 3,
      properties: { messageExpiryInterval: 5, contentType: 'c', correlationData: Buffer.from('d'), responseTopic: 'r' },
      userProperties: [['k', 'v']],
    },
    5,
  );
  for (let at = 0; at < publish.length; at++) {
    for (let value = 0; value < 256; value++) {
      const changed = Buffer.from(publish);
      changed[at] = value;
      const memory = new MemoryConnection().connect(5);
      memory.receive(changed);
      assert.ok(memory.faults.length <= 1);
    }
  }
});

test('pausing inside onPacket holds back the rest of the chunk until reading goes on', () => {
  const seen: string[] = [];
  const memory = new MemoryConnection({
    handler: {
      onPacket(packet) {
        seen.push(packet.cmd);
        if (packet.cmd === 'connect') memory.connection.pauseReading();
      },
      onFault: (fault) => assert.fail(fault),
      onClose() {},
      onDrain() {},
    },
  });
  memory.receive(STREAM);
  assert.deepEqual(seen, ['connect']);
  assert.ok(memory.transport.paused);
  memory.connection.resumeReading();
  assert.deepEqual(
    seen,
    PACKETS.map((packet) => packet.cmd),
  );
});

test('closing or destroying inside onPacket ends the packets there', () => {
  for (const end of ['close', 'destroy'] as const) {
    const memory: MemoryConnection = new MemoryConnection({
      handler: {
        onPacket(packet) {
          memory.packets.push(packet);
          if (packet.cmd === 'pingreq') memory.connection[end]();
        },
        onFault: (fault) => assert.fail(fault),
        onClose: (error) => void memory.closes.push(error),
        onDrain() {},
      },
    });
    memory.receive(STREAM);
    assert.equal(memory.packets.at(-1)?.cmd, 'pingreq');
    assert.equal(memory.closes.length, end === 'destroy' ? 1 : 0);
  }
});

test('a payload inside one chunk is a view of it, not a copy', () => {
  const memory = new MemoryConnection().connect();
  const bytes = encodePacket({ cmd: 'publish', topic: 't', payload: Buffer.alloc(9000, 'z'), qos: 0, retain: false, dup: false }, 4);
  memory.transport.onData(bytes);
  const packet = memory.packets[1]!;
  assert.equal((packet.cmd === 'publish' && (packet.payload as Buffer).buffer) === bytes.buffer, true);
});

test('a length that is announced and not sent costs no memory', () => {
  const memories = Array.from({ length: 50 }, () => new MemoryConnection().connect());
  const before = process.memoryUsage().arrayBuffers;
  for (const memory of memories) memory.receive(Buffer.from('30ffffff7f00', 'hex'));
  assert.ok(process.memoryUsage().arrayBuffers - before < 1_000_000);
  assert.deepEqual(
    memories.flatMap((memory) => memory.faults),
    [],
  );
});

function frameOf(body: Uint8Array): Buffer {
  return Buffer.concat([Buffer.of(body[0] ?? 0x30, Math.max(0, body.length - 1)), body.subarray(1)]);
}
