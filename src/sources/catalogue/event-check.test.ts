import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { EventSchema } from '../schema.ts';
import { createEventCheck } from './event-check.ts';

const schema = (name: string, schema: Record<string, unknown>): EventSchema => ({
  name,
  topic: name,
  title: name,
  schema,
  examples: [],
  derive: () => ({ summary: '', people: [], severity: 'info' }),
});

const check = createEventCheck([
  schema('a.b', {
    type: 'object',
    required: ['type'],
    properties: {
      type: { const: 'b' },
      at: { type: 'string', format: 'date-time' },
      level: { enum: ['low', 'high'] },
      change: {
        type: 'object',
        properties: { number: { type: ['integer', 'string'] }, tags: { type: 'array', items: { type: 'string' } } },
      },
      project: { anyOf: [{ type: 'string' }, { type: 'object' }] },
    },
    patternProperties: { '^x-': { type: 'string' } },
  }),
  schema('a.broken', { type: 'object', properties: { a: { tpye: 'string' } } }),
]);

test('says in one line which field is not as expected, what it should be, and what it is', () => {
  const because = (data: unknown): string | undefined => check('a.b', data, '');
  assert.equal(
    because({ type: 'b', change: { number: 7, tags: ['x'] }, project: 'p', at: '2026-11-21T10:00:00Z', level: 'low' }),
    undefined,
  );
  assert.equal(because({}), 'it lacks "type"');
  assert.equal(because([]), 'it should be object and is an array of 0');
  assert.equal(because({ type: 'c' }), 'type should be "b" and is "c"');
  assert.equal(because({ type: 'b', change: { number: [1] } }), 'change.number should be integer or string and is an array of 1');
  assert.equal(because({ type: 'b', change: { tags: ['x', null] } }), 'change.tags.1 should be string and is null');
  assert.equal(because({ type: 'b', project: 4 }), 'project should be string or object and is 4');
  assert.equal(because({ type: 'b', level: 'mid' }), 'level should be one of "low", "high" and is "mid"');
  assert.equal(because({ type: 'b', at: 'noon' }), 'at should match format "date-time", and is "noon"');
  assert.equal(because({ type: 'b', 'x-a/b~c': 1 }), 'x-a/b~c should be string and is 1');
});

test('without data the payload is parsed; what has no schema matches', () => {
  assert.equal(check('a.b', undefined, '{"type":"b"}'), undefined);
  assert.equal(check('a.b', undefined, Buffer.from('{"type":1}')), 'type should be "b" and is 1');
  assert.equal(check('a.b', undefined, '{"type":'), 'it is no JSON');
  assert.equal(check('a.c', undefined, 'text'), undefined);
});

test('a schema with a word that is none is refused, when it is first used', () => {
  assert.throws(() => check('a.broken', {}, ''), /unknown keyword: "tpye"/);
});

test('hostile events are answered in a short line', () => {
  const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
  assert.equal(
    check('a.b', undefined, `{"type":"b","change":{"number":${deep}}}`),
    'change.number should be integer or string and is an array of 1',
  );
  assert.match(check('a.b', { type: 'x'.repeat(5_000_000) }, '')!, /^type should be "b" and is "x+…$/);
  assert.match(check('a.b', { type: 'b', change: { tags: Array(500_000).fill(1) } }, '')!, /^change\.tags\.0 should be string and is 1$/);
  assert.equal(check('a.b', undefined, '{"__proto__":{"type":"b"}}'), 'it lacks "type"');
  fc.assert(
    fc.property(
      fc.dictionary(
        fc.string({ unit: 'binary' }).map((key) => `x-${key}`),
        fc.anything(),
      ),
      (data) => {
        const why = check('a.b', { ...data, type: 'b' }, '');
        assert.ok(why === undefined || (why.length < 400 && !/[\n\r\u2028\0]/.test(why)));
      },
    ),
  );
});
