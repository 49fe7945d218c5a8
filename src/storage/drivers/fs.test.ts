import assert from 'node:assert/strict';
import { mkdir, open, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { collect } from '../../testing/collect.ts';
import { asOtherUser } from '../../testing/other-user.ts';
import { storeContract } from '../../testing/store-contract.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { createFsStore } from './fs.ts';

const ONCE = { ifNoneMatch: true } as const;

storeContract('fs', async () => {
  const folder = await createTempFolder();
  return { store: createFsStore(join(folder.path, 'archive')), [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
});

test('files are readable by their owner only, also those moved in (archive defect 16: world-readable files)', async () => {
  await using folder = await createTempFolder();
  const store = createFsStore(join(folder.path, 'archive'));
  const path = join(folder.path, 'open-to-all');
  await writeFile(path, 'x', { mode: 0o644 });
  await store.put('a/b/put', Buffer.from('x'), ONCE);
  await store.put('a/b/copied', { path }, ONCE);
  await store.put('a/b/moved', { path, move: true }, ONCE);
  for (const name of ['put', 'copied', 'moved'])
    assert.equal((await stat(join(folder.path, 'archive/a/b', name))).mode & 0o777, 0o600, name);
  for (const name of ['', 'a', 'a/b']) assert.equal((await stat(join(folder.path, 'archive', name))).mode & 0o777, 0o700, name);
});

test('folders that a delete leaves empty are removed, the root is not', async () => {
  await using folder = await createTempFolder();
  const store = createFsStore(folder.path);
  await store.put('a/b/c/one', Buffer.from('1'), ONCE);
  await store.put('a/two', Buffer.from('2'), ONCE);
  await store.delete('a/b/c/one');
  assert.deepEqual(await readdir(join(folder.path, 'a')), ['two']);
  await store.delete('a/two');
  assert.deepEqual(await readdir(folder.path), []);
});

test('the leavings of a put that died are never listed, and clean removes them and nothing else', async () => {
  await using folder = await createTempFolder();
  const store = createFsStore(folder.path);
  await store.put('a/b', Buffer.from('kept'), ONCE);
  await mkdir(join(folder.path, 'a/c'));
  for (const name of ['.put-0011', 'a/.put-2233', 'a/c/.put-4455', 'a/.other']) await writeFile(join(folder.path, name), 'half');
  assert.deepEqual(
    (await collect(store.list())).map((info) => info.key),
    ['a/b'],
  );
  assert.equal(await store.clean(), 3);
  assert.deepEqual((await readdir(join(folder.path, 'a'))).sort(), ['.other', 'b', 'c']);
  assert.equal(String(await store.get('a/b')), 'kept');
});

test('clean leaves what a put of this process has under way', async (t) => {
  await using folder = await createTempFolder();
  const probe = await open(join(folder.path, 'probe'), 'w');
  const handle = Object.getPrototypeOf(probe);
  await probe.close();
  const syncing = Promise.withResolvers<void>();
  const goOn = Promise.withResolvers<void>();
  const { sync } = handle;
  t.mock.method(
    handle,
    'sync',
    async function (this: unknown) {
      syncing.resolve();
      await goOn.promise;
      return sync.call(this);
    },
    { times: 1 },
  );
  const store = createFsStore(join(folder.path, 'archive'));
  await mkdir(join(folder.path, 'archive'));
  const putting = store.put('a', Buffer.from('x'), ONCE);
  await syncing.promise;
  assert.equal(await store.clean(), 0);
  goOn.resolve();
  assert.equal(await putting, 'created');
  assert.equal(String(await store.get('a')), 'x');
});

test('a put that fails leaves neither an object nor a temporary file', async () => {
  await using folder = await createTempFolder();
  const store = createFsStore(join(folder.path, 'archive'));
  await assert.rejects(store.put('a/b', { path: join(folder.path, 'none') }, ONCE), { code: 'HYD_STORE', message: /a\/b.*none/ });
  assert.deepEqual(await readdir(join(folder.path, 'archive/a')), []);
  await store.put('plain', Buffer.from('x'), ONCE);
  await assert.rejects(store.put('plain/below', Buffer.from('x'), ONCE), { code: 'HYD_OBJECT_EXISTS' });
});

test('writes and reads that the system cuts short are carried on', async (t) => {
  await using folder = await createTempFolder();
  const probe = await open(join(folder.path, 'probe'), 'w');
  const handle = Object.getPrototypeOf(probe);
  await probe.close();
  const { write, read } = handle;
  t.mock.method(handle, 'write', function (this: unknown, bytes: Buffer, from: number, length: number, at: number) {
    return write.call(this, bytes, from, Math.min(length, 7), at);
  });
  t.mock.method(handle, 'read', function (this: unknown, bytes: Buffer, from: number, length: number, at: number) {
    return read.call(this, bytes, from, Math.min(length, 5), at);
  });
  const store = createFsStore(join(folder.path, 'archive'));
  const text = 'a text that is longer than what one call takes';
  await store.put('a', Buffer.from(text), ONCE);
  assert.equal(String(await store.get('a')), text);
  assert.equal(String(await store.get('a', { start: 2, end: 30 })), text.slice(2, 30));
  assert.equal(String(Buffer.concat(await collect(store.stream('a')))), text);
});

test('a file where the folder should be is said to be one, by reading and by writing, and stays as it is', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'notes.txt');
  await writeFile(path, 'mine');
  const store = createFsStore(path);
  const expected = { code: 'HYD_STORE', message: `${path} is a file, not a folder`, fix: /Name a folder/ };
  await assert.rejects(store.put('a/b', Buffer.from('x'), ONCE), expected);
  await assert.rejects(store.put('a', Buffer.from('x'), ONCE), expected);
  await assert.rejects(collect(store.list()), expected);
  assert.equal(String(await readFile(path)), 'mine');
});

test('a folder of somebody else is no empty one: it is named, with what to do', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'archive');
  await mkdir(path, { mode: 0o000 });
  const store = createFsStore(path);
  await asOtherUser(async () => {
    await assert.rejects(collect(store.list()), {
      code: 'HYD_STORE',
      message: new RegExp(`^cannot list the objects: EACCES: .*${path}`),
      fix: /Run it as the user who owns that folder/,
    });
    await assert.rejects(store.put('a/b', Buffer.from('x'), ONCE), { code: 'HYD_STORE', fix: /Run it as the user who owns/ });
  });
});
