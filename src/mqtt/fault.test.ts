import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryConnection } from '../testing/memory-connection.ts';
import type { ConnectionOptions } from './connection.ts';
import { FAULTS, type FaultReason, PacketFault } from './fault.ts';
import type { Version } from './packet.ts';

interface Case {
  reason: FaultReason;
  what: string;
  /** Hex, spaces for reading. */
  bytes: string;
  /** CONNECT received before; none when absent. */
  after?: Version;
  options?: Partial<ConnectionOptions>;
}

const CONNECT_4 = '10 0d 0004 4d515454 04 02 0000 0001 63';
const CONNECT_5 = '10 0e 0004 4d515454 05 02 0000 00 0001 63';
const client = { end: 'client' } as const;
const client5 = { end: 'client', version: 5 } as const;

const CASES: Case[] = [
  { reason: 'bad-length', what: 'a remaining length of five bytes', after: 4, bytes: '30 80 80 80 80 01' },
  { reason: 'bad-length', what: 'a property length of five bytes', after: 5, bytes: '30 09 0001 61 80 80 80 80 01 00' },
  { reason: 'packet-too-large', what: 'a length above the limit', after: 4, bytes: '30 ff 7f', options: { maxPacketBytes: 1000 } },
  { reason: 'packet-too-large', what: 'a CONNECT above its own limit', bytes: '10 ff 7f', options: { maxConnectBytes: 1000 } },
  { reason: 'bad-flags', what: 'QoS 3', after: 4, bytes: '36 07 0003 612f62 0001' },
  { reason: 'bad-flags', what: 'CONNECT with a flag', bytes: `11 ${CONNECT_4.slice(3)}` },
  { reason: 'bad-flags', what: 'SUBSCRIBE without its flag', after: 4, bytes: '80 06 0001 0001 61 00' },
  { reason: 'bad-flags', what: 'PUBREL without its flag', after: 4, bytes: '60 02 0001' },
  { reason: 'bad-flags', what: 'PINGREQ with a flag', after: 4, bytes: 'c1 00' },
  { reason: 'dup-qos-0', what: 'DUP at QoS 0', after: 4, bytes: '38 05 0003 612f62' },
  { reason: 'unexpected-packet', what: 'the reserved type 0', after: 4, bytes: '00 00' },
  { reason: 'unexpected-packet', what: 'AUTH on 3.1.1', after: 4, bytes: 'f0 00' },
  { reason: 'unexpected-packet', what: 'PINGRESP to a server', after: 4, bytes: 'd0 00' },
  { reason: 'unexpected-packet', what: 'SUBSCRIBE to a client', bytes: '82 06 0001 0001 61 00', options: client },
  { reason: 'unexpected-packet', what: 'DISCONNECT to a 3.1.1 client', bytes: 'e0 00', options: client },
  { reason: 'connect-expected', what: 'PINGREQ first', bytes: 'c0 00' },
  { reason: 'connect-expected', what: 'an HTTP request', bytes: Buffer.from('GET / HTTP/1.1\r\n').toString('hex') },
  { reason: 'second-connect', what: 'CONNECT again', after: 4, bytes: CONNECT_4 },
  { reason: 'bad-protocol-name', what: 'MQTX', bytes: CONNECT_4.replace('54 04', '58 04') },
  { reason: 'unsupported-version', what: 'level 6', bytes: CONNECT_4.replace('54 04', '54 06') },
  { reason: 'unsupported-version', what: 'MQTT at level 3', bytes: CONNECT_4.replace('54 04', '54 03') },
  { reason: 'unsupported-version', what: 'MQIsdp at level 4', bytes: '10 0f 0006 4d5149736470 04 02 0000 0001 63' },
  { reason: 'bad-connect-flags', what: 'the reserved flag', bytes: CONNECT_4.replace('04 02', '04 03') },
  { reason: 'bad-connect-flags', what: 'will QoS 3', bytes: '10 11 0004 4d515454 04 1e 0000 0001 63 0001 77 0000' },
  { reason: 'bad-connect-flags', what: 'will QoS without a will', bytes: CONNECT_4.replace('04 02', '04 0a') },
  { reason: 'bad-connect-flags', what: 'will retain without a will', bytes: CONNECT_4.replace('04 02', '04 22') },
  { reason: 'password-without-username', what: 'a password alone on 3.1.1', bytes: '10 10 0004 4d515454 04 42 0000 0001 63 0001 70' },
  { reason: 'truncated', what: 'a topic longer than its packet', after: 4, bytes: '30 05 0009 612f62' },
  { reason: 'truncated', what: 'a topic longer than its packet, more packets behind', after: 4, bytes: '30 05 0009 612f62 c000 c000 c000' },
  { reason: 'truncated', what: 'QoS 1 without room for its identifier', after: 4, bytes: '32 06 0003 612f62 00' },
  { reason: 'truncated', what: 'an empty PUBACK', after: 4, bytes: '40 00' },
  { reason: 'truncated', what: 'an empty PUBLISH', after: 4, bytes: '30 00' },
  { reason: 'truncated', what: 'an empty CONNECT', bytes: '10 00' },
  { reason: 'truncated', what: 'a CONNECT that ends after its flags', bytes: '10 08 0004 4d515454 04 02' },
  { reason: 'truncated', what: 'a client id longer than its CONNECT', bytes: '10 0d 0004 4d515454 04 02 0000 0002 63' },
  { reason: 'truncated', what: 'a filter without its options', after: 4, bytes: '82 05 0001 0001 61' },
  { reason: 'truncated', what: 'properties longer than their packet', after: 5, bytes: '30 04 0001 61 05' },
  { reason: 'truncated', what: 'a property that crosses the end of the properties', after: 5, bytes: '30 0a 0001 61 03 02 00000001 00 00' },
  { reason: 'truncated', what: 'PUBLISH without a property length', after: 5, bytes: '30 03 0001 61' },
  { reason: 'truncated', what: 'CONNACK of one byte', bytes: '20 01 00', options: client },
  { reason: 'trailing-bytes', what: 'CONNECT with more', bytes: `${CONNECT_4.replace('10 0d', '10 0e')} 00` },
  { reason: 'trailing-bytes', what: 'PUBACK of three bytes on 3.1.1', after: 4, bytes: '40 03 0001 00' },
  { reason: 'trailing-bytes', what: 'PUBACK with bytes after its properties', after: 5, bytes: '40 05 0001 00 00 00' },
  { reason: 'trailing-bytes', what: 'PINGREQ with a body', after: 4, bytes: 'c0 01 00' },
  { reason: 'trailing-bytes', what: 'DISCONNECT with a body on 3.1.1', after: 4, bytes: 'e0 01 00' },
  { reason: 'trailing-bytes', what: 'CONNACK of three bytes on 3.1.1', bytes: '20 03 00 00 00', options: client },
  { reason: 'malformed-packet', what: 'subscription options of 3', after: 4, bytes: '82 06 0001 0001 61 03' },
  { reason: 'malformed-packet', what: 'reserved subscription options', after: 5, bytes: '82 07 0001 00 0001 61 c0' },
  { reason: 'malformed-packet', what: 'a PUBACK reason that does not exist', after: 5, bytes: '40 04 0001 55 00' },
  { reason: 'malformed-packet', what: 'a DISCONNECT reason that does not exist', after: 5, bytes: 'e0 01 55' },
  { reason: 'malformed-packet', what: 'CONNACK flags', bytes: '20 02 02 00', options: client },
  { reason: 'bad-utf8', what: 'a lone continuation byte in a topic', after: 4, bytes: '30 05 0003 61 80 62' },
  { reason: 'bad-utf8', what: 'half a surrogate pair in a topic', after: 4, bytes: '30 05 0003 eda080' },
  { reason: 'bad-utf8', what: 'an overlong slash in a filter', after: 4, bytes: '82 07 0001 0002 c0af 00' },
  { reason: 'bad-utf8', what: 'a cut character in UNSUBSCRIBE', after: 4, bytes: 'a2 06 0001 0002 61e2' },
  { reason: 'bad-utf8', what: 'a client id', bytes: CONNECT_4.replace('0001 63', '0001 ff') },
  { reason: 'bad-utf8', what: 'a user name', bytes: '10 10 0004 4d515454 04 82 0000 0001 63 0001 ff' },
  { reason: 'bad-utf8', what: 'a will topic', bytes: '10 12 0004 4d515454 04 06 0000 0001 63 0001 ff 0000' },
  { reason: 'bad-utf8', what: 'a user property', after: 5, bytes: '30 0b 0001 61 07 26 0001 ff 0001 62' },
  { reason: 'bad-utf8', what: 'a content type', after: 5, bytes: '30 08 0001 61 04 03 0001 ff' },
  { reason: 'nul-character', what: 'in a topic', after: 4, bytes: '30 05 0003 61 00 62' },
  { reason: 'nul-character', what: 'in a filter', after: 4, bytes: '82 06 0001 0001 00 00' },
  { reason: 'nul-character', what: 'in a client id', bytes: CONNECT_4.replace('0001 63', '0001 00') },
  { reason: 'nul-character', what: 'in a user property', after: 5, bytes: '30 0b 0001 61 07 26 0001 61 0001 00' },
  { reason: 'packet-id-zero', what: 'PUBLISH', after: 4, bytes: '32 07 0003 612f62 0000' },
  { reason: 'packet-id-zero', what: 'PUBACK', after: 4, bytes: '40 02 0000' },
  { reason: 'packet-id-zero', what: 'SUBSCRIBE', after: 4, bytes: '82 06 0000 0001 61 00' },
  { reason: 'packet-id-zero', what: 'UNSUBSCRIBE', after: 4, bytes: 'a2 05 0000 0001 61' },
  { reason: 'packet-id-zero', what: 'SUBACK', bytes: '90 03 0000 00', options: client },
  { reason: 'empty-topic', what: 'PUBLISH on 3.1.1', after: 4, bytes: '30 03 0000 61' },
  { reason: 'empty-topic', what: 'PUBLISH on MQTT 5 without an alias', after: 5, bytes: '30 04 0000 00 61' },
  { reason: 'empty-topic', what: 'a will', bytes: '10 11 0004 4d515454 04 06 0000 0001 63 0000 0000' },
  { reason: 'empty-list', what: 'SUBSCRIBE', after: 4, bytes: '82 02 0001' },
  { reason: 'empty-list', what: 'UNSUBSCRIBE', after: 4, bytes: 'a2 02 0001' },
  { reason: 'empty-list', what: 'SUBSCRIBE with properties only', after: 5, bytes: '82 03 0001 00' },
  { reason: 'shared-no-local', what: 'SUBSCRIBE', after: 5, bytes: '82 12 0001 00 000c 2473686172652f672f612f62 04' },
  { reason: 'property-not-allowed', what: 'one that does not exist', after: 5, bytes: '30 06 0001 61 02 07 00' },
  { reason: 'property-not-allowed', what: 'receive maximum in PUBLISH', after: 5, bytes: '30 07 0001 61 03 21 0001' },
  {
    reason: 'property-not-allowed',
    what: 'will delay in CONNECT',
    bytes: `${CONNECT_5.replace('10 0e', '10 13').replace('0000 00 0001', '0000 05 18 00000001 0001')}`,
  },
  { reason: 'property-not-allowed', what: 'a subscription identifier to a server', after: 5, bytes: '30 06 0001 61 02 0b 01' },
  { reason: 'duplicate-property', what: 'expiry twice, zero first', after: 5, bytes: '30 0e 0001 61 0a 02 00000000 02 00000001' },
  {
    reason: 'duplicate-property',
    what: 'two subscription identifiers in SUBSCRIBE',
    after: 5,
    bytes: '82 0b 0001 04 0b01 0b02 0001 61 00',
  },
  { reason: 'property-value', what: 'payload format 2', after: 5, bytes: '30 06 0001 61 02 01 02' },
  { reason: 'property-value', what: 'subscription identifier 0', after: 5, bytes: '82 09 0001 02 0b00 0001 61 00' },
  {
    reason: 'property-value',
    what: 'receive maximum 0',
    bytes: CONNECT_5.replace('10 0e', '10 11').replace('0000 00 0001', '0000 03 21 0000 0001'),
  },
  {
    reason: 'property-value',
    what: 'maximum packet size 0',
    bytes: CONNECT_5.replace('10 0e', '10 13').replace('0000 00 0001', '0000 05 27 00000000 0001'),
  },
  {
    reason: 'property-value',
    what: 'request problem information 2',
    bytes: CONNECT_5.replace('10 0e', '10 10').replace('0000 00 0001', '0000 02 17 02 0001'),
  },
  {
    reason: 'property-value',
    what: 'authentication data alone',
    bytes: CONNECT_5.replace('10 0e', '10 12').replace('0000 00 0001', '0000 04 16 0001 61 0001'),
  },
  { reason: 'property-value', what: 'a wildcard in the response topic', after: 5, bytes: '30 0a 0001 61 06 08 0003 61 2f 2b' },
  { reason: 'property-value', what: 'maximum QoS 2', bytes: '20 05 00 00 02 24 02', options: client5 },
  { reason: 'bad-topic-alias', what: 'alias 0', after: 5, bytes: '30 07 0001 61 03 23 0000' },
];

for (const { reason, what, bytes, after, options } of CASES) {
  test(`refuses as ${reason}: ${what}`, () => {
    const memory = new MemoryConnection(options);
    if (after) memory.connect(after);
    const before = memory.packets.length;
    memory.receive(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
    memory.receive(Buffer.from('c000', 'hex'));
    assert.deepEqual(
      memory.faults.map((fault) => [fault.reason, fault.reasonCode]),
      [[reason, FAULTS[reason]]],
    );
    assert.equal(memory.packets.length, before, 'no packet after or beside the fault');
    assert.ok(memory.transport.ended, 'the connection is closed');
  });
}

test('refuses as connect-timeout, keep-alive-timeout and stalled what is too slow, and a websocket text message', () => {
  const silent = new MemoryConnection({ connectTimeoutMs: 2000 });
  silent.pass(2500);
  const idle = new MemoryConnection().connect();
  idle.connection.setKeepAlive(1);
  idle.pass(3000);
  const stuck = new MemoryConnection({ stalledMs: 2000 }).connect();
  stuck.transport.kernelTakes = false;
  stuck.connection.sendAck('puback', 1);
  stuck.connection.flush();
  stuck.pass(4000);
  const text = new MemoryConnection().connect();
  text.transport.onFault(new PacketFault('websocket-text', 'text'));
  const seen = [silent, idle, stuck, text].flatMap((memory) => memory.faults.map((fault) => fault.reason));
  assert.deepEqual(seen, ['connect-timeout', 'keep-alive-timeout', 'stalled', 'websocket-text']);
  const tested = new Set([...CASES.map((each) => each.reason), ...seen]);
  assert.deepEqual([...tested].sort(), Object.keys(FAULTS).sort(), 'every reason has a case');
});

test('takes what only looks wrong', () => {
  const good: [Version, string][] = [
    [4, '30 05 0003 efbfbd'],
    [4, '30 06 0004 efbbbf61'],
    [4, '30 06 0004 f0908080'],
    [4, '3a 07 0003 612f62 0001'],
    [5, '30 07 0000 03 23 0001 61'],
    [5, '40 03 0001 10'],
    [5, 'e0 00'],
    [5, 'e0 01 04'],
    [5, '82 0e 0001 07 26 0001 61 0001 62 0001 61 00'],
  ];
  const topics = good.map(([version, bytes]) => {
    const memory = new MemoryConnection().connect(version);
    memory.receive(Buffer.from(bytes.replaceAll(' ', ''), 'hex'));
    assert.deepEqual(memory.faults, [], bytes);
    const packet = memory.packets[1]!;
    return packet.cmd === 'publish' ? packet.topic : packet.cmd;
  });
  assert.deepEqual(topics, ['\uFFFD', '\uFEFFa', '\u{10000}', 'a/b', '', 'puback', 'disconnect', 'disconnect', 'subscribe']);
});
