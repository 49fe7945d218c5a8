import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { within } from '../../src/testing/deadline.ts';
import { HYDRANT_BIN, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

test('accounts are added, listed and removed before the first start; the file is for its owner only', async () => {
  await using folder = await createTempFolder();
  const data = join(folder.path, 'new', 'data');
  const added = await runHydrant(['user', 'add', 'ann', '--password-file', '-', '--data', data], { input: 'secret of ann\n' });
  assert.deepEqual([added.code, added.stdout], [0, '']);
  assert.match(added.stderr, /^added ann in .*\/new\/data\/users\nthe next start of the server takes it over\nonly accounts are let in/);
  const file = join(folder.path, 'secret');
  await writeFile(file, 'secret of bob');
  assert.equal((await runHydrant(['user', 'add', 'bob', '--password-file', file, '--data', data])).code, 0);
  const made = await runHydrant(['user', 'add', 'lab-1', '--generate', '--data', data]);
  assert.match(made.stdout, /^[\w-]{24}\n$/);
  assert.equal((await stat(join(data, 'users'))).mode & 0o777, 0o600);
  const text = await readFile(join(data, 'users'), 'utf8');
  assert.match(text, /^ann:\$scrypt\$ln=15,r=8,p=1\$.*\nbob:\$scrypt\$.*\nlab-1:\$scrypt\$.*\n$/);
  assert.doesNotMatch(text, /secret/);
  const listed = await runHydrant(['user', 'ls', '--data', data, '-o', 'ndjson']);
  assert.deepEqual(
    listed.stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
    ['ann', 'bob', 'lab-1'].map((name) => ({ name, hash: 'scrypt' })),
  );
  assert.equal((await runHydrant(['user', 'rm', 'ann', 'lab-1', '--data', data])).code, 0);
  assert.equal((await runHydrant(['user', 'ls', '--data', data, '-o', 'ndjson'])).stdout, '{"name":"bob","hash":"scrypt"}\n');
  await using server = await startHydrant({ data });
  (await RawClient.connect(server.mqttUrl, { username: 'bob', password: 'secret of bob' })).destroy();
  await assert.rejects(RawClient.connect(server.mqttUrl, { username: 'ann', password: 'secret of ann' }), /CONNACK says 4/);
  await assert.rejects(RawClient.connect(server.mqttUrl), /CONNACK says 5/);
});

test('a running server takes accounts over before the command ends', async () => {
  await using server = await startHydrant({ set: { preset: 'firehose' } });
  const added = await runHydrant(['user', 'add', 'ann', '--password-file', '-', '--data', server.data], { input: 'one' });
  assert.match(added.stderr, new RegExp(`the running server \\(process ${server.pid}\\) has taken it over\n`));
  using ann = await RawClient.connect(server.mqttUrl, { username: 'ann', password: 'one', version: 5 });
  ann.publish('ann/x', 'x', { qos: 1 });
  assert.ok(((await ann.expect('puback')).reasonCode ?? 0) < 0x80);
  ann.publish('bob/x', 'x', { qos: 1 });
  assert.equal((await ann.expect('puback')).reasonCode, 0x87);
  using anonymous = await RawClient.connect(server.mqttUrl, { version: 5 });
  assert.deepEqual((await anonymous.subscribe({ '#': 0, '$SYS/#': 0, '$hydrant/#': 0 })).granted, [0, 0, 0x87]);
  anonymous.publish('anonymous/x', 'x', { qos: 1 });
  assert.equal((await anonymous.take('puback')).reasonCode, 0x87);
  const changed = await runHydrant(['user', 'add', 'ann', '--password-file', '-', '--data', server.data], { input: 'two' });
  assert.match(changed.stderr, /^changed the password of ann/);
  await ann.take('disconnect', { reasonCode: 0x87 });
  await assert.rejects(RawClient.connect(server.mqttUrl, { username: 'ann', password: 'one' }), /CONNACK says 4/);
  using again = await RawClient.connect(server.mqttUrl, { username: 'ann', password: 'two', version: 5 });
  assert.equal((await runHydrant(['user', 'rm', 'ann', '--data', server.data])).code, 0);
  await again.take('disconnect', { reasonCode: 0x87 });
  anonymous.send({ cmd: 'pingreq' });
  await anonymous.take('pingresp');
});

test('the doctor is content with a server that wants accounts, and a backup carries them', async () => {
  await using folder = await createTempFolder();
  const copy = join(folder.path, 'copy.tar');
  const back = join(folder.path, 'back');
  await using server = await startHydrant();
  assert.equal((await runHydrant(['user', 'add', 'ann', '--generate', '--data', server.data])).code, 0);
  const { stdout } = await runHydrant(['doctor', '--data', server.data, '-o', 'ndjson']);
  const listeners = stdout.split('\n').filter((line) => line.includes('listener'));
  assert.ok(listeners.length >= 3 && listeners.every((line) => line.includes('"ok"')), stdout);
  for (const args of [
    ['backup', copy, '--data', server.data],
    ['restore', copy, '--data', back],
  ]) {
    assert.equal((await runHydrant(args)).code, 0);
  }
  assert.equal(await readFile(join(back, 'users'), 'utf8'), await readFile(join(server.data, 'users'), 'utf8'));
  assert.equal((await stat(join(back, 'users'))).mode & 0o777, 0o600);
});

test('when the running server cannot take them over, the command says why', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'c.yaml');
  await writeFile(file, '');
  await using server = await startHydrant({ args: ['--config', file] });
  await writeFile(file, 'log: {level: loud}\n');
  const { code, stderr } = await runHydrant(['user', 'add', 'ann', '--generate', '--data', server.data]);
  assert.equal(code, 2);
  assert.match(stderr, /keeps its old configuration: .*c\.yaml:1:14: log\.level is "loud"/);
});

test('a password file that the running server does not read is not written', async () => {
  await using folder = await createTempFolder();
  await using server = await startHydrant();
  const other = join(folder.path, 'people');
  const { code, stderr } = await runHydrant(['user', 'add', 'ann', '--generate', '--data', server.data, '--set', `access.users=${other}`]);
  assert.equal(code, 2);
  assert.match(stderr, /reads its accounts from .*\/users, not from .*people/);
  await assert.rejects(stat(other), { code: 'ENOENT' });
});

test('two commands at once lose nothing', async () => {
  await using folder = await createTempFolder();
  const names = ['a', 'b', 'c', 'd'];
  const done = await Promise.all(names.map((name) => runHydrant(['user', 'add', name, '--generate', '--data', folder.path])));
  for (const { code, stderr } of done) assert.equal(code, 0, stderr);
  const text = await readFile(join(folder.path, 'users'), 'utf8');
  assert.deepEqual(
    text
      .split('\n')
      .map((line) => line.split(':')[0])
      .filter(Boolean)
      .sort(),
    names,
  );
});

test('names and passwords that cannot be are refused before anything is written', async () => {
  await using folder = await createTempFolder();
  const add = (name: string, input: string, ...more: string[]) =>
    runHydrant(['user', 'add', name, '--data', folder.path, ...(more.length > 0 ? more : ['--password-file', '-'])], { input });
  for (const name of ['anonymous', '*', 'a:b', 'a/b', '+', '#x', '$SYS', 'a\tb', ' a', '']) {
    const { code, stderr } = await add(name, 'x');
    assert.equal(code, 2, `${name} ${stderr}`);
  }
  assert.match((await add('ann', '')).stderr, /the password is empty/);
  assert.match((await add('ann', '', '--password-file', '/nowhere')).stderr, /--password-file \/nowhere: ENOENT/);
  assert.match((await add('ann', '', '--config', join(folder.path, 'none'))).stderr, /cannot read the configuration/);
  assert.match((await runHydrant(['user', 'add', 'ann', '--data', folder.path])).stderr, /there is no terminal to type a password at/);
  assert.match((await runHydrant(['user', 'rm', 'ann', '--data', folder.path])).stderr, /there is no account ann/);
  await assert.rejects(stat(join(folder.path, 'users')), { code: 'ENOENT' });
});

/** The command at a terminal of its own; `answers` are typed as each prompt comes. */
async function typeAt(args: string[], answers: [prompt: string, keys: string][]): Promise<{ code: number | null; text: string }> {
  const terminal = spawn('script', ['-qec', ['exec', HYDRANT_BIN, ...args].join(' '), '/dev/null'], { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    let text = '';
    const left = [...answers];
    terminal.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const [prompt, keys] = left[0] ?? [];
      if (prompt === undefined || !text.endsWith(prompt)) return;
      left.shift();
      terminal.stdin.write(keys!);
    });
    const [code] = (await within(once(terminal, 'exit'), 20_000, () => `the end after ${text}`)) as [number | null];
    return { code, text };
  } finally {
    terminal.kill('SIGKILL');
  }
}

test('at a terminal the password is typed twice and not shown', async () => {
  await using folder = await createTempFolder();
  const args = ['user', 'add', 'ann', '--data', folder.path];
  const good = await typeAt(args, [
    ['Password: ', 'wrongX\x15sesamx\x7f\r'],
    ['Again: ', 'sesam\r'],
  ]);
  assert.equal(good.code, 0, good.text);
  assert.doesNotMatch(good.text, /ses|wrong/);
  await using server = await startHydrant({ data: folder.path });
  (await RawClient.connect(server.mqttUrl, { username: 'ann', password: 'sesam' })).destroy();
  const differ = await typeAt(args, [
    ['Password: ', 'one\r'],
    ['Again: ', 'two\r'],
  ]);
  assert.deepEqual([differ.code, /the two passwords differ/.test(differ.text)], [2, true]);
  assert.equal((await typeAt(args, [['Password: ', 'one\x03']])).code, 130);
});
