import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeRecord, encodeRecord, moreOf, recordBound } from './record.ts';

const plain = { id: 'ID', channel: 'c', topic: 'a/ü', payload: Buffer.from([0, 255]), qos: 2 as const, retain: true };
const full = { ...plain, qos: 0 as const, retain: false, contentType: 'x', props: { expiry: 7 } };

function encode(event: typeof plain | typeof full): Buffer {
  const more = moreOf(event);
  const bytes = Buffer.alloc(recordBound(event, more) + 3);
  return bytes.subarray(3, encodeRecord(event, more, bytes, 3));
}

test('records are these bytes, for as long as format 1 is read', () => {
  assert.equal(encode(plain).toString('hex'), '06020400' + '4944' + '612fc3bc' + '00ff');
  const json = '{"contentType":"x","props":{"expiry":7}}';
  assert.equal(
    encode(full).toString('hex'),
    `08020400${Buffer.from([json.length, 0, 0, 0]).toString('hex')}4944612fc3bc${Buffer.from(json).toString('hex')}00ff`,
  );
});

test('what was encoded is what is decoded', () => {
  for (const event of [plain, full]) {
    const decoded = decodeRecord(encode(event), event.channel, 7, 8, 9);
    assert.deepEqual(decoded, { ...event, payload: Buffer.from([0, 255]), seq: 7, storedMs: 8, attempts: 9 });
  }
});
