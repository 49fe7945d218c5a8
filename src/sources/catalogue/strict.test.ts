import assert from 'node:assert/strict';
import { test } from 'node:test';
import { z } from 'zod';
import { within } from '../../testing/deadline.ts';
import { startSource } from '../../testing/source-harness.ts';
import type { SourceKind } from '../source.ts';
import { createEventCheck } from './event-check.ts';
import { GAP_SCHEMA } from './gap-schema.ts';

const SCHEMA = {
  ...GAP_SCHEMA,
  name: 'numbers.number',
  topic: '{base}/number',
  schema: { type: 'object', required: ['n'], properties: { n: { type: 'integer' } } },
};
const options = z.strictObject({ payloads: z.array(z.string()) });
const numbers: SourceKind<z.infer<typeof options>> = {
  name: 'numbers',
  summary: 'numbers',
  options,
  schemas: [SCHEMA],
  examples: [],
  async open({ payloads }, context) {
    return {
      async run() {
        context.up();
        for (const payload of payloads) await context.publish({ topic: 'numbers/number', payload, schema: SCHEMA.name });
        await context.flushed();
      },
      async *test() {},
    };
  },
};

const PAYLOADS = ['{"n":1}', '{"n":"two"}', 'three', '{"n":4}'];
const check = createEventCheck([SCHEMA, GAP_SCHEMA]);

test('an event that does not match its schema is published all the same, counted, and the log says why', async () => {
  await using harness = await startSource(numbers, { payloads: PAYLOADS }, check);
  await harness.running;
  assert.deepEqual(
    harness.events.map(({ payload }) => Buffer.from(payload).toString()),
    PAYLOADS,
  );
  assert.equal(harness.source.status().mismatched, 2);
  const told = harness.logged.find(({ message }) => message === 'does not match its schema');
  assert.equal(told?.fields.why, 'n should be integer and is "two"');
});

test('strict leaves out what does not match, counts it, and a gap that matches its own schema says what is missing', async () => {
  await using harness = await startSource(numbers, { payloads: PAYLOADS }, check, { strict: true });
  await harness.running;
  await within(harness.seen(4), 30_000, 'two numbers and two gaps');
  const texts = harness.events.map(({ topic, payload }) => [topic, JSON.parse(Buffer.from(payload).toString())]);
  assert.deepEqual(
    texts.filter(([topic]) => topic === 'numbers/number'),
    [
      ['numbers/number', { n: 1 }],
      ['numbers/number', { n: 4 }],
    ],
  );
  const gaps = texts.filter(([topic]) => topic === 'numbers/number/$gap').map(([, gap]) => gap);
  assert.deepEqual(
    gaps.map(({ reason, detail }) => [reason, detail]),
    [
      ['refused', 'numbers/number: n should be integer and is "two"'],
      ['refused', 'numbers/number: it is no JSON'],
    ],
  );
  for (const gap of gaps) assert.equal(check('source.gap', gap, ''), undefined);
  assert.equal(harness.source.status().mismatched, 2);
});

test('a gap is published also when strict and it does not match', async () => {
  const broken: SourceKind<z.infer<typeof options>> = {
    ...numbers,
    async open(_, context) {
      return {
        run: () => context.gap({ base: 'numbers', reason: 'disconnected', until: 'noon' }),
        async *test() {},
      };
    },
  };
  await using harness = await startSource(broken, { payloads: [] }, check, { strict: true });
  await within(harness.seen(1), 30_000, 'the gap');
  assert.deepEqual([harness.events[0]?.topic, harness.source.status().mismatched], ['numbers/$gap', 1]);
});
