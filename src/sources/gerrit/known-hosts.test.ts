import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { run } from '../../testing/child.ts';
import { makeKey } from '../../testing/sshd.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { fingerprint, KnownHosts, keyType } from './known-hosts.ts';

const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());
const [ed, ed2, rsa] = await Promise.all(['ed25519', 'ed25519', 'rsa'].map((type, index) => make(join(folder.path, `key${index}`), type)));

async function make(path: string, type: string): Promise<{ text: string; key: Buffer; path: string }> {
  await makeKey(path, type);
  const [kind, base64] = (await readFile(`${path}.pub`, 'utf8')).split(' ');
  return { text: `${kind} ${base64}`, key: Buffer.from(base64!, 'base64'), path };
}

function check(text: string, key: Buffer, host = 'review.example.org', port = 29418): unknown {
  return new KnownHosts(text, host, port).check(key);
}

test('a key counts for the host and port that it is written down for', () => {
  const text = `# a comment\n\nother.example.org ${ed2!.text}\n[review.example.org]:29418,[10.0.0.1]:29418 ${ed!.text} who@where\n`;
  assert.deepEqual(check(text, ed!.key), { is: 'known' });
  assert.deepEqual(check(text, ed!.key, '10.0.0.1'), { is: 'known' });
  assert.deepEqual(check(text, ed!.key, 'REVIEW.example.org'), { is: 'known' });
  assert.deepEqual(check(text, ed2!.key), { is: 'changed', line: 4 });
  assert.deepEqual(check(text, rsa!.key), { is: 'unknown' });
  assert.deepEqual(check(text, ed!.key, 'review.example.org', 2222), { is: 'unknown' });
  assert.deepEqual(check('', ed!.key), { is: 'unknown' });
});

test('port 22 has no brackets, and a key of the host without a port will do for another port', () => {
  const text = `review.example.org ${ed!.text}`;
  assert.deepEqual(check(text, ed!.key, 'review.example.org', 22), { is: 'known' });
  assert.deepEqual(check(text, ed!.key), { is: 'known' });
  assert.deepEqual(check(text, ed2!.key), { is: 'unknown' });
  assert.deepEqual(check(text, ed2!.key, 'review.example.org', 22), { is: 'changed', line: 1 });
});

test('patterns match, and what begins with ! does not', () => {
  const text = `*.example.org,!bad.example.org,[*.example.org]:29418 ${ed!.text}`;
  assert.deepEqual(check(text, ed!.key, 'review.example.org', 22), { is: 'known' });
  assert.deepEqual(check(text, ed!.key), { is: 'known' });
  assert.deepEqual(check(text, ed!.key, 'bad.example.org', 22), { is: 'unknown' });
  assert.deepEqual(check(text, ed!.key, 'example-org', 22), { is: 'unknown' });
});

test('names that ssh-keygen has hashed are found', async () => {
  const path = join(folder.path, 'hashed');
  await writeFile(path, `[review.example.org]:29418 ${ed!.text}\nplain.example.org ${rsa!.text}\n`);
  assert.equal((await run('ssh-keygen', ['-H', '-f', path])).code, 0);
  const text = await readFile(path, 'utf8');
  assert.ok(!text.includes('example.org'));
  assert.deepEqual(check(text, ed!.key), { is: 'known' });
  assert.deepEqual(check(text, ed2!.key), { is: 'changed', line: 1 });
  assert.deepEqual(check(text, rsa!.key, 'plain.example.org', 22), { is: 'known' });
});

test('a revoked key is none, wherever else it is written down; an authority is no key of the host', () => {
  const text = `[review.example.org]:29418 ${ed!.text}\n@revoked * ${ed!.text}\n`;
  assert.deepEqual(check(text, ed!.key), { is: 'revoked', line: 2 });
  assert.deepEqual(check(`@cert-authority * ${ed!.text}`, ed!.key), { is: 'unknown' });
});

test('a server is asked for the types of key that are written down', () => {
  const types = (text: string): string[] => new KnownHosts(text, 'h', 29418).types;
  assert.deepEqual(types(`[h]:29418 ${rsa!.text}\n[h]:29418 ${rsa!.text}\nh ${ed!.text}`), ['ssh-rsa']);
  assert.deepEqual(types(`h ${ed!.text}`), ['ssh-ed25519']);
  assert.deepEqual(types('nonsense\n|1|x ssh-rsa\n@revoked'), []);
});

test('a fingerprint is the one that ssh-keygen shows', async () => {
  const { stdout } = await run('ssh-keygen', ['-l', '-f', `${rsa!.path}.pub`]);
  assert.equal(stdout.split(' ')[1], fingerprint(rsa!.key));
  assert.deepEqual([keyType(ed!.key), keyType(rsa!.key), keyType(Buffer.alloc(0))], ['ssh-ed25519', 'ssh-rsa', '']);
});
