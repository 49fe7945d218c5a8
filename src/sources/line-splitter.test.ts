import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

test('lines are the same wherever they are cut, no byte is lost, and none is longer than the bound', () => {
  const piece = fc
    .array(fc.constantFrom('a', 'b', '\n', '\r\n', '\r', 'long'.repeat(5)), { maxLength: 12 })
    .map((parts) => Buffer.from(parts.join('')));
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), fc.integer({ min: 16, max: 40 }), (pieces, maxBytes) => {
      const read = (parts: Buffer[]) => {
        const splitter = new LineSplitter(maxBytes);
        const lines = parts.flatMap((part) => splitter.push(part));
        const last = splitter.end();
        return { lines: last ? [...lines, last] : lines, cut: splitter.cut };
      };
      const all = Buffer.concat(pieces);
      const { lines, cut } = read(pieces);
      assert.deepEqual(read([all]), { lines, cut });
      assert.equal(
        lines.reduce((sum, { size }) => sum + size, 0),
        all.length,
      );
      assert.ok(lines.every(({ bytes }) => bytes.length <= maxBytes));
      if (cut > 0) return;
      const expected = all.toString().split('\n');
      if (expected.at(-1) === '') expected.pop();
      assert.deepEqual(
        lines.map(({ bytes }) => bytes.toString()),
        expected.map((line, i) => (i < expected.length - 1 || all.at(-1) === 0x0a ? line.replace(/\r$/, '') : line)),
      );
    }),
  );
});

test('a long line comes in parts, and each is counted but the last', () => {
  const splitter = new LineSplitter(16);
  assert.deepEqual(
    splitter.push(Buffer.from(`${'x'.repeat(40)}\nshort\n`)).map(({ bytes }) => bytes.length),
    [16, 16, 8, 5],
  );
  assert.equal(splitter.cut, 2);
});
