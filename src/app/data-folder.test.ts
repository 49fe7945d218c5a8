import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Child } from '../testing/child.ts';
import { asOtherUser } from '../testing/other-user.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { openDataFolder, readDataFolder } from './data-folder.ts';
import { folderHolder } from './folder-lock.ts';

const MODULE = new URL('./data-folder.ts', import.meta.url).href;
const HOLD = `const { openDataFolder } = await import(${JSON.stringify(MODULE)});
const folder = await openDataFolder(process.argv[1], { command: 'hydrant up --demo' });
console.log('held');
setInterval(() => folder, 1000);`;

test('a new folder is made for its owner only, with a journal id of its own', async () => {
  await using dir = await createTempFolder();
  const path = join(dir.path, 'a/b');
  const first = await openDataFolder(path, { command: 'test' });
  first.lock.release();
  assert.equal((await stat(path)).mode & 0o777, 0o700);
  assert.match(first.identity.journal, /^[0-9a-f]{16}$/);
  assert.equal(first.identity.format, 1);
  const again = await openDataFolder(path, { command: 'test' });
  again.lock.release();
  assert.deepEqual(again.identity, first.identity);
  assert.deepEqual(readDataFolder(path), first.identity);
});

test('the second server is refused at once and told who holds the folder; a kill -9 frees it', async () => {
  await using dir = await createTempFolder();
  await using child = new Child(process.execPath, ['--input-type=module', '-e', HOLD, dir.path]);
  await child.line((line) => (line === 'held' ? true : undefined), 20_000, 'that it holds the folder');
  const startedMs = performance.now();
  await assert.rejects(openDataFolder(dir.path, { command: 'second' }), {
    code: 'HYD_DATA_BUSY',
    message: new RegExp(`${dir.path} is in use by process ${child.pid} on \\S+ since \\d{4}-.* \\(hydrant up --demo\\)`),
  });
  assert.ok(performance.now() - startedMs < 1000);
  assert.equal(folderHolder(dir.path)?.pid, child.pid);
  await child.kill('SIGKILL');
  assert.equal(folderHolder(dir.path), undefined);
  (await openDataFolder(dir.path, { command: 'third' })).lock.release();
});

test('the same process cannot hold a folder twice either', async () => {
  await using dir = await createTempFolder();
  const { lock } = await openDataFolder(dir.path, { command: 'first' });
  await assert.rejects(openDataFolder(dir.path, { command: 'second' }), { code: 'HYD_DATA_BUSY', message: /\(first\)/ });
  lock.release();
  lock.release();
  (await openDataFolder(dir.path, { command: 'second' })).lock.release();
});

test('who looks for the server finds its listeners in lock.json while it runs', async () => {
  await using dir = await createTempFolder();
  const { lock } = await openDataFolder(dir.path, { command: 'test' });
  await lock.announce({ listeners: { mqtt: 'mqtt://127.0.0.1:1' } });
  assert.deepEqual(folderHolder(dir.path)?.listeners, { mqtt: 'mqtt://127.0.0.1:1' });
  lock.release();
  assert.equal(folderHolder(dir.path), undefined);
});

test('a folder of a newer format is refused, and stays free', async () => {
  await using dir = await createTempFolder();
  await writeFile(join(dir.path, 'hydrant.json'), '{"format":2,"journal":"0123456789abcdef","created":"2026-11-21T00:00:00Z"}');
  const expected = { code: 'HYD_DATA_FORMAT', message: /states format 2; this Hydrant reads formats up to 1/ };
  await assert.rejects(openDataFolder(dir.path, { command: 'test' }), expected);
  assert.throws(() => readDataFolder(dir.path), expected);
  assert.equal(folderHolder(dir.path), undefined);
});

test('an older folder is brought up step by step, and goes on where a crash in the middle left it', async () => {
  await using dir = await createTempFolder();
  (await openDataFolder(dir.path, { command: 'old' })).lock.release();
  const done: string[] = [];
  let dies = true;
  const upgrades = [
    { from: 1, run: async () => void done.push('1 to 2') },
    {
      from: 2,
      run: async () => {
        if (dies) throw new Error('power cut');
        done.push('2 to 3');
      },
    },
  ];
  await assert.rejects(openDataFolder(dir.path, { command: 'new', upgrades }), /power cut/);
  assert.equal(JSON.parse(await readFile(join(dir.path, 'hydrant.json'), 'utf8')).format, 2);
  dies = false;
  const folder = await openDataFolder(dir.path, { command: 'new', upgrades });
  folder.lock.release();
  assert.deepEqual(done, ['1 to 2', '2 to 3']);
  assert.equal(folder.identity.format, 3);
});

test('a new folder has the newest format without any step', async () => {
  await using dir = await createTempFolder();
  const upgrades = [{ from: 1, run: () => Promise.reject(new Error('must not run')) }];
  const { identity, lock } = await openDataFolder(dir.path, { command: 'new', upgrades });
  lock.release();
  assert.equal(identity.format, 2);
});

test('a lost or damaged hydrant.json beside a journal is refused: a fresh id would hide what is there', async () => {
  await using dir = await createTempFolder();
  await mkdir(join(dir.path, 'journal'));
  await writeFile(join(dir.path, 'journal', 'x.ndjson'), '');
  await assert.rejects(openDataFolder(dir.path, { command: 'test' }), {
    code: 'HYD_DATA_FORMAT',
    message: /has a journal but no hydrant\.json/,
  });
  for (const text of ['{', '{"format":1}', '{"format":0,"journal":"0123456789abcdef"}', 'null']) {
    await writeFile(join(dir.path, 'hydrant.json'), text);
    await assert.rejects(openDataFolder(dir.path, { command: 'test' }), { code: 'HYD_DATA_FORMAT' }, text);
  }
});

test('a folder that is none is named', async () => {
  await using dir = await createTempFolder();
  assert.throws(() => readDataFolder(dir.path), { code: 'HYD_DATA_MISSING', message: new RegExp(dir.path) });
});

test('a folder that cannot be written, a file in its place, and a place where none can be made are named by the file system', async () => {
  await using dir = await createTempFolder();
  const own = join(dir.path, 'own');
  await mkdir(own, { mode: 0o500 });
  await chmod(dir.path, 0o755);
  await asOtherUser(async () => {
    const refused = { code: 'EACCES', message: new RegExp(`EACCES: permission denied, .*'${own}/lock'`) };
    await assert.rejects(openDataFolder(own, { command: 'test' }), refused);
    await assert.rejects(openDataFolder(join(own, 'a'), { command: 'test' }), { code: 'EACCES' });
  });
  const file = join(dir.path, 'file');
  await writeFile(file, '');
  await assert.rejects(openDataFolder(file, { command: 'test' }), { code: 'EEXIST' });
  await assert.rejects(openDataFolder(join(file, 'a'), { command: 'test' }), { code: 'ENOTDIR' });
  if (existsSync('/proc/self')) await assert.rejects(openDataFolder('/proc/hydrant/a', { command: 'test' }), { code: 'ENOENT' });
});
