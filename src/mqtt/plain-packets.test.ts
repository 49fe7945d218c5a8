import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { generate, parser } from 'mqtt-packet';
import { type Dialect, decodePacket } from './decode.ts';
import type { PublishPacket, Version } from './packet.ts';

const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }).filter((topic) => !topic.includes('\0') && topic.isWellFormed());
const version = fc.constantFrom<Version>(3, 4, 5);

function headerEnd(frame: Buffer): number {
  let at = 1;
  while (frame[at++]! >= 0x80);
  return at;
}

/** What mqtt-packet makes of the same bytes. */
function parsePlainly(frame: Buffer, protocolVersion: Version): object {
  let found: object | undefined;
  const own = parser({ protocolVersion });
  own.on('packet', (packet) => {
    found = packet;
  });
  own.parse(frame);
  return found!;
}

function decode(frame: Buffer, protocolVersion: Version): PublishPacket {
  const dialect: Dialect = { version: protocolVersion, bridge: false, end: 'server' };
  return decodePacket(frame, headerEnd(frame), dialect) as PublishPacket;
}

test('a PUBLISH without properties decodes to what mqtt-packet makes of it', () => {
  const sizes = fc.oneof(fc.nat(200), fc.constantFrom(16_370, 16_384, 70_000));
  fc.assert(
    fc.property(
      version,
      text,
      sizes,
      fc.constantFrom(0, 1, 2),
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 1, max: 65_535 }),
      (v, topic, bytes, qos, retain, wasSent, messageId) => {
        const dup = wasSent && qos > 0;
        const frame = generate(
          { cmd: 'publish', topic, payload: Buffer.alloc(bytes, 7), qos: qos as 0 | 1 | 2, retain, dup, messageId },
          { protocolVersion: v },
        );
        const mine = decode(frame, v);
        const theirs = parsePlainly(frame, v) as Record<string, unknown>;
        for (const key of ['cmd', 'topic', 'qos', 'retain', 'dup'] as const) assert.deepEqual(mine[key], theirs[key], key);
        assert.equal(mine.messageId, theirs.messageId);
        assert.deepEqual(Buffer.from(mine.payload), theirs.payload);
        assert.equal(mine.wire !== undefined, !retain && !dup);
        if (mine.wire && qos > 0) assert.equal(mine.wire.bytes.readUInt16BE(mine.wire.idOffset), messageId);
      },
    ),
  );
});

test('a remaining length that is longer than it need be is not handed on to others', () => {
  const frame = Buffer.from([0x30, 0x84, 0x00, 0x00, 0x01, 0x61, 0x78]);
  const packet = decode(frame, 4);
  assert.equal(packet.topic, 'a');
  assert.equal(packet.wire, undefined);
});

test('a plain acknowledgement decodes to what mqtt-packet makes of it', () => {
  fc.assert(
    fc.property(
      version,
      fc.constantFrom('puback', 'pubrec', 'pubrel', 'pubcomp'),
      fc.integer({ min: 1, max: 65_535 }),
      (v, cmd, messageId) => {
        const frame = generate({ cmd, messageId }, { protocolVersion: 4 });
        const mine = decode(frame, v) as object as Record<string, unknown>;
        const theirs = parsePlainly(frame, v) as Record<string, unknown>;
        for (const key of ['cmd', 'messageId', 'reasonCode']) assert.deepEqual(mine[key], theirs[key], key);
      },
    ),
  );
});
