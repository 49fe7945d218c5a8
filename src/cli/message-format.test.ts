import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileFormat } from './message-format.ts';

const input = {
  event: {
    topic: 'a/b',
    payload: Buffer.from('{"x":1}'),
    qos: 1 as const,
    retain: true,
    seq: 0,
    ts: '2026-11-21T10:00:00.500Z',
    contentType: 'application/json',
    props: { user: [['k', 'v']] as [string, string][] },
  },
  messageId: 7,
  subscriptionIds: [3],
};
const format = (text: string): string => compileFormat(text)(input).toString();

test("mosquitto's letters stand for what they stand for there", () => {
  assert.equal(format('%t|%p|%l|%q|%r|%m'), 'a/b|{"x":1}|7|1|1|7');
  assert.equal(format('%x %X'), '7b2278223a317d 7B2278223A317D');
  assert.equal(format('%I %U'), '2026-11-21T10:00:00.500Z 1795255200.500');
  assert.equal(format('%C %P %S %%'), 'application/json k:v 3 %');
  assert.equal(format('a\\tb\\n\\\\'), 'a\tb\n\\');
  assert.deepEqual(JSON.parse(format('%J')), {
    tst: '2026-11-21T10:00:00.500Z',
    topic: 'a/b',
    qos: 1,
    retain: 1,
    payloadlen: 7,
    mid: 7,
    payload: { x: 1 },
  });
  assert.equal(JSON.parse(format('%j')).payload, '{"x":1}');
});

test('payload bytes pass untouched', () => {
  const payload = Buffer.from([0xff, 0, 0xfe]);
  assert.deepEqual(compileFormat('%p')({ ...input, event: { ...input.event, payload } }), payload);
});

test('a letter that stands for nothing is a usage error', () => {
  assert.throws(() => compileFormat('%z'), { code: 'HYD_USAGE', message: '-F: %z stands for nothing' });
  assert.throws(() => compileFormat('x%'), { code: 'HYD_USAGE' });
});
