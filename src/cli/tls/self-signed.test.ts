import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { chmod, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { run } from '../../testing/child.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { makeSelfSigned, type SelfSignedWish } from './self-signed.ts';

const DAY_MS = 86_400_000;
const NOW_MS = Date.now();
const wish = (dir: string, more: Partial<SelfSignedWish> = {}): SelfSignedWish => ({
  dir,
  hosts: ['localhost', '127.0.0.1', '::1', 'bus.example.org'],
  clients: [],
  days: 30,
  renewServer: false,
  force: false,
  ...more,
});

const read = (dir: string, file: string): Promise<string> => readFile(join(dir, file), 'utf8');

async function openssl(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('openssl', args);
  assert.equal(code, 0, `openssl ${args.join(' ')}\n${stdout}${stderr}`);
  return stdout;
}

test('OpenSSL accepts the chains for what they are made for, under every name, and for nothing else', async () => {
  await using folder = await createTempFolder();
  const dir = join(folder.path, 'new', 'folder');
  await makeSelfSigned(wish(dir, { clients: ['alice'] }), NOW_MS);
  const [ca, server, client] = ['ca.pem', 'server.pem', 'client-alice.pem'].map((name) => join(dir, name)) as [string, string, string];
  const verify = ['verify', '-x509_strict', '-CAfile', ca];
  await openssl(...verify, '-purpose', 'sslserver', '-verify_hostname', 'bus.example.org', server);
  for (const address of ['127.0.0.1', '::1']) await openssl(...verify, '-purpose', 'sslserver', '-verify_ip', address, server);
  await openssl(...verify, '-purpose', 'sslclient', client);
  for (const [purpose, file] of [
    ['sslclient', server],
    ['sslserver', client],
  ] as const) {
    assert.equal((await run('openssl', [...verify, '-purpose', purpose, file])).code, 2, file);
  }
  assert.equal(await openssl('x509', '-in', client, '-noout', '-subject'), 'subject=CN = alice\n');
  for (const base of ['ca', 'server', 'client-alice']) {
    const fromKey = await openssl('pkey', '-in', join(dir, `${base}.key`), '-pubout');
    assert.equal(await openssl('x509', '-in', join(dir, `${base}.pem`), '-noout', '-pubkey'), fromKey);
  }
  const { validToDate } = new X509Certificate(await read(dir, 'server.pem'));
  assert.ok(Math.abs(validToDate.getTime() - NOW_MS - 30 * DAY_MS) < 1000);
});

test('keys can be read by their owner only, also where a file that everybody could read was', async () => {
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'server.key'), '');
  await chmod(join(folder.path, 'server.key'), 0o644);
  await makeSelfSigned(wish(folder.path, { clients: ['alice'], force: true }), NOW_MS);
  for (const [file, mode] of [
    ['ca.key', 0o600],
    ['server.key', 0o600],
    ['client-alice.key', 0o600],
    ['server.pem', 0o644],
  ] as const) {
    assert.equal((await stat(join(folder.path, file))).mode & 0o777, mode, file);
  }
});

test('nothing is overwritten unasked, and nothing is written when one file would be', async () => {
  await using folder = await createTempFolder();
  const dir = folder.path;
  await makeSelfSigned(wish(dir, { clients: ['alice'] }), NOW_MS);
  const before = await Promise.all(['ca.pem', 'server.pem', 'client-alice.key'].map((file) => read(dir, file)));
  for (const [more, there] of [
    [{ renewServer: true }, 'server.pem'],
    [{ clients: ['bob', 'alice'] }, 'client-alice.pem'],
  ] as const) {
    await assert.rejects(makeSelfSigned(wish(dir, more), NOW_MS), {
      code: 'HYD_USAGE',
      message: `${join(dir, there)} is there already`,
      fix: /--force/,
    });
  }
  await assert.rejects(read(dir, 'client-bob.pem'), { code: 'ENOENT' });
  assert.deepEqual(await Promise.all(['ca.pem', 'server.pem', 'client-alice.key'].map((file) => read(dir, file))), before);
});

test('an authority that is there signs what is new, until its own end; one that has expired is made anew', async () => {
  await using folder = await createTempFolder();
  const dir = folder.path;
  await makeSelfSigned(wish(dir), NOW_MS);
  const [ca, server] = [await read(dir, 'ca.pem'), await read(dir, 'server.pem')];
  const added = await makeSelfSigned(wish(dir, { clients: ['bob'], days: 3000 }), NOW_MS);
  assert.deepEqual(
    added.pairs.map(({ base, made }) => [base, made]),
    [
      ['ca', false],
      ['server', false],
      ['client-bob', true],
    ],
  );
  assert.equal(added.until.getTime(), new X509Certificate(ca).validToDate.getTime());
  assert.deepEqual([await read(dir, 'ca.pem'), await read(dir, 'server.pem')], [ca, server]);
  await openssl('verify', '-CAfile', join(dir, 'ca.pem'), join(dir, 'client-bob.pem'));

  await makeSelfSigned(wish(dir, { renewServer: true, force: true }), NOW_MS);
  assert.equal(await read(dir, 'ca.pem'), ca);
  assert.notEqual(await read(dir, 'server.pem'), server);
  const late = NOW_MS + 31 * DAY_MS;
  await assert.rejects(makeSelfSigned(wish(dir), late), { message: /ca\.pem is there already/ });
  await makeSelfSigned(wish(dir, { force: true }), late);
  assert.notEqual(await read(dir, 'ca.pem'), ca);
});

test('names that could not be used are refused before anything is made', async () => {
  await using folder = await createTempFolder();
  const dir = join(folder.path, 'none');
  for (const [more, message] of [
    [{ hosts: ['bus:8883'] }, /--host "bus:8883" is no host name/],
    [{ hosts: ['a b'] }, /--host "a b"/],
    [{ clients: ['../x'] }, /--client "\.\.\/x" cannot be the name/],
    [{ clients: ['x'.repeat(65)] }, /--client "x+" cannot/],
  ] as const) {
    await assert.rejects(makeSelfSigned(wish(dir, more), NOW_MS), { code: 'HYD_USAGE', message });
  }
  await assert.rejects(stat(dir), { code: 'ENOENT' });
});
