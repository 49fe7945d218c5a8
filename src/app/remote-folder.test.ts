import assert from 'node:assert/strict';
import { stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import type { HydrantError } from '../core/errors.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { prepareRemoteFolder } from './remote-folder.ts';

/** Of the data folder `dir`; resolves with what was logged. */
async function prepare(dir: string, path: string): Promise<string[]> {
  const logged: string[] = [];
  await prepareRemoteFolder(path, {
    to: pathToFileURL(path).href,
    localDir: join(dir, 'archive'),
    log: (level, message, fields) => void logged.push(`${level} ${message}: ${fields?.error}; ${fields?.fix}`),
  });
  return logged;
}

test('the folder of archive.to is made, however deep, and may be there', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'a/b/c');
  for (const _ of ['made', 'there']) assert.deepEqual(await prepare(folder.path, path), []);
  assert.ok((await stat(path)).isDirectory());
});

test('an archive.to that is no folder, or none to write to, is refused with its name', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'below'), join(folder.path, 'x'.repeat(300))])
    await assert.rejects(
      prepare(folder.path, path),
      ({ code, message, fix }: HydrantError) =>
        code === 'HYD_CONFIG' && message.startsWith(`archive.to is file://${path}: `) && /Name a folder/.test(fix),
    );
});

test('an archive.to that is the local archive under another name is refused: what is uploaded is removed there', async () => {
  await using folder = await createTempFolder();
  const other = join(folder.path, 'other');
  await symlink(folder.path, other);
  for (const path of [join(folder.path, 'archive'), join(other, 'archive')])
    await assert.rejects(prepare(folder.path, path), /the archive of the data folder itself/);
});

test('a fault that may pass, such as a mount that is not there yet, is logged and keeps nobody from starting', async () => {
  await using folder = await createTempFolder();
  const [line, ...more] = await prepare(folder.path, '/proc/hydrant/remote');
  assert.match(line!, /^error nothing can be uploaded now; .*archive\.to is file:\/\/\/proc\/hydrant\/remote: ENOENT.*; Name a folder/);
  assert.deepEqual(more, []);
});
