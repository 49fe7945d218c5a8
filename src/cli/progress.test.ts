import assert from 'node:assert/strict';
import { test } from 'node:test';
import { captureIo } from '../testing/capture-io.ts';
import { formatCount, Progress } from './progress.ts';

test('a bar shows part, rate and time left', () => {
  const io = captureIo({ terminal: 120 });
  let nowMs = 0;
  const progress = new Progress(io, 'replay', 'events', () => nowMs);
  nowMs = 10_000;
  progress.update(2500, 10_000);
  assert.match(io.stderr.text, /replay █{6}░{18} {2}25% {2}2 500\/10 000 {2}250 events\/s {2}ETA 30s$/);
  progress.clear();
  assert.ok(io.stderr.text.endsWith('\r\x1b[K'));
});

test('without a total there is no bar, and never a line longer than the terminal', () => {
  const io = captureIo({ terminal: 20 });
  let nowMs = 0;
  const progress = new Progress(io, 'find', 'events', () => nowMs);
  nowMs = 1000;
  progress.update(1_234_567);
  assert.equal(io.stderr.text, '\r\x1b[Kfind 1 234 567  1 2');
});

test('where the terminal does not know its width the line is whole', () => {
  const io = captureIo({ terminal: 0 });
  let nowMs = 0;
  const progress = new Progress(io, 'find', 'events', () => nowMs);
  nowMs = 1000;
  progress.update(1, 2);
  assert.match(io.stderr.text, /find █{12}░{12} {2}50% .* ETA 1s$/);
});

test('a pipe gets no bar', () => {
  const io = captureIo();
  new Progress(io, 'find', 'events').update(1, 2);
  assert.equal(io.stderr.text, '');
});

test('counts are grouped by thousands', () => assert.deepEqual([1, 1000, 1234567].map(formatCount), ['1', '1 000', '1 234 567']));
