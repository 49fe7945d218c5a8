import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { writeAccounts } from '../access/password-file.ts';
import { hashPassword } from '../access/password-hash.ts';
import { HydrantError } from '../core/errors.ts';
import { createTempFolder, type TempFolder } from '../testing/temp-folder.ts';
import { loadConfig } from './config.ts';
import { isOpen, loadAccess } from './server-access.ts';

let folder: TempFolder;
let data: string;

beforeEach(async () => {
  folder = await createTempFolder();
  data = join(folder.path, 'data');
  await mkdir(data);
});
afterEach(() => folder[Symbol.asyncDispose]());

const load = (...sets: string[]) => loadAccess(loadConfig({ env: {}, data, sets }));

function fault(...sets: string[]): HydrantError {
  try {
    load(...sets);
  } catch (error) {
    assert.ok(error instanceof HydrantError, String(error));
    assert.equal(error.code, 'HYD_CONFIG');
    return error;
  }
  assert.fail(`${sets} was accepted`);
}

const REMOTE = 'listeners.mqtt.host=0.0.0.0';

test('on loopback, without accounts and rules, everybody may do everything', () => {
  assert.equal(isOpen(load()), true);
  assert.equal(isOpen(load('preset=firehose')), false);
  for (const host of ['localhost', '::1', '127.3.2.1']) load(`listeners.http.host=${host}`);
});

test('beyond loopback without an account it is refused, with the exact commands', () => {
  const { message, fix } = fault(REMOTE, 'listeners.http.host=::');
  assert.deepEqual(message.split('\n'), [
    'flag --set listeners.mqtt.host: listeners.mqtt.host is "0.0.0.0", which other machines can reach, and there is no account',
    'flag --set listeners.http.host: listeners.http.host is "::", which other machines can reach, and there is no account',
  ]);
  assert.ok(fix.includes(`\`hydrant user add NAME --data ${data}\``), fix);
  assert.match(fix, /`hydrant up --preset firehose`.*ssh -L.*--set listeners\.allowAnonymousRemote=true/);
  for (const host of ['::', '192.168.1.4', 'example.org', '10.0.0.127']) fault(`listeners.http.host=${host}`);
  fault(REMOTE, 'preset=firehose');
});

test('an account, tokens or names in certificates are what it takes, or that it is wanted so', async () => {
  load(REMOTE, 'listeners.allowAnonymousRemote=true');
  load(REMOTE, 'access.jwt.keys=https://id.example/keys');
  load(REMOTE, 'listeners.mqtt.enabled=false');
  await writeAccounts(join(data, 'users'), new Map([['ann', hashPassword(Buffer.from('x'))]]));
  assert.equal(load(REMOTE).rules.anonymous, undefined);
  load(REMOTE, 'preset=firehose');
});

test('doors that want a certificate of every client need no account, the others do', () => {
  const tls = ['tls.cert=c.pem', 'tls.key=k.pem', 'tls.ca=ca.pem', 'tls.clientCertificates=required'];
  load(...tls, 'listeners.mqtts.host=0.0.0.0');
  fault(...tls, 'listeners.mqtts.host=0.0.0.0', REMOTE);
  fault(...tls.slice(0, 3), 'tls.clientCertificates=optional', 'listeners.mqtts.host=0.0.0.0');
  load(...tls, REMOTE, 'access.certificateUser=true');
});

test('a password file of a name of its own must be there, and one that is damaged is refused by line', async () => {
  const users = join(folder.path, 'people');
  assert.match(fault(`access.users=${users}`).message, /^access\.users is .*people, and there is no such file$/);
  await writeFile(users, 'ann:plain\n');
  assert.match(fault(`access.users=${users}`).message, /people:1: the password of "ann" is not a hash/);
  await writeFile(users, '');
  assert.equal(load(`access.users=${users}`).rules.anonymous, undefined, 'a file without accounts lets nobody in');
});

test('names in certificates need certificates to be asked for', () => {
  assert.throws(() => load('access.certificateUser=true'), { code: 'HYD_CONFIG', message: /set tls\.clientCertificates and tls\.ca/ });
});
