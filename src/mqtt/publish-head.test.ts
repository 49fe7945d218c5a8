import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodePacket, encodePieces } from './encode.ts';
import type { PublishPacket, UserProperties, Version } from './packet.ts';
import { PublishHead } from './publish-head.ts';

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 60 }).filter((each) => each.isWellFormed()),
  fc.constantFrom('x'.repeat(300), 'ü'.repeat(200)),
);
const optional = { requiredKeys: [] as [] };
/** In the order in which they are written, so that the bytes are the same. */
const properties = fc.option(
  fc.record(
    {
      payloadFormatIndicator: fc.boolean(),
      messageExpiryInterval: fc.nat(0xffff_ffff),
      contentType: text,
      responseTopic: text,
      correlationData: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
    },
    optional,
  ),
  { nil: undefined },
);
const userProperties = fc.option(fc.array(fc.tuple(text, text), { maxLength: 4 }), { nil: undefined });
const packet = fc
  .record({
    topic: text.filter((topic) => topic !== ''),
    payload: fc.oneof(fc.nat(300), fc.constantFrom(16_300, 70_000, 2_097_200)).map((bytes) => Buffer.alloc(bytes, 7)),
    qos: fc.constantFrom(0, 1, 2),
    retain: fc.boolean(),
    isRepeat: fc.boolean(),
    messageId: fc.integer({ min: 1, max: 65_535 }),
    properties,
    userProperties,
  })
  .map(
    ({ isRepeat, ...rest }) =>
      ({ cmd: 'publish', ...rest, dup: isRepeat && rest.qos > 0, userProperties: rest.userProperties as UserProperties }) as PublishPacket,
  );

test('a PUBLISH written by hand has the bytes that mqtt-packet gives it', () => {
  fc.assert(
    fc.property(packet, fc.constantFrom<Version>(3, 4, 5), (each, version) => {
      const theirs = Buffer.concat(encodePieces(each, version).map((piece) => Buffer.from(piece as string)));
      const head = new PublishHead();
      assert.equal(head.measure(each, version), true);
      assert.deepEqual(encodePacket(each, version), theirs);
    }),
    { numRuns: 300 },
  );
});

test('what does not fit its field, and properties that are not written by hand, are left to mqtt-packet', () => {
  const plain: PublishPacket = { cmd: 'publish', topic: 'a', payload: Buffer.from('x'), qos: 1, messageId: 1, retain: false, dup: false };
  const long = 'x'.repeat(65_536);
  for (const more of [
    { topic: long },
    { topic: '' },
    { messageId: undefined },
    { payload: 'text' },
    { properties: { contentType: long } },
    { properties: { messageExpiryInterval: 2 ** 32 } },
    { properties: { messageExpiryInterval: 1.5 } },
    { properties: { correlationData: Buffer.alloc(65_536) } },
    { properties: { topicAlias: 1 } },
    { properties: { subscriptionIdentifier: 1 } },
    { userProperties: [['name', long]] as UserProperties },
  ] as Partial<PublishPacket>[])
    assert.equal(new PublishHead().measure({ ...plain, ...more }, 5), false, JSON.stringify(more).slice(0, 60));
  assert.throws(() => encodePacket({ ...plain, topic: long }, 5), { code: 'HYD_USAGE' });
});
