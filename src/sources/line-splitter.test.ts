import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.ts';

interface Given {
  lines: string[];
  /** Where each begins, and where the next would. */
  offsets: number[];
  cut: number;
  rest: string | undefined;
}

function split(splitter: LineSplitter, chunks: readonly Buffer[]): Given {
  const lines: string[] = [];
  const offsets = [0];
  for (const chunk of chunks)
    for (const line of splitter.push(chunk)) {
      lines.push(line.toString('latin1'));
      offsets.push(splitter.offset);
    }
  const rest = splitter.end()?.toString('latin1');
  return { lines, offsets, cut: splitter.cut, rest };
}

function cutAt(all: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [0, ...cuts.map((cut) => Math.min(cut, all.length)), all.length].toSorted((a, b) => a - b);
  return at.slice(1).map((end, index) => all.subarray(at[index], end));
}

test('wherever chunks end, the lines are the same, and nothing but their ends is missing', () => {
  const text = fc
    .array(fc.constantFrom('a', 'b', '\n', '\r\n', '\r', '\xff', 'long'.repeat(5)), { maxLength: 60 })
    .map((parts) => Buffer.from(parts.join(''), 'latin1'));
  fc.assert(
    fc.property(text, fc.array(fc.nat(300)), (all, cuts) => {
      const whole = split(new LineSplitter(2000), [all]);
      assert.deepEqual(split(new LineSplitter(2000), cutAt(all, cuts)), whole);
      const expected = all.toString('latin1').split('\n');
      const rest = expected.pop()!;
      assert.deepEqual(
        whole.lines,
        expected.map((line) => line.replace(/\r$/, '')),
      );
      assert.equal(whole.rest, rest === '' ? undefined : rest.replace(/\r$/, ''));
      assert.deepEqual(
        whole.offsets.slice(1),
        [...all.keys()].filter((i) => all[i] === 0x0a).map((i) => i + 1),
      );
    }),
  );
});

test('a line beyond the limit comes in parts, each where it stands, the same wherever chunks end', () => {
  const text = fc
    .array(fc.constantFrom('a', '\n', '\r\n', '\r', 'long'.repeat(5)), { maxLength: 60 })
    .map((parts) => Buffer.from(parts.join('')));
  fc.assert(
    fc.property(text, fc.array(fc.nat(300)), fc.integer({ min: 16, max: 40 }), (all, cuts, maxBytes) => {
      const whole = split(new LineSplitter(maxBytes), [all]);
      assert.deepEqual(split(new LineSplitter(maxBytes), cutAt(all, cuts)), whole);
      const { lines, offsets, rest } = whole;
      const spans = [...offsets, ...(rest === undefined ? [] : [all.length])];
      assert.equal(spans.at(-1), all.length, 'no byte is lost');
      for (const [i, line] of [...lines, ...(rest === undefined ? [] : [rest])].entries()) {
        assert.ok(line.length <= maxBytes);
        assert.match(all.toString('latin1', spans[i], spans[i + 1]).slice(line.length), /^(\r?\n|\r)?$/);
        assert.equal(all.toString('latin1', spans[i], spans[i]! + line.length), line);
      }
    }),
  );
  const long = split(new LineSplitter(16), [Buffer.from(`${'x'.repeat(40)}\nshort\n`)]);
  assert.deepEqual(
    long.lines.map((line) => line.length),
    [16, 16, 8, 5],
  );
  assert.equal(long.cut, 2, 'each part is counted but the last');
});

test('a line beyond the limit is left out for who asks so, and told with its length, and the next one is whole', () => {
  const leftOut: number[] = [];
  const splitter = new LineSplitter(1000, (bytes) => void leftOut.push(bytes));
  const long = Buffer.alloc(700, 'x');
  const chunks = [Buffer.from('a\n'), long, long, Buffer.from('x\nb\n'), Buffer.alloc(1000, 'y'), Buffer.from('\n'), long, long];
  const { lines, rest } = split(splitter, chunks);
  assert.deepEqual(lines, ['a', 'b', 'y'.repeat(1000)]);
  assert.equal(rest, undefined);
  assert.deepEqual(leftOut, [1401, 1400]);
});

test('a line that came in one chunk is no copy of it', () => {
  const chunk = Buffer.alloc(14, 'first\r\nsecond\n');
  for (const line of new LineSplitter(100).push(chunk)) assert.equal(line.buffer, chunk.buffer);
  assert.equal([...new LineSplitter(100).push(chunk)].length, 2);
});
