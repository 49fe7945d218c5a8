import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { within } from '../../testing/deadline.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { WatchedFile } from './watched-file.ts';

/** A file that is good when it is a number. */
function open(path: string): { file: WatchedFile<{ is: number }>; warnings: unknown[]; parsed: () => number } {
  const warnings: unknown[] = [];
  let parsed = 0;
  const file = new WatchedFile<{ is: number }>(path, {
    what: 'number file',
    parse: (bytes) => {
      parsed++;
      if (!/^\d+$/.test(bytes.toString())) throw new HydrantError('HYD_CREDENTIALS', `${path} is no number`);
      return { is: Number(bytes) };
    },
    isSame: (one, other) => one.is === other.is,
    log: (_level, _message, fields) => void warnings.push(fields?.error),
  });
  return { file, warnings, parsed: () => parsed };
}

test('a file is read again only when it was written, renamed over, or a link to it was turned', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'number');
  const { file, parsed } = open(path);
  await writeFile(path, '1');
  assert.deepEqual([await file.read(), await file.read(), parsed()], [{ is: 1 }, { is: 1 }, 1]);
  await writeFile(path, '22');
  const written = await file.read();
  assert.deepEqual([written, parsed()], [{ is: 22 }, 2]);
  await utimes(path, 1, 1);
  assert.equal(await file.read(), written, 'a touch makes no other value of it');
  await writeFile(`${path}.new`, '33');
  await rename(`${path}.new`, path);
  assert.deepEqual([await file.read(), parsed()], [{ is: 33 }, 4]);
  for (const [version, value] of [
    ['v1', '44'],
    ['v2', '55'],
  ] as const) {
    await mkdir(join(folder.path, version));
    await writeFile(join(folder.path, version, 'number'), value);
    await symlink(version, join(folder.path, 'next'));
    await rename(join(folder.path, 'next'), join(folder.path, 'current'));
  }
  await rm(path);
  await symlink('current/number', path);
  assert.deepEqual(await file.read(), { is: 55 });
  await symlink('v1', join(folder.path, 'next'));
  await rename(join(folder.path, 'next'), join(folder.path, 'current'));
  assert.deepEqual(await file.read(), { is: 44 });
});

test('a file that is half written or gone leaves the value before it in force, and says so once', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'number');
  const { file, warnings } = open(path);
  await writeFile(path, '1');
  const first = await file.read();
  await writeFile(path, '2x');
  for (let i = 0; i < 3; i++) assert.equal(await file.read(), first);
  assert.deepEqual(warnings, [`${path} is no number`]);
  await rm(path);
  for (let i = 0; i < 3; i++) assert.equal(await file.read(), first);
  assert.deepEqual(warnings.slice(1), [`the number file ${path} does not exist`]);
  await writeFile(path, '2');
  assert.deepEqual(await file.read(), { is: 2 });
  assert.equal(warnings.length, 2);
});

test('a file that was never good says what is wrong with it, each time', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'number');
  const { file } = open(path);
  for (let i = 0; i < 2; i++)
    await assert.rejects(file.read(), { code: 'HYD_CREDENTIALS', message: `the number file ${path} does not exist` });
  await writeFile(path, 'x');
  for (let i = 0; i < 2; i++) await assert.rejects(file.read(), { code: 'HYD_CREDENTIALS', message: `${path} is no number` });
  await writeFile(path, '1'.repeat(70_000));
  await assert.rejects(file.read(), { message: `the number file ${path} is 70000 bytes long, and 65536 is the most` });
  await rm(path);
  await mkdir(path);
  await assert.rejects(file.read(), { message: `the number file ${path} is a folder` });
  await assert.rejects(open(join(path, 'x', 'y')).file.read(), { message: /does not exist/ });
});

test('a file that this user may not read says which user that is', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'number');
  await writeFile(path, '1', { mode: 0o000 });
  const user = process.geteuid!();
  const other = user === 0 ? 65_534 : user;
  process.seteuid!(other);
  try {
    await assert.rejects(open(path).file.read(), {
      code: 'HYD_CREDENTIALS',
      message: `the number file ${path} may not be read by user ${other}`,
    });
  } finally {
    process.seteuid!(user);
  }
});

test('whoever watches is called for another value, not for a half-written file', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'number');
  const { file, warnings } = open(path);
  await writeFile(path, '1');
  await file.read();
  const replaced: number[] = [];
  let next = Promise.withResolvers<void>();
  const end = file.watch(async () => {
    replaced.push((await file.read()).is);
    next.resolve();
  });
  try {
    await writeFile(`${path}.new`, '2');
    await rename(`${path}.new`, path);
    await within(next.promise, 20_000, 'the replaced file to be noticed');
    next = Promise.withResolvers<void>();
    await writeFile(path, '2x');
    await file.read();
    await writeFile(path, '3');
    await within(next.promise, 20_000, 'the file to be noticed once it is whole');
    assert.deepEqual(replaced, [2, 3]);
    assert.deepEqual(warnings, [`${path} is no number`]);
  } finally {
    end();
  }
});
