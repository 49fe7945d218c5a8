import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

function split(chunks: readonly Buffer[], maxBytes = 1000): { lines: string[]; tooLong: number[]; rest: string | undefined } {
  const tooLong: number[] = [];
  const splitter = new LineSplitter(maxBytes, (bytes) => void tooLong.push(bytes));
  const lines = chunks.flatMap((chunk) => [...splitter.push(chunk)].map((line) => line.toString('latin1')));
  return { lines, tooLong, rest: splitter.end()?.toString('latin1') };
}

test('wherever chunks end, the lines are the same', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.array(fc.nat(200)), (bytes, cuts) => {
      const text = Buffer.from(bytes.map((byte) => (byte % 5 === 0 ? 0x0a : byte)));
      const at = [0, ...cuts.map((cut) => Math.min(cut, text.length)), text.length].toSorted((a, b) => a - b);
      const whole = split([text]);
      assert.deepEqual(split(at.slice(1).map((end, index) => text.subarray(at[index], end))), whole);
      const expected = text.toString('latin1').split('\n');
      const rest = expected.pop()!.replace(/\r$/, '') || undefined;
      assert.deepEqual(whole, { lines: expected.map((line) => line.replace(/\r$/, '')).filter(Boolean), tooLong: [], rest });
    }),
  );
});

test('a line beyond the limit is left out and told with its length, and the next one is whole', () => {
  const long = Buffer.alloc(700, 'x');
  const { lines, tooLong } = split([Buffer.from('a\n'), long, long, Buffer.from('x\nb\n'), Buffer.alloc(1000, 'y'), Buffer.from('\n')]);
  assert.deepEqual(lines, ['a', 'b', 'y'.repeat(1000)]);
  assert.deepEqual(tooLong, [1401]);
});
