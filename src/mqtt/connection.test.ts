import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryConnection } from '../testing/memory-connection.ts';
import { encodePacket } from './encode.ts';
import { pooledBytes } from './gather.ts';
import { encodePublish } from './publish-bytes.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

function shared(payloadBytes: number, qos: 0 | 1 = 1): { bytes: Buffer; idOffset: number } {
  return encodePublish({ version: 4, topic: 'a/b', payload: Buffer.alloc(payloadBytes, 'p'), qos });
}

test('packets of one tick leave in one write, in order', async () => {
  const { connection, transport, ...memory } = new MemoryConnection().connect();
  connection.send({ cmd: 'connack', returnCode: 0, sessionPresent: false });
  connection.sendAck('puback', 258);
  const { bytes, idOffset } = shared(3);
  connection.sendShared(bytes, idOffset, 515);
  connection.sendAck('pubrel', 1);
  assert.equal(transport.writes.length, 0);
  assert.equal(connection.bufferedBytes, 4 + 4 + bytes.length + 4);
  await tick();
  assert.equal(transport.writes.length, 1);
  assert.equal(Buffer.concat(transport.writes.flat()).toString('hex'), `20020000${'40020102'}320a0003612f62${'0203'}707070${'62020001'}`);
  assert.deepEqual([connection.packetsOut, connection.bytesOut, connection.bufferedBytes], [4, 24, 0]);
  assert.deepEqual(memory.faults, []);
});

test('many acknowledgements at once leave as those of one after the other, and none leave of none', async () => {
  const { connection, transport } = new MemoryConnection().connect();
  connection.sendAcks('pubrec', []);
  await tick();
  assert.equal(transport.writes.length, 0);
  const ids = Array.from({ length: 3000 }, (_, i) => i + 1);
  connection.sendAcks('puback', ids);
  connection.sendAcks('pubrec', [258]);
  await tick();
  const expected = [...ids.map((id) => `4002${id.toString(16).padStart(4, '0')}`), '50020102'].join('');
  assert.equal(Buffer.concat(transport.writes.flat()).toString('hex'), expected);
  assert.deepEqual([transport.writes.length, connection.packetsOut], [1, 3001]);
});

test('shared bytes keep their own identifier, and QoS 0 has none', async () => {
  const { connection, transport } = new MemoryConnection().connect();
  const one = shared(3);
  const zero = shared(3, 0);
  connection.sendShared(one.bytes, one.idOffset, 65_535);
  connection.sendShared(zero.bytes, zero.idOffset, 77);
  await tick();
  assert.equal(Buffer.concat(transport.writes.flat()).toString('hex'), '320a0003612f62ffff70707030080003612f62707070');
  assert.equal(one.bytes.readUInt16BE(one.idOffset), 0);
});

test('a large payload is passed on uncopied, between what came before and after it', async () => {
  const { connection, transport } = new MemoryConnection().connect();
  const { bytes, idOffset } = shared(100_000);
  const payload = Buffer.alloc(70_000, 'q');
  connection.sendAck('puback', 1);
  connection.sendShared(bytes, idOffset, 9);
  connection.send({ cmd: 'publish', topic: 't', payload, qos: 0, retain: false, dup: false });
  connection.sendAck('puback', 2);
  await tick();
  assert.equal(transport.writes.length, 1);
  const pieces = transport.writes[0]!;
  assert.ok(
    pieces.some((piece) => piece.buffer === bytes.buffer && piece.length === 100_000),
    'the shared payload itself',
  );
  assert.ok(pieces.includes(payload), 'the payload itself');
  const expected = Buffer.from(bytes);
  expected.writeUInt16BE(9, idOffset);
  const sent = encodePacket({ cmd: 'publish', topic: 't', payload, qos: 0, retain: false, dup: false }, 4);
  assert.deepEqual(Buffer.concat(pieces), Buffer.concat([Buffer.from('40020001', 'hex'), expected, sent, Buffer.from('40020002', 'hex')]));
});

test('thousands of packets of all sizes arrive unchanged while the kernel is slow and chunks are used again', async () => {
  const { connection, transport } = new MemoryConnection().connect();
  transport.kernelTakes = false;
  const expected: Buffer[] = [];
  for (let i = 1; i <= 6000; i++) {
    const { bytes, idOffset } = shared((i * 37) % 5000);
    connection.sendShared(bytes, idOffset, i);
    const copy = Buffer.from(bytes);
    copy.writeUInt16BE(i, idOffset);
    expected.push(copy);
    if (i % 100 === 0) {
      await tick();
      // What the kernel takes is copied first, as the chunks are used again afterwards.
      transport.writes.forEach((pieces, at) => {
        transport.writes[at] = [Buffer.concat(pieces)];
      });
      transport.take(1);
    }
  }
  await tick();
  assert.deepEqual(Buffer.concat(transport.writes.flat()), Buffer.concat(expected));
});

test('an idle connection holds no buffer, and the pool is bounded', async () => {
  const all = Array.from({ length: 400 }, () => new MemoryConnection().connect());
  const round = async (): Promise<void> => {
    for (const { connection } of all) connection.sendAck('puback', 1);
    await tick();
  };
  await round();
  const full = pooledBytes();
  assert.ok(full >= 256 * 4096 && full <= 256 * 4096 + 32 * 65_536, `${full} bytes in the pool`);
  for (const { connection } of all.slice(0, 10)) connection.sendAck('puback', 1);
  assert.equal(pooledBytes(), full - 10 * 4096, 'in use between send and flush only');
  await round();
  assert.equal(pooledBytes(), full, 'every chunk is back');
});

test('bufferedBytes counts what the kernel has not taken, and onDrain comes once below low water', async () => {
  const memory = new MemoryConnection({ lowWaterBytes: 1000 }).connect();
  const { connection, transport } = memory;
  transport.kernelTakes = false;
  const { bytes, idOffset } = shared(700);
  for (let i = 1; i <= 3; i++) {
    connection.sendShared(bytes, idOffset, i);
    connection.flush();
  }
  assert.equal(connection.bufferedBytes, 3 * bytes.length);
  transport.take(1);
  assert.equal(memory.drains, 0);
  transport.take(1);
  assert.equal(memory.drains, 1);
  transport.take(1);
  assert.deepEqual([memory.drains, connection.bufferedBytes], [1, 0]);
});

test('what is sent in onFault still goes out before the close; afterwards nothing does', async () => {
  const memory: MemoryConnection = new MemoryConnection({
    handler: {
      onPacket() {},
      onFault: (fault) => memory.connection.send({ cmd: 'disconnect', reasonCode: fault.reasonCode }),
      onClose() {},
      onDrain() {},
    },
  }).connect(5);
  memory.receive(Buffer.from('3600', 'hex'));
  assert.equal(memory.written().toString('hex'), 'e0028100');
  assert.ok(memory.transport.ended && !memory.connection.open);
  memory.connection.send({ cmd: 'pingresp' });
  memory.connection.sendAck('puback', 1);
  await tick();
  assert.equal(memory.written().toString('hex'), 'e0028100');
});

test('keep-alive cuts at 1.5 times without a packet, never earlier', () => {
  const memory = new MemoryConnection().connect();
  memory.connection.setKeepAlive(10);
  memory.pass(14_500);
  assert.equal(memory.faults.length, 0);
  memory.receive(Buffer.from('c000', 'hex'));
  memory.pass(15_000);
  assert.equal(memory.faults.length, 0);
  memory.pass(1500);
  assert.deepEqual(
    memory.faults.map((fault) => [fault.reason, fault.reasonCode]),
    [['keep-alive-timeout', 0x8d]],
  );
});

test('keep-alive 0 and paused reading never cut; half a short packet is no packet', () => {
  const off = new MemoryConnection().connect();
  off.connection.setKeepAlive(0);
  off.pass(1_000_000);
  const paused = new MemoryConnection().connect();
  paused.connection.setKeepAlive(1);
  paused.connection.pauseReading();
  paused.pass(100_000);
  assert.deepEqual([off.faults, paused.faults], [[], []]);
  const dribble = new MemoryConnection().connect();
  dribble.connection.setKeepAlive(1);
  for (const byte of Buffer.from('300a000361', 'hex')) {
    dribble.receive(Buffer.of(byte));
    dribble.pass(500);
  }
  assert.equal(dribble.faults[0]?.reason, 'keep-alive-timeout');
});

test('a long packet on a slow line keeps its connection alive', () => {
  const memory = new MemoryConnection().connect();
  memory.connection.setKeepAlive(2);
  const bytes = shared(20_000, 0).bytes;
  for (let at = 0; at < bytes.length; at += 1000) {
    memory.receive(bytes.subarray(at, at + 1000));
    memory.pass(2000);
  }
  assert.deepEqual(memory.faults, []);
  assert.equal(memory.packets.length, 2);
});

test('a peer that takes bytes slowly is kept, one that takes none is cut off', () => {
  const memory = new MemoryConnection({ stalledMs: 5000 }).connect();
  memory.transport.kernelTakes = false;
  memory.connection.sendAck('puback', 1);
  memory.connection.flush();
  for (let i = 0; i < 10; i++) {
    memory.pass(4000);
    memory.transport.progress++;
  }
  assert.equal(memory.faults.length, 0);
  memory.pass(6000);
  assert.deepEqual(
    memory.faults.map((fault) => fault.reason),
    ['stalled'],
  );
  assert.ok(memory.transport.destroyed);
});

test('a peer that never closes its side is cut after the linger time', () => {
  const memory = new MemoryConnection({ lingerMs: 2000 }).connect();
  memory.connection.pauseReading();
  memory.connection.close();
  assert.ok(memory.transport.ended && !memory.transport.paused, 'reads on, so that the close is no reset');
  memory.pass(1500);
  assert.ok(!memory.transport.destroyed);
  memory.pass(1000);
  assert.ok(memory.transport.destroyed);
  assert.equal(memory.closes.length, 1);
});

test('destroy tells its error to onClose, once', () => {
  const memory = new MemoryConnection().connect();
  const error = new Error('taken over');
  memory.connection.destroy(error);
  memory.connection.destroy();
  assert.deepEqual(memory.closes, [error]);
});

test('a bridge, MQTT 3.1 and MQTT 5 are told apart by their CONNECT', () => {
  assert.deepEqual(
    ([3, 4, 5] as const).map((version) => new MemoryConnection().connect(version).connection.version),
    [3, 4, 5],
  );
  const bridge = new MemoryConnection();
  bridge.receive(Buffer.from('100d00044d515454840200000001638206000100016100', 'hex'));
  const [connect, subscribe] = bridge.packets;
  assert.equal(connect?.cmd === 'connect' && connect.bridgeMode, true);
  assert.deepEqual(subscribe?.cmd === 'subscribe' && subscribe.subscriptions, [{ topic: 'a', qos: 0, rh: 0, rap: true, nl: true }]);
});
