import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { PublishRequest } from '../../client/options.ts';
import { HydrantError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import { until } from '../../testing/deadline.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { Intake } from '../gerrit/intake.ts';
import { Position } from '../gerrit/position.ts';
import { Context } from './context.ts';
import { openCursorFile } from './cursor-file.ts';
import { Publishing } from './publishing.ts';
import { runSource } from './run-source.ts';
import { SourceCounts } from './source-status.ts';

const FULL = new HydrantError('HYD_OUTBOX_FULL', 'full');

/** What a source is given, on an outbox that answers when the test says so. */
async function openRig(t: TestContext) {
  const folder = await createTempFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const puts: { text: string; answer: PromiseWithResolvers<void> }[] = [];
  const publish = ({ payload }: PublishRequest) => {
    const answer = Promise.withResolvers<void>();
    puts.push({ text: String(payload), answer });
    return { id: '', stored: answer.promise, acked: new Promise<never>(() => {}) };
  };
  const publishing = new Publishing({ publish }, 'events', { isOrdered: true });
  const cursor = await openCursorFile(join(folder.path, 'cursor.json'), () => publishing.stored());
  const counts = new SourceCounts();
  const context = new Context({
    name: 'test',
    folder: folder.path,
    client: { flush: async () => ({ remaining: 0 }) },
    publishing,
    cursor,
    counts,
    check: () => undefined,
    strict: false,
    tellsSender: false,
    unsent: undefined,
    log: silentLog,
    now: Date.now,
    random: () => 0,
  });
  return { puts, publishing, cursor, counts, context };
}

test('what could not be stored is published again by the next run, also when what came after it was stored', async (t) => {
  const { puts, ...rig } = await openRig(t);
  const { cursor, context } = rig;
  const ending = new AbortController();
  const source = {
    async run(signal: AbortSignal): Promise<void> {
      for (let n = cursor.get<number>('next') ?? 0; n < 4; n++) {
        await context.publish({ topic: 't', payload: `${n}` });
        cursor.set('next', n + 1);
        if (n === 0) await cursor.saved();
      }
      await context.stored();
      ending.abort();
      signal.throwIfAborted();
    },
    async *test() {},
  };
  const running = runSource(source, rig, ending.signal);
  await until(() => puts.length === 1, 'the first');
  puts[0]!.answer.resolve();
  await until(() => puts.length === 4, 'the others');
  puts[1]!.answer.reject(FULL);
  puts[2]!.answer.resolve();
  puts[3]!.answer.resolve();
  await until(() => puts.length === 7, 'the second run');
  for (const { answer } of puts) answer.resolve();
  await running;
  assert.deepEqual(
    puts.map(({ text }) => text),
    ['0', '1', '2', '3', '1', '2', '3'],
  );
  assert.equal(cursor.get('next'), 4);
});

test('who waits for the disk is told of a failure, also when a new run has begun meanwhile', async (t) => {
  const { puts, publishing, context } = await openRig(t);
  for (const payload of ['0', '1']) await context.publish({ topic: 't', payload });
  const stored = context.stored();
  puts[0]!.answer.reject(FULL);
  await until(() => publishing.forgetFailure(), 'the failure');
  puts[1]!.answer.resolve();
  await assert.rejects(stored, { code: 'HYD_OUTBOX' });
  await context.publish({ topic: 't', payload: '2' });
  puts[2]!.answer.resolve();
  await context.stored();
});

test('a position of Gerrit stays before an event that could not be stored, and the events log may give it again', async (t) => {
  const { puts, cursor, context } = await openRig(t);
  const position = new Position(cursor);
  const intake = new Intake({ base: 'gerrit', type: [], refUpdatedMeta: true, eventsLog: {} }, context, position);
  const failed = new Promise((resolve) => (intake.onFailure = resolve));
  const line = (number: number) =>
    Buffer.from(JSON.stringify({ type: 'comment-added', change: { number }, eventCreatedOn: 1_795_300_000 }));
  for (const number of [1, 2]) await intake.take(line(number), 'stream');
  intake.commit();
  puts[0]!.answer.reject(FULL);
  puts[1]!.answer.resolve();
  assert.equal(await failed, FULL);
  assert.equal(position.completeS, undefined);
  assert.deepEqual(position.recent.toJSON(), []);
});
