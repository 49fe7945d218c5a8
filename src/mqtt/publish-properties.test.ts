import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parser } from 'mqtt-packet';
import { type Dialect, decodePacket } from './decode.ts';
import { encodePacket } from './encode.ts';
import { PacketFault } from './fault.ts';
import { type PublishPacket, TYPE, type UserProperties } from './packet.ts';
import { walkProperties } from './properties.ts';
import { readPublishProperties } from './publish-properties.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((each) => !each.includes('\0') && each.isWellFormed());
const properties = fc.record(
  {
    payloadFormatIndicator: fc.boolean(),
    messageExpiryInterval: fc.nat(0xffff_ffff),
    contentType: text,
    responseTopic: text.filter((topic) => !/[+#]/.test(topic)),
    correlationData: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  },
  { requiredKeys: [] },
);
const user = fc.array(fc.tuple(text, text), { maxLength: 5 }) as fc.Arbitrary<UserProperties>;

function encode(packet: Partial<PublishPacket>): Buffer {
  const whole = {
    cmd: 'publish',
    topic: 'a/b',
    payload: Buffer.from('payload'),
    qos: 1,
    messageId: 7,
    retain: false,
    dup: false,
    ...packet,
  };
  return encodePacket(whole as PublishPacket, 5);
}

/** Where the properties of such a packet begin. */
function propertiesAt(frame: Buffer): number {
  let at = 1;
  while (frame[at++]! >= 0x80);
  return at + 2 + frame.readUInt16BE(at) + 2;
}

function decode(frame: Buffer, end: Dialect['end'] = 'server'): PublishPacket {
  let at = 1;
  while (frame[at++]! >= 0x80);
  return decodePacket(frame, at, { version: 5, bridge: false, end }) as PublishPacket;
}

/** What the general walk and mqtt-packet make of the same bytes. */
function parse(frame: Buffer): { properties: object; userProperties: UserProperties | undefined; payload: Buffer } {
  const { user: userProperties } = walkProperties(frame, propertiesAt(frame), TYPE.publish);
  let found: PublishPacket | undefined;
  const own = parser({ protocolVersion: 5 }).on('packet', (packet) => {
    found = packet as PublishPacket;
  });
  own.parse(frame);
  const { userProperties: _, ...rest } = (found!.properties ?? {}) as { userProperties?: unknown };
  return { properties: { ...rest }, userProperties, payload: found!.payload as Buffer };
}

const read = (frame: Buffer) => {
  const { properties: found, userProperties, payload } = decode(frame);
  return { properties: { ...found }, userProperties, payload };
};

test('a PUBLISH with properties decodes to what mqtt-packet makes of it, its user properties in their order', () => {
  fc.assert(
    fc.property(properties, user, (some, userProperties) => {
      const frame = encode({ properties: some, userProperties });
      assert.deepEqual(read(frame), parse(frame));
      if (frame[propertiesAt(frame)] !== 0) assert.ok(readPublishProperties(frame, propertiesAt(frame)), 'it is read in one go');
    }),
  );
});

test('properties with a byte changed are never taken for something else than the general walk takes them for', () => {
  fc.assert(
    fc.property(properties, user, fc.nat(), fc.nat(255), (some, userProperties, where, byte) => {
      const frame = encode({ properties: some, userProperties });
      const at = propertiesAt(frame);
      frame[at + (where % (frame.length - at))] = byte;
      if (!readPublishProperties(frame, at)) return;
      assert.deepEqual(read(frame), parse(frame));
    }),
    { numRuns: 3000 },
  );
});

const wrong: [title: string, bytes: number[], reason: string][] = [
  ['a property given twice', [3, 0, 1, 0x61, 3, 0, 1, 0x61], 'duplicate-property'],
  ['a payload format given twice', [1, 1, 1, 1], 'duplicate-property'],
  ['an expiry given twice', [2, 0, 0, 0, 9, 2, 0, 0, 0, 9], 'duplicate-property'],
  ['a response topic given twice', [8, 0, 1, 0x61, 8, 0, 1, 0x61], 'duplicate-property'],
  ['correlation data given twice', [9, 0, 1, 0x61, 9, 0, 1, 0x61], 'duplicate-property'],
  ['an expiry that is cut off', [2, 0, 0], 'truncated'],
  ['a payload format of 2', [1, 2], 'property-value'],
  ['text that is not UTF-8', [38, 0, 1, 0xff, 0, 1, 0x61], 'bad-utf8'],
  ['a NUL character in a value', [38, 0, 1, 0x61, 0, 1, 0], 'nul-character'],
  ['a response topic with a wildcard', [8, 0, 1, 0x23], 'property-value'],
  ['a property that runs past the others', [3, 0, 9, 0x61], 'truncated'],
  ['a property of another packet', [17, 0, 0, 0, 1], 'property-not-allowed'],
  ['a subscription identifier on its way to a server', [11, 1], 'property-not-allowed'],
];
for (const [title, bytes, reason] of wrong) {
  test(`${title} is refused with its reason`, () => {
    const frame = Buffer.from([0x32, 6 + bytes.length + 1, 0, 1, 0x61, 0, 7, bytes.length, ...bytes, 0x78]);
    assert.throws(
      () => decode(frame),
      (error) => error instanceof PacketFault && error.reason === reason,
    );
  });
}

test('a length of three bytes, and one longer than it need be, are read too', () => {
  const long = encode({ properties: { contentType: 'x'.repeat(20_000) } });
  assert.equal(decode(long).properties!.contentType!.length, 20_000);
  const overlong = decode(Buffer.from([0x32, 13, 0, 1, 0x61, 0, 7, 0x84, 0x00, 3, 0, 1, 0x78, 0x79, 0x79]));
  assert.deepEqual([overlong.properties!.contentType, overlong.payload.toString(), overlong.wire], ['x', 'yy', undefined]);
});

test('bytes go on to other receivers as they came, but not with an expiry, which is counted down', () => {
  const bytes = encode({ userProperties: [['hydrant-id', 'X1']], properties: { contentType: 'x/y' } });
  assert.deepEqual(decode(bytes).wire, { bytes, idOffset: 7 });
  assert.equal(decode(encode({ properties: { messageExpiryInterval: 5 } })).wire, undefined);
  assert.equal(decode(encode({ userProperties: [['a', 'b']] }), 'client').wire, undefined);
});
