import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { createEventCheck } from '../catalogue/event-check.ts';
import { logs } from '../logs/logs.ts';
import { subunit } from '../subunit/subunit.ts';

const SCHEMAS = [...subunit.schemas, ...logs.schemas];

function summaryOf(name: string, data: unknown, topic = ''): [string, string] {
  const { summary, severity } = SCHEMAS.find((schema) => schema.name === name)!.derive(data, topic);
  return [severity, summary];
}

test('the examples of builds and logs are valid, and what lacks everything is not', () => {
  const check = createEventCheck(SCHEMAS);
  assert.deepEqual(
    SCHEMAS.map(({ name }) => name),
    ['subunit.build', 'subunit.test', 'subunit.total', 'logs.retrieved', 'logs.line'],
  );
  for (const { name, examples } of SCHEMAS) {
    assert.ok(examples.length > 0);
    for (const example of examples) assert.equal(check(name, example, ''), undefined, name);
    assert.notEqual(check(name, name === 'logs.line' ? 7 : {}, ''), undefined, name);
  }
});

test('says what became of builds and tests, and how bad it is', () => {
  const [build, result, total] = subunit.schemas.map(({ examples }) => examples[0] as Record<string, unknown>);
  assert.deepEqual(summaryOf('subunit.build', build, 'a/b/7'), ['info', 'Test results were read: a/b/7']);
  assert.deepEqual(summaryOf('subunit.build', { status: 'failed' }, 'a/b/7'), ['warning', 'Test results could not be read: a/b/7']);
  assert.deepEqual(summaryOf('subunit.test', result), ['error', 'fail: warehouse.tests.test_shelves.ShelfTest.test_refuses_a_second_box']);
  assert.deepEqual(summaryOf('subunit.test', { ...result, status: 'xfail', test: 'a' }), ['info', 'xfail: a']);
  assert.deepEqual(summaryOf('subunit.total', total), ['error', '418 tests: 409 passed, 1 failed, 8 skipped']);
  assert.deepEqual(summaryOf('logs.retrieved', { status: 'failure', source_url: 'http://x/y' }), [
    'warning',
    'Log could not be read: http://x/y',
  ]);
  assert.deepEqual(summaryOf('logs.line', { level: 'ERROR', message: 'a\nb' }), ['error', 'a b']);
  assert.deepEqual(summaryOf('logs.line', 'Mar 4 text'), ['info', 'Mar 4 text']);
});

test('whatever an event has instead, its summary is one line', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.anything(),
        fc.record({ status: fc.anything(), test: fc.string({ minLength: 150 }), fail: fc.anything(), level: fc.anything() }),
      ),
      (data) => {
        for (const { derive } of SCHEMAS) {
          const { summary } = derive(data, 't');
          assert.ok(summary.length <= 200 && !/[\n\r\u2028]/.test(summary));
        }
      },
    ),
  );
});
