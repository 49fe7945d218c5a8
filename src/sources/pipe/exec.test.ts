import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import type { SourceContext, SourceEvent } from '../source.ts';
import { exec } from './exec.ts';

const FULL = new HydrantError('HYD_OUTBOX_FULL', 'full');

/**
 * A source of a command that prints its process id and `1` to `5`.
 * @param store throws when there is no room, and rejects when it does not come to the disk
 */
async function openExec(store: (event: SourceEvent) => Promise<void>) {
  const options = exec.options.parse({ topic: 'l', command: ['sh', '-c', 'echo $$; seq 1 5'], restart: 'never' });
  const publish = async (event: SourceEvent) => ({ id: event.id, stored: store(event), acked: new Promise<never>(() => {}) });
  const context = { publish, up: () => {}, log: () => {}, refused: () => {}, now: Date.now };
  return exec.open(options, context as unknown as SourceContext);
}

test('a command whose line could not be published goes on: the next run reads on where this one broke off', async () => {
  const texts: string[] = [];
  let isFull = false;
  const source = await openExec(({ payload }) => {
    if (isFull) throw FULL;
    texts.push(String(payload));
    isFull = texts.length === 3;
    return Promise.resolve();
  });
  const { signal } = new AbortController();
  await assert.rejects(source.run(signal), FULL);
  await assert.rejects(source.run(signal), FULL, 'the line that waits is tried first');
  isFull = false;
  await source.run(signal);
  assert.deepEqual(texts.slice(1), ['1', '2', '3', '4', '5']);
  assert.match(texts[0]!, /^\d+$/, 'the command was started once');
});

test('lines of a command that did not come to the disk are published again under their ids, and no other', async () => {
  const published: SourceEvent[] = [];
  const source = await openExec((event) => {
    published.push(event);
    const isLost = published.length <= 6 && ['2', '4'].includes(String(event.payload));
    return isLost ? Promise.reject(FULL) : Promise.resolve();
  });
  const { signal } = new AbortController();
  await assert.rejects(source.run(signal), FULL);
  await source.run(signal);
  assert.deepEqual(
    published.slice(1).map(({ payload }) => String(payload)),
    ['1', '2', '3', '4', '5', '2', '4'],
  );
  assert.deepEqual([published[6]!.id, published[7]!.id], [published[2]!.id, published[4]!.id]);
});
