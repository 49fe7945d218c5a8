import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { isObject } from '../../core/objects.ts';
import { canonicalBytes } from './canonical-bytes.ts';

const hex = (value: unknown): string => Buffer.from(canonicalBytes(value)).toString('hex');

/** Few keys and few texts, so that two of them are often nearly the same; with half pairs, and of lengths on both sides of the bound. */
const text = fc.oneof(
  fc.constantFrom('', 'a', 'b', '1', 'true', 'null', 'é', '\u{1f4a7}', '\ud83d', '\udca7', '\ufffd', '\xff', '"', '0', '\0'),
  fc.constantFrom('a', '\ud83d', '\ufffd', '\u{1f4a7}', 'é').map((end) => `${'long '.repeat(6)}${end}`),
);
const json: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(text, fc.constantFrom(0, 1, -1, 0.5, 1e300, true, false, null)),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(fc.constantFrom('', 'a', 'b', 'c', 'é'), tie('value'), { maxKeys: 4, noNullPrototype: true }),
  ),
})).value;

test('the order of keys makes no difference', () => {
  fc.assert(fc.property(json, (value) => assert.equal(hex(reversed(value)), hex(value))));
});

test('two values have the same bytes only if they are the same', () => {
  const pairs = fc.property(json, json, (a, b) => assert.equal(hex(a) === hex(b), isDeepStrictEqual(a, b)));
  fc.assert(pairs, { numRuns: 2000 });
  const near = [[], [[]], [[], []], [[[]]], [{}], [['a'], 'b'], [['a', 'b']], { '': [] }, 1, '1', [1], ['1'], null, 'null'];
  assert.equal(new Set(near.map(hex)).size, near.length);
});

test('an object has any number of keys, and a text any length', () => {
  const keys = Array.from({ length: 500 }, (_, i) => `key ${(i * 7919) % 500}`);
  const value = Object.fromEntries(keys.map((key) => [key, 'x'.repeat(1000)]));
  assert.equal(hex(reversed(value)), hex(value));
  assert.notEqual(hex({ ...value, [keys[9]!]: 'y' }), hex(value));
  assert.equal(hex('aé中'), `${Buffer.from('aé中').toString('hex')}ff`);
});

/** With all keys the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (!isObject(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, each]) => [key, reversed(each)]),
  );
}
