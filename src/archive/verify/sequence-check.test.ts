import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { holdsAll, holdsSeq, SeqSet } from '../seq-set.ts';
import { findFaults, mergeRuns, type SequenceRun } from './sequence-check.ts';

const run = (first: number, last: number, more: Partial<SequenceRun> = {}): SequenceRun => ({
  name: `${first}-${last}`,
  kind: 'object',
  journal: 'j',
  epoch: 'a',
  first,
  last,
  dayMs: 0,
  ...more,
});

const faults = (...runs: SequenceRun[]) =>
  findFaults(runs).map(({ kind, first, last, name, other }) => `${kind} ${first}-${last} ${name} ${other}`);

test('runs that follow each other are whole, in whatever order they come', () => {
  assert.deepEqual(faults(run(11, 20), run(1, 10), run(21, 21)), []);
  assert.deepEqual(faults(run(5, 10)), [], 'what is missing in front went by retention');
});

test('a hole is a gap, an overlap of objects a duplicate, a segment beside its object neither', () => {
  assert.deepEqual(faults(run(1, 10), run(13, 20)), ['gap 11-12 13-20 1-10']);
  assert.deepEqual(faults(run(1, 10), run(8, 20)), ['duplicate 8-10 8-20 1-10']);
  assert.deepEqual(faults(run(1, 30), run(5, 6), run(31, 40)), ['duplicate 5-6 5-6 1-30']);
  assert.deepEqual(faults(run(1, 10), run(1, 10, { kind: 'segment' }), run(11, 20, { kind: 'segment' })), []);
});

test('an epoch may begin far above the one before, but never inside it', () => {
  assert.deepEqual(faults(run(1, 10), run(1_000_001, 1_000_005, { epoch: 'b' })), []);
  assert.deepEqual(faults(run(1, 10), run(10, 12, { epoch: 'b' })), ['fork 10-10 10-12 1-10']);
  assert.deepEqual(faults(run(1, 10), run(1, 10, { journal: 'other', epoch: 'b' })), [], 'journals have nothing to do with each other');
});

test('a set of ranges holds what was added, and nothing else', () => {
  const range = fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 8 })).map(([first, length]) => ({ first, last: first + length }));
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), range, (added, asked) => {
      const set = new SeqSet();
      const expected = new Set<number>();
      for (const one of added) {
        set.add('j', 'e', one);
        for (let seq = one.first; seq <= one.last; seq++) expected.add(seq);
      }
      const found = set.overlap('j', 'e', asked);
      for (let seq = 0; seq < 60; seq++) {
        assert.equal(holdsSeq(found, seq), seq >= asked.first && seq <= asked.last && expected.has(seq), `${seq}`);
      }
      const all = Array.from({ length: asked.last - asked.first + 1 }, (_, i) => asked.first + i).every((seq) => expected.has(seq));
      assert.equal(holdsAll(found, asked), all);
      assert.deepEqual(set.overlap('j', 'other', asked), []);
    }),
  );
});

test('runs that follow each other are remembered as one, and the same is found wrong', () => {
  const long = Array.from({ length: 1000 }, (_, i) => run(1 + i * 10, 10 + i * 10, { epoch: 'e1', name: `o${i}` })).filter(
    (_, i) => i !== 500,
  );
  const other = [run(20_001, 20_010, { epoch: 'e2', name: 'p1' }), run(20_021, 20_030, { epoch: 'e2', name: 'p2' })];
  const shuffled = [...other, ...long.toReversed()];
  const merged = mergeRuns(shuffled);
  assert.deepEqual(
    merged.map(({ epoch, first, last, name }) => [epoch, first, last, name]),
    [
      ['e2', 20_001, 20_010, 'p1'],
      ['e2', 20_021, 20_030, 'p2'],
      ['e1', 1, 5000, 'o499'],
      ['e1', 5011, 10_000, 'o999'],
    ],
  );
  const short = (runs: SequenceRun[]) => findFaults(runs).map(({ kind, first, last, other }) => [kind, first, last, other]);
  assert.deepEqual(short(merged), short(shuffled));
  assert.equal(long[0]!.last, 10, 'what was given is as it was');
});

test('the end of an epoch that the next one knows of is missing, unless nothing older is left', () => {
  const end = { journal: 'j', epoch: 'e1', last: 30, name: 'next', dayMs: 0 };
  const ends = (runs: SequenceRun[]) => findFaults(runs, [end]).map(({ kind, first, last }) => [kind, first, last]);
  const next = run(31, 40, { epoch: 'e2', name: 'next' });
  assert.deepEqual(ends([run(1, 30, { epoch: 'e1', name: 'a' }), next]), []);
  assert.deepEqual(ends([run(1, 20, { epoch: 'e1', name: 'a' }), next]), [['end', 21, 30]]);
  assert.deepEqual(ends([run(1, 10, { epoch: 'e0', name: 'a' }), next]), [['end', 11, 30]]);
  assert.deepEqual(ends([next]), []);
  assert.deepEqual(ends([run(1, 35, { epoch: 'e1', name: 'more than was known' }), run(36, 40, { epoch: 'e2', name: 'next' })]), []);
});
