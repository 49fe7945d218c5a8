import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeWords } from './encoded-words.ts';
import { MailHeaders } from './mail-headers.ts';

const read = (...lines: string[]): MailHeaders => new MailHeaders(Buffer.from(`${lines.join('\r\n')}\r\n\r\nX-After: the empty line\r\n`));

test('a value goes on over folded lines, and names are found in any case', () => {
  const headers = read('X-Launchpad-Bug: product=octavia;', '\tstatus=New;', ' assignee=None; ', 'subject:  one ', 'SUBJECT: two');
  assert.equal(headers.get('x-launchpad-bug'), 'product=octavia; status=New; assignee=None;');
  assert.deepEqual(headers.all('Subject'), ['one', 'two']);
  assert.equal(headers.get('X-After'), undefined);
  assert.deepEqual(
    [...headers].map(({ name }) => name),
    ['X-Launchpad-Bug', 'subject'],
  );
});

test('lines that are no headers, and lines ended by LF alone, harm nothing', () => {
  const block = Buffer.concat([
    Buffer.from('From nobody\n: empty\nSp ace: x\n  goes on\nA: 1\nB:\n'),
    Buffer.from([0x43, 0x3a, 0xff, 0x0a]),
  ]);
  const headers = new MailHeaders(block);
  assert.deepEqual(
    [...headers].map(({ name, values }) => [name, ...values]),
    [
      ['A', '1'],
      ['B', ''],
      ['C', '\uFFFD'],
    ],
  );
});

test('encoded words are decoded, in both encodings and any charset that Node.js knows', () => {
  assert.equal(decodeWords('=?utf-8?q?Caf=C3=A9_im?= =?UTF-8?B?IFJlZ2Vu?= now'), 'Café im Regen now');
  assert.equal(decodeWords('=?iso-8859-1?Q?J=F6rg?= (joerg)'), 'Jörg (joerg)');
  assert.equal(decodeWords('=?utf-8*de?q?Gr=C3=BC=C3=9Fe?='), 'Grüße');
  assert.equal(decodeWords('a =?utf-8?q?b?= c'), 'a b c');
});

test('a character that is split between two encoded words becomes one', () => {
  assert.equal(decodeWords('=?utf-8?q?=E2=82?=\t=?utf-8?q?=AC_1?='), '€ 1');
});

test('what only looks like an encoded word, or has a charset that nobody knows, stays readable', () => {
  assert.equal(decodeWords('2 =? 3 =?x?y?z?='), '2 =? 3 =?x?y?z?=');
  assert.equal(decodeWords('=?martian-7?q?green=21?='), 'green!');
  assert.equal(decodeWords('=?utf-8?q?=GG=4?='), '=GG=4');
});

test('no line break or control character of an encoded word comes through: a header cannot bring another', () => {
  const headers = read('Subject: [Bug 1] =?utf-8?q?a=0D=0AX-Launchpad-Bug-Private:_no=00b?=');
  assert.equal(headers.get('Subject'), '[Bug 1] a X-Launchpad-Bug-Private: no b');
  assert.equal(headers.get('X-Launchpad-Bug-Private'), undefined);
});

test('a header of a quarter of a megabyte, of half words and of folds alike, is read', () => {
  const words = '=?utf-8?q?'.repeat(25_000);
  const folds = `A: x\r\n${' y\r\n'.repeat(60_000)}`;
  assert.equal(read(`Subject: ${words}`).get('Subject'), words);
  assert.equal(new MailHeaders(Buffer.from(folds)).get('A')?.length, 1 + 2 * 60_000);
});
