import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { HydrantError } from '../core/errors.ts';
import { collect } from '../testing/collect.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { createFsStore } from './drivers/fs.ts';
import type { ObjectStore, ReadableStore } from './store.ts';
import { createUnionStore } from './union.ts';

const ONCE = { ifNoneMatch: true } as const;

async function createPair() {
  const folder = await createTempFolder();
  const [local, remote] = ['local', 'remote'].map((name) => createFsStore(join(folder.path, name))) as [ObjectStore, ObjectStore];
  const union = createUnionStore([
    { name: 'here', store: local },
    { name: 'there', store: remote },
  ]);
  return { local, remote, union, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

const keysOf = async (store: ReadableStore, prefix?: string) => (await collect(store.list(prefix))).map(({ key }) => key);

test('the first store that has a key answers for it, whole, by range, as a stream and with its size', async () => {
  await using pair = await createPair();
  await pair.local.put('both', Buffer.from('local'), ONCE);
  await pair.remote.put('both', Buffer.from('remote one'), ONCE);
  await pair.remote.put('far', Buffer.alloc(2_500_000, 7), ONCE);
  assert.equal(String(await pair.union.get('both')), 'local');
  assert.equal(String(await pair.union.get('both', { start: 1, end: 3 })), 'oc');
  assert.equal((await pair.union.head('both'))?.bytes, 5);
  assert.equal(String(Buffer.concat(await collect(pair.union.stream('both')))), 'local');
  assert.equal((await pair.union.get('far', { start: 2_400_000, end: 9_999_999 })).length, 100_000);
  assert.equal((await pair.union.head('far'))?.bytes, 2_500_000);
  assert.equal(Buffer.concat(await collect(pair.union.stream('far'))).length, 2_500_000);
});

test('what none of them has is missing, and the error names them', async () => {
  await using pair = await createPair();
  assert.equal(await pair.union.head('none'), undefined);
  const expected = { code: 'HYD_OBJECT_MISSING', message: 'there is no object none in here or there' };
  await assert.rejects(pair.union.get('none'), expected);
  await assert.rejects(pair.union.stream('none').next(), expected);
  assert.deepEqual(await keysOf(createUnionStore([])), []);
});

test('a list has each key once, in the order of the bytes, with the size that the first store says', async () => {
  await using pair = await createPair();
  for (const key of ['a/1', 'a/3', 'b', '\uffee']) await pair.local.put(key, Buffer.from('xx'), ONCE);
  for (const key of ['a/2', 'a/3', 'a/4', 'c', '😀']) await pair.remote.put(key, Buffer.from('yyy'), ONCE);
  assert.deepEqual(await keysOf(pair.union), ['a/1', 'a/2', 'a/3', 'a/4', 'b', 'c', '\uffee', '😀']);
  assert.deepEqual(
    (await collect(pair.union.list('a/'))).map(({ key, bytes }) => `${key} ${bytes}`),
    ['a/1 2', 'a/2 3', 'a/3 2', 'a/4 3'],
  );
});

test('an object that moves to the later store while a list is read is in it', async () => {
  await using pair = await createPair();
  for (const key of ['a', 'm', 'z']) await pair.local.put(key, Buffer.from(key), ONCE);
  await pair.remote.put('b', Buffer.from('b'), ONCE);
  const list = pair.union.list();
  const seen = [(await list.next()).value!.key];
  await pair.remote.put('m', Buffer.from('m'), ONCE);
  await pair.local.delete('m');
  for await (const { key } of list) seen.push(key);
  assert.deepEqual(seen, ['a', 'b', 'm', 'z']);
  assert.equal(String(await pair.union.get('m')), 'm');
});

test('a store that is down is named, and asked only when those before it do not have the key', async () => {
  await using pair = await createPair();
  await pair.local.put('here', Buffer.from('x'), ONCE);
  const down = () => {
    throw new HydrantError('HYD_STORE', 'connection refused', { fix: 'start it' });
  };
  const stream = (): AsyncGenerator<never> =>
    (async function* (): AsyncGenerator<never> {
      yield await down();
    })();
  const broken: ReadableStore = { get: async () => down(), head: async () => down(), stream, list: stream, close: async () => {} };
  const union = createUnionStore([
    { name: 'here', store: pair.local },
    { name: 's3://far', store: broken },
  ]);
  assert.equal(String(await union.get('here')), 'x');
  assert.equal((await union.head('here'))?.bytes, 1);
  const expected = { code: 'HYD_STORE', message: 's3://far: connection refused', fix: 'start it' };
  await assert.rejects(union.get('none'), expected);
  await assert.rejects(union.head('none'), expected);
  await assert.rejects(union.stream('none').next(), expected);
  await assert.rejects(collect(union.list()), expected);
});
