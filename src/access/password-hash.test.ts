import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../testing/child.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { parseAccounts } from './password-file.ts';
import { hashPassword, isPasswordHash, verifyPassword } from './password-hash.ts';

const bytes = (text: string) => Buffer.from(text);

test('a hash verifies its password and no other, and no two hashes are the same', () => {
  const hash = hashPassword(bytes('pä$$:word'));
  assert.match(hash, /^\$scrypt\$ln=15,r=8,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
  assert.equal(verifyPassword(bytes('pä$$:word'), hash), true);
  assert.equal(verifyPassword(bytes('pä$$:worD'), hash), false);
  assert.equal(verifyPassword(bytes(''), hash), false);
  assert.notEqual(hashPassword(bytes('pä$$:word')), hash);
});

test('the known answer of RFC 7914 §12 is computed', () => {
  const known =
    'fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b3731622eaf30d92e22a3886ff109279d9830dac727afb94a83ee6d8360cbdfa2cc0640';
  const hash = Buffer.from(known, 'hex').toString('base64').replace(/=+$/, '');
  assert.equal(verifyPassword(bytes('password'), `$scrypt$ln=10,r=8,p=16$TmFDbA$${hash}`), true);
});

test('what mosquitto_passwd writes is verified, both its kinds', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'passwd');
  for (const [kind, name] of [
    ['sha512', 'old'],
    ['sha512-pbkdf2', 'new'],
  ]) {
    const made = await run('mosquitto_passwd', ['-H', kind!, ...(name === 'old' ? ['-c'] : []), '-b', file, name!, 'secret of theirs']);
    assert.equal(made.code, 0, made.stderr);
  }
  const accounts = parseAccounts(await readFile(file, 'utf8'), file);
  assert.match(accounts.get('old')!, /^\$6\$/);
  assert.match(accounts.get('new')!, /^\$7\$/);
  for (const hash of accounts.values()) {
    assert.equal(verifyPassword(bytes('secret of theirs'), hash), true);
    assert.equal(verifyPassword(bytes('another'), hash), false);
  }
});

test('a hash that would take the server’s memory or time, or that is none, is not taken', () => {
  const salt = 'c2FsdHNhbHQ';
  const hash = 'A'.repeat(43);
  assert.equal(isPasswordHash(`$scrypt$ln=15,r=8,p=1$${salt}$${hash}`), true);
  for (const bad of [
    `$scrypt$ln=20,r=8,p=1$${salt}$${hash}`,
    `$scrypt$ln=15,r=0,p=1$${salt}$${hash}`,
    `$scrypt$ln=15,r=8,p=99$${salt}$${hash}`,
    `$7$99999999$${salt}=$${'A'.repeat(86)}==`,
    '$6$c2FsdA==$short',
    'secret',
    '',
  ]) {
    assert.equal(isPasswordHash(bad), false, bad);
  }
});

test('without an account there is no password that is right', () => {
  assert.equal(verifyPassword(bytes('x'), undefined), false);
});

test('a password file is refused by line, without its hashes', () => {
  const good = `ann:${hashPassword(bytes('x'))}`;
  assert.deepEqual([...parseAccounts(`# people\n\n${good}\n`, 'users').keys()], ['ann']);
  for (const [text, expected] of [
    [`${good}\n${good}`, /^users:2: there are two accounts "ann"$/],
    ['\nbob:secret', /^users:2: the password of "bob" is not a hash/],
    ['bob', /^users:1: expected name:hash$/],
    [good.replace('ann', 'a/b'), /^users:1: the name of an account has no/],
    [good.replace('ann', 'anonymous'), /^users:1: the name anonymous means something else/],
    [good.replace('ann', '$SYS'), /^users:1: .*does not begin with \$/],
    [good.replace('ann', ' ann'), /^users:1: .*space/],
  ] as const) {
    assert.throws(
      () => parseAccounts(text, 'users'),
      (error: Error & { code?: string }) => {
        assert.equal(error.code, 'HYD_CONFIG');
        assert.match(error.message, expected);
        assert.doesNotMatch(error.message, /secret|scrypt/);
        return true;
      },
    );
  }
});
