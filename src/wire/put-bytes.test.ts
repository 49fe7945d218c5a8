import assert from 'node:assert/strict';
import { test } from 'node:test';
import { putBase64, putNumber, putText } from './put-bytes.ts';

const FROM = 3;

/** What was written, from an offset on, into a buffer that had something else in it; nothing else may have changed. */
function written(put: (out: Buffer) => number): string {
  const out = Buffer.alloc(2000, 0xee);
  const end = put(out);
  assert.deepEqual([...new Set([...out.subarray(0, FROM), ...out.subarray(end)])], [0xee]);
  return out.toString('utf8', FROM, end);
}

test('whole numbers are written as digits, at each edge between lengths and up to the largest', () => {
  const edges = Array.from({ length: 16 }, (_, digits) => [10 ** digits - 1, 10 ** digits, 10 ** digits + 1]).flat();
  for (const value of [...edges, 2 ** 31 - 1, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
    assert.equal(
      written((out) => putNumber(out, FROM, value)),
      String(value),
    );
  }
});

test('text is written as UTF-8, whatever its length and wherever it stops being ASCII', () => {
  const lengths = Array.from({ length: 70 }, (_, length) => 'a'.repeat(length));
  for (const text of [...lengths, '\u007f', '\u0080', 'é', 'aé', 'aaa€', '😀', ...lengths.map((plain) => `${plain}ÿ`)]) {
    assert.equal(
      written((out) => putText(out, FROM, text)),
      text,
    );
  }
});

test('bytes are written as base64, of every length and from any place in memory', () => {
  const bytes = Uint8Array.from({ length: 500 }, (_, i) => (i * 167 + (i >> 3)) & 255);
  for (let length = 0; length < 400; length++) {
    const part = bytes.subarray(length % 7, (length % 7) + length);
    assert.equal(
      written((out) => putBase64(out, FROM, part)),
      Buffer.from(part).toString('base64'),
    );
  }
});
