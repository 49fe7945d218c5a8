import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { applyPatch, composePatches, diffPatch, isShallow, type JsonObject } from './merge-patch.ts';

const parse = (text: string) => JSON.parse(text) as JsonObject;
const plain = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;

/** Keys from a small set, so that objects meet; one of them would change a prototype if it were assigned. */
const json = fc.letrec<{ value: unknown; object: JsonObject }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.constantFrom(null, 1, 'x', true), fc.constant([1, null]), tie('object')),
  object: fc.dictionary(fc.constantFrom('a', 'b', 'c', '__proto__', 'toString'), tie('value'), { maxKeys: 4, noNullPrototype: false }),
}));
const object = json.object.map((value) => JSON.stringify(value));

test('merges as the examples of RFC 7396 do', () => {
  const cases: [target: string, patch: string, result: string][] = [
    ['{"a":"b"}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"b"}', '{"b":"c"}', '{"a":"b","b":"c"}'],
    ['{"a":"b"}', '{"a":null}', '{}'],
    ['{"a":"b","b":"c"}', '{"a":null}', '{"b":"c"}'],
    ['{"a":["b"]}', '{"a":"c"}', '{"a":"c"}'],
    ['{"a":"c"}', '{"a":["b"]}', '{"a":["b"]}'],
    ['{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', '{"a":{"b":"d"}}'],
    ['{"a":[{"b":"c"}]}', '{"a":[1]}', '{"a":[1]}'],
    ['{"e":null}', '{"a":1}', '{"e":null,"a":1}'],
    ['[1,2]', '{"a":"b","c":null}', '{"a":"b"}'],
    ['{}', '{"a":{"bb":{"ccc":null}}}', '{"a":{"bb":{}}}'],
  ];
  for (const [target, patch, result] of cases) assert.equal(JSON.stringify(applyPatch(parse(target), parse(patch))), result, patch);
});

test('a key that is the name of something every object has is a key like any other', () => {
  const merged = applyPatch({}, parse('{"__proto__":{"toString":1}}'));
  assert.equal(JSON.stringify(merged), '{"__proto__":{"toString":1}}');
  assert.equal(({} as { toString: unknown }).toString, Object.prototype.toString);
});

test('one composed patch does what two do, where there is one', () => {
  let composed = 0;
  fc.assert(
    fc.property(object, object, object, (document, first, second) => {
      const both = composePatches(parse(first), parse(second));
      if (!both) return;
      composed++;
      assert.deepEqual(
        plain(applyPatch(parse(document), both)),
        plain(applyPatch(applyPatch(parse(document), parse(first)), parse(second))),
      );
    }),
    { numRuns: 2_000 },
  );
  assert.ok(composed > 500, `${composed} pairs could be composed`);
  assert.equal(composePatches({ a: 1 }, { a: { b: 2 } }), undefined, 'no patch puts {"b":2} in the place of all that was under a');
});

test('the difference of two documents is the patch from one to the other', () => {
  const withoutNull = object.map((text) => text.replaceAll(/:null/g, ':0'));
  fc.assert(
    fc.property(withoutNull, withoutNull, (before, after) => {
      const patch = diffPatch(parse(before), parse(after));
      assert.deepEqual(plain(applyPatch(parse(before), patch)), plain(parse(after)));
    }),
    { numRuns: 2_000 },
  );
  assert.equal(JSON.stringify(diffPatch({ a: { b: 1, c: [1] }, d: 2 }, { a: { b: 1, c: [2] } })), '{"d":null,"a":{"c":[2]}}');
});

test('sees how deep a value goes', () => {
  assert.equal(isShallow({ a: [1] }, 2), true);
  assert.equal(isShallow({ a: [1] }, 1), false);
});
