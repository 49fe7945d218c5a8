import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readMailText } from './mail-text.ts';

const mail = (type: string, body: string, encoding = '8bit'): Buffer =>
  Buffer.from(`MIME-Version: 1.0\r\nContent-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n\r\n${body}`);

test('the text of a mail is decoded from its transfer encoding and its charset', async () => {
  assert.equal(await readMailText(mail('text/plain; charset=utf-8', 'Caf=C3=A9 is=\r\n open\r\n', 'quoted-printable')), 'Café is open\n');
  assert.equal(
    await readMailText(mail('text/plain; charset=iso-8859-1', Buffer.from('J\xf6rg', 'latin1').toString('base64'), 'base64')),
    'Jörg',
  );
  assert.equal(await readMailText(Buffer.from('Subject: x\r\n\r\n')), '');
});

test('of a mail with an attachment and HTML, the plain text is read', async () => {
  const parts = ['text/plain\r\n\r\nplain', 'text/html\r\n\r\n<b>bold</b>'].map((part) => `--i\r\nContent-Type: ${part}\r\n`).join('');
  const file = `--o\r\nContent-Type: application/x-tar\r\nContent-Transfer-Encoding: base64\r\n\r\n${'QUJD'.repeat(300_000)}\r\n--o--\r\n`;
  const body = `--o\r\nContent-Type: multipart/alternative; boundary=i\r\n\r\n${parts}--i--\r\n${file}`;
  assert.equal(await readMailText(mail('multipart/mixed; boundary=o', body)), 'plain');
});

test('a mail of HTML alone is read as it is', async () => {
  assert.equal(await readMailText(mail('text/html', '<p>It <b>broke</b></p>')), '<p>It <b>broke</b></p>');
  const parts = `--b\r\nContent-Type: text/html\r\n\r\n<i>one</i>\r\n--b--\r\n`;
  assert.equal(await readMailText(mail('multipart/mixed; boundary=b', parts)), '<i>one</i>');
});

test('a charset that nobody knows does not keep a text from being read', async () => {
  assert.match(await readMailText(mail('text/plain; charset="no\u0001such-charset"', 'still here')), /still here/);
  assert.match(await readMailText(mail('text/plain; charset=martian-7', 'still here')), /still here/);
});

test('parts within parts, ten thousand deep, are refused and not read', async () => {
  let body = '';
  for (let depth = 0; depth < 10_000; depth++) body += `--b${depth}\r\nContent-Type: multipart/mixed; boundary=b${depth + 1}\r\n\r\n`;
  await assert.rejects(readMailText(mail('multipart/mixed; boundary=b0', body)));
});

test('of messages within messages, twenty thousand deep, no text is read', async () => {
  assert.equal(await readMailText(mail('message/rfc822', `${'Content-Type: message/rfc822\r\n\r\n'.repeat(20_000)}\r\ndeep`)), '');
});

test('a part with more headers than a mail has is refused', async () => {
  const body = `--b\r\n${'X: y\r\n'.repeat(60_000)}\r\ntext\r\n--b--\r\n`;
  await assert.rejects(readMailText(mail('multipart/mixed; boundary=b', body)));
});

test('HTML that is a hundred thousand marks deep costs no more than other text', async () => {
  const html = '<div>'.repeat(300_000);
  assert.equal(await readMailText(mail('text/html', html)), html);
});
