import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cutText, escapeBytes, escapeText, textWidth } from './escape.ts';

test('nothing in a payload reaches the terminal as a control sequence', () => {
  for (let code = 0; code < 0x20; code++) assert.doesNotMatch(escapeText(String.fromCharCode(code)), /\p{Cc}/u, `U+${code.toString(16)}`);
  for (let code = 0x7f; code < 0xa0; code++)
    assert.doesNotMatch(escapeText(String.fromCharCode(code)), /\p{Cc}/u, `U+${code.toString(16)}`);
  assert.equal(escapeText('\x1b]0;owned\x07'), '\\x1b]0;owned\\x07');
  assert.equal(escapeText('a\u202eb\u2028c'), 'a\\u202eb\\u2028c');
});

test('lines stay lines where lines are wanted, and only there', () => {
  assert.equal(escapeText('a\n\tb\r'), 'a\\n\\tb\\r');
  assert.equal(escapeText('a\n\tb\r', { lines: true }), 'a\n\tb\\r');
});

test('bytes that are not UTF-8 are shown one by one', () => {
  assert.equal(escapeBytes(Buffer.from('grün')), 'grün');
  assert.equal(escapeBytes(Buffer.from([0x61, 0xff, 0x00])), 'a\\xff\\x00');
});

test('text is measured and cut in terminal columns', () => {
  assert.equal(textWidth('abc'), 3);
  assert.equal(textWidth('日本'), 4);
  assert.equal(textWidth('e\u0301'), 1);
  assert.equal(cutText('日本語', 5), '日本…');
  assert.equal(cutText('abc', 3), 'abc');
});
