import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { test } from 'node:test';
import { hubSignature, isSigned, proveToken, shownCredential } from './proof.ts';

test('a token is compared whole: a prefix, a longer one and an empty one are wrong', () => {
  assert.equal(proveToken('open sesame', ['open sesame']), undefined);
  for (const shown of ['', 'open', 'open sesam', 'open sesame ', 'OPEN SESAME', 'open sesame\0'])
    assert.equal(proveToken(shown, ['open sesame']), 'a token is wrong', JSON.stringify(shown));
  assert.equal(proveToken(undefined, ['open sesame']), 'a token is missing');
  assert.equal(proveToken('', []), 'a token is wrong');
});

test('while a secret is being changed the old and the new one are right', () => {
  assert.deepEqual(
    ['old', 'new', 'older'].map((shown) => proveToken(shown, ['new', 'old'])),
    [undefined, undefined, 'a token is wrong'],
  );
  const signature = createHmac('sha256', 'old').update('body').digest();
  assert.equal(isSigned([signature], ['new', 'old'], 'sha256', 'bo', 'dy'), true);
  assert.equal(isSigned([signature], ['new', 'newer'], 'sha256', 'body'), false);
});

test('a signature of another length, another hash or another body is wrong, and none throws', () => {
  const right = createHmac('sha256', 'key').update('body').digest();
  assert.equal(isSigned([right], ['key'], 'sha256', 'body'), true);
  const flipped = Buffer.from(right);
  flipped[31]! ^= 1;
  const wrong = [
    Buffer.alloc(0),
    right.subarray(0, 31),
    Buffer.concat([right, right]),
    createHmac('sha1', 'key').update('body').digest(),
    flipped,
  ];
  for (const signature of wrong) assert.equal(isSigned([signature], ['key'], 'sha256', 'body'), false, signature.toString('hex'));
  assert.equal(isSigned([right], ['key'], 'sha256', 'Body'), false);
  assert.equal(isSigned([], ['key'], 'sha256', 'body'), false);
});

test('sha256=… is read by its own hash only, and what is no hex is nothing', () => {
  assert.deepEqual(hubSignature('SHA256=0aFF', 'sha256'), [Buffer.from([10, 255])]);
  for (const header of ['sha1=0aff', '0aff', 'sha256=', 'sha256=0axx', 'sha256=0aff, sha256=0aff', 'sha256 =0aff'])
    assert.deepEqual(hubSignature(header, 'sha256'), [], header);
});

test('a credential is a bearer token, or the password of Basic whoever the user is', () => {
  const basic = (text: string): string => `Basic ${Buffer.from(text).toString('base64')}`;
  const cases: [string | undefined, string | undefined][] = [
    ['Bearer abc', 'abc'],
    ['bearer  abc ', 'abc'],
    [basic('gerrit:a:b'), 'a:b'],
    [basic(':abc'), 'abc'],
    [basic('abc'), undefined],
    ['Bearer', undefined],
    ['Digest abc', undefined],
    ['Bearer a b', undefined],
    [undefined, undefined],
  ];
  for (const [authorization, credential] of cases) assert.equal(shownCredential({ authorization }), credential, authorization);
});
