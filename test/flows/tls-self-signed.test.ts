import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child, run } from '../../src/testing/child.ts';
import { HYDRANT_BIN, runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const PORTS = ['mqtt', 'mqtts', 'http', 'https'].map((name) => `--set listeners.${name}.port=0`).join(' ');

/** What a person does with a line that a command has printed. */
const shell = (line: string) => run('sh', ['-c', line.replace(/^hydrant /, `${HYDRANT_BIN} `)]);

test('the commands that are printed work as they stand, but for the ports', async () => {
  await using folder = await createTempFolder("it's a folder");
  const out = join(folder.path, 'tls');
  const made = await runHydrant(['tls', 'self-signed', '--out', out, '--client', 'alice']);
  assert.deepEqual([made.code, made.stderr], [0, '']);
  const lines = made.stdout.split('\n').map((line) => line.trim());
  const find = (start: string): string => lines.find((line) => line.startsWith(start)) ?? assert.fail(`no line ${start}: ${made.stdout}`);

  const up = find('hydrant up').replace('hydrant', HYDRANT_BIN);
  await using server = new Child('sh', ['-c', `exec ${up} ${PORTS} --data "$0"`, join(folder.path, 'data')]);
  const { listeners } = await server.line((line) => (line.includes('"ready"') ? JSON.parse(line) : undefined), 20_000, 'its ready line');
  const here = (line: string): string => line.replace('8883', new URL(listeners.mqtts).port).replace('8443', new URL(listeners.https).port);

  const published = await shell(here(`${find('mosquitto_pub')} -r -q 1`));
  assert.deepEqual([published.code, published.stderr], [0, '']);
  for (const start of ['mosquitto_sub', 'hydrant sub']) {
    assert.equal((await shell(here(`${find(start)} -C 1 -W 10`))).stdout, 'demo/hello hello\n', start);
  }
  assert.match((await shell(here(find('curl')))).stdout, /"topic":"demo\/hello"/);
  assert.deepEqual(await server.kill('SIGTERM'), { code: 0, signal: null });
});

test('the section that is printed is a configuration', async () => {
  await using folder = await createTempFolder('a "folder"');
  const made = await runHydrant(['tls', 'self-signed', '--out', join(folder.path, 'tls'), '--client', 'alice']);
  const yaml = /^ {2}tls:\n(?: {4}.+\n)+/m.exec(made.stdout)![0].replaceAll(/^ {2}/gm, '');
  await using server = await startHydrant({ config: yaml });
  assert.ok(server.urls.mqtts);
});

test('--host and --days are taken, and a second call changes nothing unless it is forced', async () => {
  await using folder = await createTempFolder();
  const call = (...more: string[]) => runHydrant(['tls', 'self-signed', '--out', folder.path, ...more]);
  const first = await call('--host', 'bus.example.org', '192.0.2.7', '--days', '3');
  assert.match(first.stdout, /server\.pem +the server: localhost, 127\.0\.0\.1, ::1, .*bus\.example\.org, 192\.0\.2\.7\n/);
  assert.ok(first.stdout.includes(`until ${new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10)}`));
  const before = readFileSync(join(folder.path, 'server.pem'), 'utf8');
  const second = await call();
  assert.deepEqual([second.code, second.stdout], [2, '']);
  assert.match(second.stderr, /server\.pem is there already\n {2}fix: .*--force/);
  assert.equal(readFileSync(join(folder.path, 'server.pem'), 'utf8'), before);
  const third = await call('--force');
  assert.match(third.stdout, /ca\.pem +was there already/);
  assert.notEqual(readFileSync(join(folder.path, 'server.pem'), 'utf8'), before);
  writeFileSync(join(folder.path, 'ca.pem'), 'spoiled\n');
  assert.match((await call('--client', 'alice')).stderr, /ca\.pem is there already/);
  assert.match((await call('--force')).stdout, /ca\.pem +the authority/);
});
