import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseJson } from './objects.ts';

test('JSON is read from text and from a view of bytes; what is none is undefined', () => {
  assert.deepEqual(parseJson('{"a":[null,"ä"]}'), { a: [null, 'ä'] });
  assert.deepEqual(parseJson(new Uint8Array(Buffer.from('x{"a":"ä"}x')).subarray(1, -1)), { a: 'ä' });
  assert.equal(parseJson('null'), null);
  for (const text of ['', '{', '{} {}', 'undefined']) assert.equal(parseJson(text), undefined, text);
});
