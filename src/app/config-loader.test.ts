import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { createTempFolder } from '../testing/temp-folder.ts';
import { readConfig } from './config-loader.ts';

const schema = z.strictObject({
  store: z.strictObject({ key: z.string().min(20).meta({ secret: true }).optional(), name: z.string().default('s') }).prefault({}),
});

const SECRET = 'twenty-characters-and-more';

async function readWith(yaml: string, secret: string, env: (path: string) => NodeJS.ProcessEnv = () => ({}), set?: string) {
  await using dir = await createTempFolder();
  const path = join(dir.path, 'secret');
  await writeFile(path, `${secret}\n`);
  await writeFile(join(dir.path, 'c.yaml'), yaml.replace('PATH', path));
  const sets = set === undefined ? [] : [set.replace('PATH', path)];
  return readConfig(schema, { file: join(dir.path, 'c.yaml'), env: env(path), sets });
}

test('a secret comes from the file that keyFile names, and remembers that line', async () => {
  const read = await readWith('store:\n  keyFile: PATH\n', SECRET);
  assert.equal(read.config.store.key, SECRET);
  assert.deepEqual({ ...read.given.get('store.key')!.origin, file: '' }, { from: 'file', file: '', line: 2, column: 12 });
});

test('the file of a secret is looked for from the folder of the configuration, as every file that it names', async () => {
  const read = await readWith('store:\n  keyFile: secret\n', SECRET);
  assert.equal(read.config.store.key, SECRET);
});

test('a secret in a variable wins over keyFile, and so does its …_FILE', async () => {
  assert.equal(
    (await readWith('store: {keyFile: /nowhere}', SECRET, (path) => ({ HYDRANT_STORE_KEY_FILE: path }))).config.store.key,
    SECRET,
  );
  const direct = await readWith('store: {keyFile: /nowhere}', SECRET, () => ({ HYDRANT_STORE_KEY: 'directly-from-the-variable' }));
  assert.equal(direct.config.store.key, 'directly-from-the-variable');
});

test('a secret that --set gives wins over all, also when it stands in a file; of the files that it wins over none is read', async () => {
  const keyOf = async (env: NodeJS.ProcessEnv, set: string) =>
    (await readWith('store: {keyFile: /nowhere}', SECRET, () => env, set)).config.store.key;
  for (const env of [{}, { HYDRANT_STORE_KEY: 'directly-from-the-variable' }, { HYDRANT_STORE_KEY_FILE: '/nowhere-either' }]) {
    assert.equal(await keyOf(env, 'store.key=directly-from-the-flag'), 'directly-from-the-flag');
    assert.equal(await keyOf(env, 'store.keyFile=PATH'), SECRET);
  }
  await assert.rejects(
    readWith('', SECRET, () => ({ HYDRANT_STORE_KEY_FILE: '/nowhere-either' })),
    { message: /environment HYDRANT_STORE_KEY_FILE: store.keyFile: ENOENT/ },
  );
});

test('the file that a variable names for any key is read unless --set gives that key', async () => {
  const read = (set?: string) => readWith('', 'of the file', (path) => ({ HYDRANT_STORE_NAME_FILE: set ? '/nowhere' : path }), set);
  assert.equal((await read()).config.store.name, 'of the file');
  assert.equal((await read('store.name=of the flag')).config.store.name, 'of the flag');
});

test('key and keyFile in one file are refused', async () => {
  await assert.rejects(readWith(`store: {key: ${SECRET}, keyFile: PATH}`, SECRET), {
    code: 'HYD_CONFIG',
    message: /c\.yaml:1:\d+: store\.key is given too/,
  });
});

test('a file that cannot be read is named, and a wrong secret is never printed', async () => {
  await assert.rejects(readWith('store: {keyFile: /nowhere}', SECRET), { message: /store\.keyFile: ENOENT/ });
  await assert.rejects(
    readWith('store: {keyFile: PATH}', 'too-short'),
    (error: Error) => /store\.key is \*\*\*/.test(error.message) && !error.message.includes('too-short'),
  );
});
