import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { HeldLines } from './held-lines.ts';

function held(): { lines: HeldLines; passed: string[] } {
  const passed: string[] = [];
  const lines = new HeldLines(async (line) => {
    await turn();
    passed.push(String(line).slice(0, 5));
  });
  return { lines, passed };
}

test('lines pass until they are held, and what was held comes before what follows', async () => {
  const { lines, passed } = held();
  await lines.take(Buffer.from('a'));
  lines.hold();
  await lines.take(Buffer.from('b'));
  await lines.take(Buffer.from('c'));
  assert.deepEqual(passed, ['a']);
  const released = lines.release();
  await lines.take(Buffer.from('d'));
  await released;
  await lines.take(Buffer.from('e'));
  await lines.release();
  assert.deepEqual(passed, ['a', 'b', 'c', 'd', 'e']);
});

test('beyond 16 MiB the stream waits until they are released', async () => {
  const { lines, passed } = held();
  lines.hold();
  await lines.take(Buffer.alloc(16 * 1024 ** 2, 'x'));
  let isTaken = false;
  const taken = lines.take(Buffer.from('y')).then(() => {
    isTaken = true;
  });
  await turn();
  assert.equal(isTaken, false);
  await lines.release();
  await taken;
  assert.deepEqual(passed, ['xxxxx', 'y']);
});
