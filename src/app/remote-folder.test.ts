import assert from 'node:assert/strict';
import { stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
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

test('an archive.to that is no folder, or where none can be made, is told at start with the fix and keeps nobody from starting', async () => {
  await using folder = await createTempFolder();
  const file = join(folder.path, 'file');
  await writeFile(file, '');
  for (const path of [file, join(file, 'below'), join(folder.path, 'x'.repeat(300)), '/proc/hydrant/remote']) {
    const [line, ...more] = await prepare(folder.path, path);
    assert.ok(line!.startsWith(`error nothing can be uploaded now; it is tried again by itself: archive.to is file://${path}: E`), line);
    assert.match(line!, /; Name a folder/);
    assert.deepEqual(more, []);
  }
});

test('an archive.to that is the local archive under another name is refused: what is uploaded is removed there', async () => {
  await using folder = await createTempFolder();
  const other = join(folder.path, 'other');
  await symlink(folder.path, other);
  for (const path of [join(folder.path, 'archive'), join(other, 'archive')])
    await assert.rejects(prepare(folder.path, path), /the archive of the data folder itself/);
});
