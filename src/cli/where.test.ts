import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StoredEvent } from '../wire/event.ts';
import { compileWhere, WHERE_VARIABLES } from './where.ts';

const event: StoredEvent = {
  topic: 'plant/7/temp',
  payload: Buffer.from('{"n":3,"t":21.5,"unit":"C"}'),
  qos: 1,
  retain: true,
  seq: 42,
  ts: '2026-11-21T10:00:00.123456001Z',
  source: 'sensor',
  contentType: 'application/json',
  props: {
    user: [
      ['room', '4'],
      ['hydrant-replay', '0123456789abcdef-01234567-7'],
    ],
  },
};

test('every variable can be asked', async () => {
  const asked = [
    'topic.startsWith("plant/")',
    'levels[1] == "7"',
    'payload.contains("unit")',
    'json.t > 21',
    'qos == 1',
    'retain',
    'seq == 42',
    'ts.startsWith("2026-11-21T10")',
    'time > timestamp("2026-11-21T09:59:59Z")',
    'source == "sensor"',
    'contentType == "application/json"',
    'props.user.exists(pair, pair[0] == "room" && pair[1] == "4")',
    'replayed',
  ];
  for (const expression of asked) assert.equal((await compileWhere(expression)).matches(event), true, expression);
  for (const name of Object.keys(WHERE_VARIABLES))
    assert.ok(
      asked.some((expression) => new RegExp(`\\b${name}\\b`).test(expression)),
      name,
    );
});

test('an event that no replay has marked is not replayed, and one is asked after another', async () => {
  const where = await compileWhere('!replayed && json.n == 4');
  assert.equal(where.matches(event), false);
  assert.equal(where.matches({ ...event, props: undefined }), false);
  assert.equal(where.matches({ ...event, props: { user: [['room', '4']] }, payload: Buffer.from('{"n":4}') }), true);
});

test('numbers from JSON reckon with whole numbers', async () => {
  for (const expression of [
    'json.n + 1 == 4',
    '1 + json.n == 4',
    'json.n % 2 == 1',
    'json.n / 2 == 1.5',
    'json.n == 3',
    'json.n in [2, 3]',
  ]) {
    assert.equal((await compileWhere(expression)).matches(event), true, expression);
  }
});

test('an event that lacks what is asked for does not match, and is counted', async () => {
  const where = await compileWhere('json.pressure > 3');
  assert.equal(where.matches(event), false);
  assert.equal(where.matches({ ...event, payload: Buffer.from('{"pressure":4}') }), true);
  assert.equal(where.failed, 1);
  assert.match(where.firstFailure!, /pressure/);
});

test('a payload that is not JSON has json null', async () => {
  const where = await compileWhere('json == null');
  assert.equal(where.matches({ ...event, payload: Buffer.from('21.5 C') }), true);
  assert.equal(where.failed, 0);
});

test('a mistake in the expression is a usage error that shows the place', async () => {
  for (const [expression, message] of [
    ['topik == "a"', '--where: Unknown variable: topik\n    topik == "a"\n    ^'],
    ['qos == 1 &&', /Unexpected token.*\n {4}qos == 1 &&\n {15}\^/],
    ['topic == 1', /no such overload/],
    ['size(levels)', /it gives int, not true or false/],
  ] as const) {
    await assert.rejects(compileWhere(expression), { code: 'HYD_EXPRESSION', message }, expression);
  }
});
