import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cell, code } from './markdown.ts';

test('a cell of a table is one line, and nothing in it is a border or a tag', () => {
  assert.equal(cell('a|b\n  c <d> `<e>|` `'), 'a\\|b c &lt;d> `<e>\\|` `');
  assert.equal(code('--to <dir|url>'), '`--to <dir\\|url>`');
});
