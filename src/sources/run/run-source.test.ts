import assert from 'node:assert/strict';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { HydrantError } from '../../core/errors.ts';
import { until } from '../../testing/deadline.ts';
import { startSource, testSource } from '../../testing/source-harness.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { eventId } from '../event-id.ts';
import type { SourceContext, SourceKind, TestStep } from '../source.ts';
import { testSource as trySource } from './test-source.ts';

const schema = {
  name: 'counter.number',
  topic: '{base}/number',
  title: 'A number',
  schema: { type: 'object', properties: { n: { type: 'integer' } }, required: ['n'] },
  examples: [{ n: 1 }],
  derive: () => ({ summary: 'a number', people: [], severity: 'info' as const }),
};

/** An upstream in the hands of the test: each run is one call. */
function counter(run: (context: SourceContext, signal: AbortSignal, runs: number) => Promise<void>): SourceKind<{ base: string }> {
  let runs = 0;
  return {
    name: 'counter',
    summary: 'counts',
    options: z.strictObject({ base: z.string().default('c') }),
    schemas: [schema],
    examples: [],
    open: async (_, context) => ({
      run: (signal) => run(context, signal, ++runs),
      async *test() {
        yield { ok: true, what: 'connected' };
        throw new HydrantError('HYD_SOURCE', 'it hung up', { fix: 'Call again.' });
      },
    }),
  };
}

const ended = (signal: AbortSignal): Promise<void> => new Promise((resolve) => signal.addEventListener('abort', () => resolve()));

async function publishFrom(context: SourceContext, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n++) {
    await context.publish({
      topic: 'c/number',
      payload: JSON.stringify({ n }),
      schema: 'counter.number',
      data: { n },
      id: eventId(n, 'c', String(n)),
    });
    context.cursor.set('next', n + 1);
  }
}

test('a source that breaks off goes on from its cursor, and says what happened', async () => {
  const kind = counter(async (context, signal, runs) => {
    context.up();
    const next = context.cursor.get<number>('next') ?? 0;
    await publishFrom(context, next, next + 10);
    if (runs < 3) throw new HydrantError('HYD_SOURCE', `cut ${runs}`);
    await ended(signal);
  });
  await using harness = await startSource(kind, {});
  await harness.seen(30);
  assert.deepEqual(
    harness.events.map(({ payload }) => JSON.parse(payload.toString()).n),
    Array.from({ length: 30 }, (_, n) => n),
  );
  const { errors, lastError, published, up } = harness.source.status();
  assert.deepEqual({ errors, lastError, published, up }, { errors: 2, lastError: 'cut 2', published: 30, up: true });
});

test('the cursor is never ahead of what is on disk, and a restart goes on from it under the same ids', async () => {
  const kind = counter(async (context, signal) => {
    const next = context.cursor.get<number>('next') ?? 0;
    await publishFrom(context, next, next + 5);
    await ended(signal);
  });
  await using harness = await startSource(kind, {});
  harness.bus.hold();
  const cursor = join(harness.folder, 'source', 'cursor.json');
  await until(async () => JSON.parse(await readFile(cursor, 'utf8').catch(() => '{}')).next === 5, 'the cursor to be saved');
  harness.bus.release();
  await harness.stop();
  await harness.start();
  await harness.seen(10);
  assert.equal(new Set(harness.events.map(({ id }) => id)).size, 10);
});

test('a damaged cursor is said, not started over from', async () => {
  await using harness = await startSource(
    counter((_, signal) => ended(signal)),
    {},
  );
  await harness.stop();
  await writeFile(join(harness.folder, 'source', 'cursor.json'), '[1');
  await assert.rejects(harness.start(), { code: 'HYD_DATA_FORMAT', fix: /Put back the file/ });
});

test('a source may have any name, also one that a channel of a client has', async () => {
  const kind = counter((context) => publishFrom(context, 0, 1));
  await using harness = await startSource({ ...kind, name: 'state' }, {});
  await harness.running;
  await harness.seen(1);
});

test('two processes do not run one source', async () => {
  await using harness = await startSource(
    counter((_, signal) => ended(signal)),
    {},
  );
  await assert.rejects(harness.start(), { code: 'HYD_DATA_BUSY' });
});

test('what does not match its schema is published and counted, a gap is an event', async () => {
  const kind = counter(async (context) => {
    await context.publish({ topic: 'c/number', payload: '{"n":"x"}', schema: 'counter.number' });
    await context.gap({ base: 'c', reason: 'disconnected', until: '2026-11-21T10:00:00Z' });
    context.refused('half a line');
    context.refused('half a line');
  });
  await using harness = await startSource(kind, {}, createEventCheck([schema]));
  await harness.running;
  await harness.seen(2);
  assert.deepEqual(harness.bus.topics, ['c/number', 'c/$gap']);
  assert.deepEqual(JSON.parse(harness.events[1]!.payload.toString()), {
    source: 'counter',
    reason: 'disconnected',
    until: '2026-11-21T10:00:00Z',
  });
  const { mismatched, gaps, refused } = harness.source.status();
  assert.deepEqual({ mismatched, gaps, refused }, { mismatched: 1, gaps: 1, refused: { 'half a line': 2 } });
  assert.equal(harness.logged.filter(({ message }) => message === 'half a line').length, 1, 'the first is a line');
});

test('what can never be published is left out, counted and said to be missing, and the source goes on', async () => {
  const kind = counter(async (context) => {
    await context.publish({ topic: 'c/number', payload: '{"n":"x"}', schema: 'counter.number' });
    await context.publish({ topic: 'c/#', payload: '{}' });
    await context.publish({ topic: 'c/large', payload: Buffer.alloc(300 * 1024 * 1024) });
    await context.publish({ topic: 'c/number', payload: '{"n":1}', schema: 'counter.number' });
    context.cursor.set('done', true);
    await context.cursor.saved();
  });
  await using harness = await startSource(kind, {}, createEventCheck([schema]), { strict: true });
  await harness.running;
  await harness.seen(4);
  assert.deepEqual([...harness.bus.topics].sort(), ['c/large/$gap', 'c/number', 'c/number/$gap', 'counter/$gap']);
  const { refused, errors, published } = harness.source.status();
  assert.deepEqual(refused, { 'does not match its schema and is left out': 1, 'cannot be published': 2 });
  assert.deepEqual({ errors, published }, { errors: 0, published: 5 });
});

test('a mistake in the options ends it, and nothing else does', async () => {
  const kind = counter(async () => {
    throw new HydrantError('HYD_CONFIG', 'no such project');
  });
  await using harness = await startSource(kind, {});
  await assert.rejects(harness.running, { code: 'HYD_CONFIG' });
});

test('what has ended is not up, and what ended it is counted', async () => {
  const broken = counter(async (context) => {
    context.up();
    throw new HydrantError('HYD_USAGE', 'it cannot be run');
  });
  await using harness = await startSource(broken, {});
  await assert.rejects(harness.running);
  const { up, ended: hasEnded, errors, lastError } = harness.source.status();
  assert.deepEqual({ up, hasEnded, errors, lastError }, { up: false, hasEnded: false, errors: 1, lastError: 'it cannot be run' });
  await using other = await startSource(
    counter(async (context) => context.up()),
    {},
  );
  await other.running;
  assert.deepEqual([other.source.status().up, other.source.status().ended], [false, true]);
  await using stopped = await startSource(
    counter(async (_context, signal) => ended(signal)),
    {},
  );
  await stopped.source.close({ deadlineMs: 100 });
  await stopped.running;
  assert.equal(stopped.source.status().ended, false, 'stopped is not ended');
});

test('an upstream that connects and breaks off at once is tried again less and less often', async () => {
  const kind = counter(async (context, signal, runs) => {
    context.up();
    if (runs > 3) return ended(signal);
    throw new HydrantError('HYD_SOURCE', 'hung up');
  });
  await using harness = await startSource(kind, {}, undefined, { random: () => 0.02 });
  await until(() => harness.source.status().up && harness.source.status().errors === 3, 'the fourth run');
  const delays = harness.logged.filter(({ message }) => message === 'the source broke off').map(({ fields }) => fields.againInMs);
  assert.deepEqual(delays, [10, 20, 40]);
});

test('closing ends a run that waits for the bus', async () => {
  const begun = Promise.withResolvers<void>();
  const kind = counter(async (context) => {
    await publishFrom(context, 0, 1);
    begun.resolve();
    await context.flushed();
  });
  await using harness = await startSource(kind, {});
  harness.bus.hold();
  await begun.promise;
  const { remaining } = await harness.source.close({ deadlineMs: 100 });
  await harness.running;
  assert.equal(remaining, 1);
  harness.bus.release();
});

test('a cursor that could not be saved is saved later, also when nothing more happens', async () => {
  const kind = counter(async (context, signal) => {
    await rm(context.folder, { recursive: true });
    context.cursor.set('next', 7);
    await ended(signal);
  });
  await using harness = await startSource(kind, {});
  await until(() => harness.logged.some(({ message }) => message === 'the cursor could not be saved'), 'a failure');
  await mkdir(join(harness.folder, 'source'), { recursive: true });
  const cursor = join(harness.folder, 'source', 'cursor.json');
  await until(async () => JSON.parse(await readFile(cursor, 'utf8').catch(() => '{}')).next === 7, 'the cursor to be saved');
});

test('a trial says each step, and what threw as the last', async () => {
  const steps = await testSource(
    counter(async () => {}),
    {},
  );
  assert.deepEqual(steps, [
    { ok: true, what: 'connected' },
    { ok: false, what: 'the source counter', why: 'it hung up', fix: 'Call again.' },
  ]);
});

test('a trial that has no answer when its time is over has failed', async () => {
  const kind: SourceKind<object> = {
    ...counter(async () => {}),
    options: z.strictObject({}),
    open: async () => ({
      run: async () => {},
      async *test(signal) {
        yield { ok: true, what: 'connected' };
        await ended(signal);
        signal.throwIfAborted();
      },
    }),
  };
  const steps: TestStep[] = [];
  for await (const step of trySource({ kind, options: {}, name: 'c' }, AbortSignal.timeout(10))) steps.push(step);
  assert.equal(steps.length, 2);
  assert.match(JSON.stringify(steps[1]), /"ok":false,"what":"the source c","why":"there was no answer in time"/);
});
