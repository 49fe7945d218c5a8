import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Command } from 'commander';
import { SOURCES } from '../../sources/registry.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { kindFlags } from './kind-flags.ts';
import { addSpecOptions, readSpec, type SpecOptions } from './spec.ts';

interface Call {
  yaml?: string;
  words?: string[];
  env?: Record<string, string>;
}

/** What `hydrant source KIND` makes of its command line, with the names of the test's folder left out; it has the files `secret` and `empty`. */
async function read(name: string, { yaml = '', words = [], env = {} }: Call) {
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'secret'), 'of the file\n');
  await writeFile(join(folder.path, 'empty'), '\n');
  await writeFile(join(folder.path, 'hydrant.yaml'), yaml);
  const kind = SOURCES.find((one) => one.name === name)!;
  const flags = kindFlags(kind);
  const command = addSpecOptions(new Command().exitOverride(), kind, flags);
  command.parse(['-d', folder.path, ...words.map((word) => word.replace('FOLDER', folder.path))], { from: 'user' });
  const call = { args: command.args, options: command.opts<SpecOptions>(), env };
  const { spec } = await readSpec(kind, flags, call).catch((error: Error) => {
    error.message = error.message.replaceAll(`${folder.path}/`, '');
    throw error;
  });
  return spec.options as Record<string, unknown>;
}

const LAUNCHPAD = ['--host', 'h', '--user', 'u'];

test('a mistake in the configuration is named with its place, also beside flags', async () => {
  const yaml = 'sources:\n  launchpad:\n    hosd: h\n    port: many\n    user: u\n    passwordFile: nowhere\n';
  await assert.rejects(read('launchpad', { yaml }), (error: Error & { code: string; fix: string }) => {
    assert.equal(error.code, 'HYD_CONFIG');
    assert.deepEqual(
      error.message
        .replace(/ENOENT.*/, 'ENOENT')
        .split('\n')
        .sort(),
      [
        '--host is needed',
        'hydrant.yaml:3:11: sources.launchpad.hosd: there is no such option; did you mean host?',
        'hydrant.yaml:4:11: sources.launchpad.port: expected a whole number from 1 to 65535',
        'hydrant.yaml:6:19: sources.launchpad.passwordFile: cannot be read: ENOENT',
      ],
    );
    assert.match(error.fix, /hydrant config check/);
    return true;
  });
  await assert.rejects(read('launchpad', { yaml, words: [...LAUNCHPAD, '--port', '143', '--password', 'p'] }), {
    message: 'hydrant.yaml:3:11: sources.launchpad.hosd: there is no such option; did you mean host?',
  });
  await assert.rejects(read('gerrit', { yaml: 'sources: { gerrit: { kind: exec } }\n' }), {
    message: 'hydrant.yaml:1:28: sources.gerrit.kind: it is exec, not gerrit',
  });
});

test('what lacks in a section of the configuration is named there', async () => {
  const yaml = 'sources:\n  gerrit:\n    eventsLog: { user: v }\n';
  await assert.rejects(read('gerrit', { yaml, words: LAUNCHPAD }), {
    code: 'HYD_CONFIG',
    message: 'hydrant.yaml:3:16: sources.gerrit.eventsLog.url is needed',
  });
});

test('a mistake in a flag is named as a flag, also where the configuration has the option', async () => {
  const yaml = 'sources: { launchpad: { host: h, user: u, password: p, port: 143 } }\n';
  await assert.rejects(read('launchpad', { yaml, words: ['--port', '70000'] }), {
    code: 'HYD_USAGE',
    message: '--port: expected a whole number from 1 to 65535',
  });
  await assert.rejects(read('launchpad', { yaml, words: ['--password-file', 'FOLDER/nowhere'] }), {
    code: 'HYD_USAGE',
    message: /^--password-file: cannot be read: ENOENT[^\n]*$/,
  });
  await assert.rejects(read('launchpad', { yaml, words: ['--password-file', 'FOLDER/empty'] }), {
    message: /^--password-file: empty is empty$/,
  });
  await assert.rejects(read('launchpad', { words: LAUNCHPAD }), { code: 'HYD_USAGE', message: '--password is needed' });
});

test('a mistake in a variable is named as the variable', async () => {
  const env = { HYDRANT_SOURCE_SECRET: 'too-short' };
  const words = ['--preset', 'standard-webhooks'];
  await assert.rejects(read('webhook', { words, env }), { code: 'HYD_USAGE', message: /^environment HYDRANT_SOURCE_SECRET: / });
});

test('a secret of a section comes from the environment too, and wins over the configuration, not over a flag', async () => {
  const yaml = "sources: { gerrit: { host: h, user: u, eventsLog: { url: 'http://g/', password: of the configuration } } }\n";
  const env = { HYDRANT_SOURCE_EVENTS_LOG_PASSWORD: 'of the environment' };
  const password = async (call: Call) => ((await read('gerrit', { yaml, ...call })).eventsLog as { password: string }).password;
  assert.equal(await password({}), 'of the configuration');
  assert.equal(await password({ env }), 'of the environment');
  assert.equal(await password({ env, words: ['--events-log-password', 'of a flag'] }), 'of a flag');
  assert.equal(await password({ env, words: ['--events-log-password-file', 'FOLDER/secret'] }), 'of the file');
});

test('of the files of a secret only that which is used is read', async () => {
  const yaml = 'sources: { launchpad: { host: h, user: u, passwordFile: nowhere } }\n';
  const password = async (call: Call) => (await read('launchpad', { yaml, ...call })).password;
  await assert.rejects(password({}), /sources.launchpad.passwordFile: cannot be read: ENOENT[^\n]*$/);
  assert.equal(await password({ words: ['--password', 'of a flag'] }), 'of a flag');
  assert.equal(await password({ words: ['--password-file', 'FOLDER/secret'] }), 'of the file');
  assert.equal(await password({ env: { HYDRANT_SOURCE_PASSWORD: 'of the environment' } }), 'of the environment');
  const env = { HYDRANT_SOURCE_PASSWORD: 'of the environment' };
  assert.equal(await password({ env, words: ['--password-file', 'FOLDER/secret'] }), 'of the file');
});

test('flags behind the first word of a command are its own, with and without --', async () => {
  for (const words of [
    ['-t', 'a', 'sh', '-c', 'x', '-t'],
    ['-t', 'a', '--', 'sh', '-c', 'x', '-t'],
  ]) {
    const { topic, command } = await read('exec', { words });
    assert.deepEqual([topic, command], ['a', ['sh', '-c', 'x', '-t']]);
  }
});
