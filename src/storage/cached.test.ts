import assert from 'node:assert/strict';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { collect } from '../testing/collect.ts';
import { FaultyStore } from '../testing/faulty-store.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { createCachedStore } from './cached.ts';
import { createFsStore } from './drivers/fs.ts';
import type { ReadableStore } from './store.ts';

const ONCE = { ifNoneMatch: true } as const;
const PIECE = 128 * 1024;

function bytesOf(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let i = 0; i < length; i++) bytes[i] = (i * 31 + seed * 7 + (i >> 9)) % 251;
  return bytes;
}

/** A store that notes what it is asked for, and caches before it that share a folder. */
async function createPlace(objects: Record<string, Buffer>, maxBytes = 64 * 1024 * 1024) {
  const folder = await createTempFolder();
  const remote = new FaultyStore(createFsStore(join(folder.path, 'remote')));
  for (const [key, bytes] of Object.entries(objects)) await remote.inner.put(key, bytes, ONCE);
  const dir = join(folder.path, 'cache');
  const open = async (id = 'a'): Promise<ReadableStore> => {
    const store = createCachedStore(remote, { dir, id, maxBytes });
    await collect(store.list());
    return store;
  };
  const gets = (): number => remote.calls.filter((call) => call.startsWith('get ')).length;
  return { dir, remote, open, gets, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() };
}

async function filesOf(dir: string): Promise<{ path: string; bytes: number }[]> {
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all(paths.map(async (path) => ({ path, bytes: (await stat(path)).size })));
}

test('a cached store gives what the store gives: whole, any range, as a stream', async () => {
  const objects = { empty: Buffer.alloc(0), small: bytesOf(100, 1), exact: bytesOf(2 * PIECE, 2), large: bytesOf(5_000_000, 3) };
  await using place = await createPlace(objects);
  const store = await place.open();
  for (const [key, bytes] of Object.entries(objects)) {
    assert.ok(bytes.equals(await store.get(key)), key);
    const chunks = await collect(store.stream(key));
    assert.ok(bytes.equals(Buffer.concat(chunks)), key);
    assert.ok(chunks.every((chunk) => chunk.length > 0 && chunk.length <= 1024 * 1024));
  }
  const at = fc.integer({ min: 0, max: 5_200_000 });
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...(Object.keys(objects) as (keyof typeof objects)[])), at, at, async (key, a, b) => {
      const [start, end] = [Math.min(a, b), Math.max(a, b)];
      assert.ok(objects[key].subarray(start, end).equals(await store.get(key, { start, end })));
    }),
    { numRuns: 40 },
  );
  await store.close();
});

test('what was read once is not fetched again, by another process neither, and neighbours come in one request', async () => {
  await using place = await createPlace({ k: bytesOf(10 * PIECE, 1) });
  const early = await place.open();
  await early.get('k', { start: 2 * PIECE, end: 3 * PIECE });
  await early.close();
  const first = await place.open();
  await first.get('k', { start: PIECE, end: 6 * PIECE });
  assert.equal(place.gets(), 3, 'what lies before and behind the piece that is there');
  await first.close();
  const second = await place.open();
  assert.ok(
    bytesOf(10 * PIECE, 1)
      .subarray(PIECE, 6 * PIECE)
      .equals(await second.get('k', { start: PIECE, end: 6 * PIECE })),
  );
  assert.equal(place.gets(), 3);
  await second.close();
  const other = await place.open('another store');
  await other.get('k', { start: PIECE, end: 6 * PIECE });
  assert.equal(place.gets(), 4, 'another store is not this one');
  await other.close();
});

test('a damaged file of the cache is found and fetched again', async () => {
  await using place = await createPlace({ k: bytesOf(3 * PIECE, 1) });
  const first = await place.open();
  await first.get('k');
  await first.close();
  const damage: ((bytes: Buffer) => Buffer)[] = [
    (bytes) => bytes.subarray(0, bytes.length - 1),
    (bytes) => Buffer.concat([bytes.subarray(0, 500), Buffer.from([bytes[500]! ^ 1]), bytes.subarray(501)]),
    () => Buffer.alloc(0),
  ];
  const files = await filesOf(place.dir);
  assert.equal(files.length, 3);
  for (const [i, { path }] of files.entries()) await writeFile(path, damage[i]!(await readFile(path)));
  const before = place.gets();
  const second = await place.open();
  assert.ok(bytesOf(3 * PIECE, 1).equals(await second.get('k')));
  assert.equal(place.gets(), before + 1);
  await second.close();
  const third = await place.open();
  assert.ok(bytesOf(3 * PIECE, 1).equals(await third.get('k')));
  assert.equal(place.gets(), before + 1, 'and is whole again');
  await third.close();
});

test('a file that stands in the place of another is not believed', async () => {
  await using place = await createPlace({ a: bytesOf(1000, 1), b: bytesOf(1000, 2) });
  const first = await place.open();
  await first.get('a');
  await first.close();
  const [a] = await filesOf(place.dir);
  const next = await place.open();
  await next.get('b');
  await next.close();
  const b = (await filesOf(place.dir)).find(({ path }) => path !== a!.path)!;
  await writeFile(b.path, await readFile(a!.path));
  const second = await place.open();
  assert.ok(bytesOf(1000, 2).equals(await second.get('b')));
  await second.close();
});

test('the folder stays within its bound, and what was used last is what stays', async () => {
  const objects = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`k${i}`, bytesOf(PIECE, i)]));
  const maxBytes = 10 * (PIECE + 32);
  await using place = await createPlace(objects, maxBytes);
  const store = await place.open();
  for (const key of Object.keys(objects)) {
    await store.get(key);
    const total = (await filesOf(place.dir).catch(() => [])).reduce((sum, { bytes }) => sum + bytes, 0);
    assert.ok(total <= maxBytes, `${total} bytes`);
  }
  await store.close();
  const before = place.gets();
  const again = await place.open();
  await again.get('k29');
  assert.equal(place.gets(), before, 'the last one is there');
  await again.get('k0');
  assert.equal(place.gets(), before + 1, 'the first one is gone');
  await again.close();
});

test('many at once in one folder that is too small for them all read what is right', async () => {
  const objects = Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`k${i}`, bytesOf(3 * PIECE + i, i)]));
  await using place = await createPlace(objects, 8 * PIECE);
  const stores = await Promise.all(Array.from({ length: 4 }, () => place.open()));
  const reads = Array.from({ length: 60 }, async (_, i) => {
    const key = `k${(i * 5) % 12}`;
    assert.ok(objects[key]!.equals(await stores[i % 4]!.get(key)), key);
  });
  await Promise.all(reads);
  for (const store of stores) await store.close();
});

test('a key that was taken anew by other content is seen, and one that was not listed is not kept', async () => {
  await using place = await createPlace({ k: bytesOf(1000, 1) });
  const first = await place.open();
  await first.get('k');
  await first.close();
  await place.remote.inner.delete('k');
  await place.remote.inner.put('k', bytesOf(1000, 2), ONCE);
  const second = await place.open();
  assert.ok(bytesOf(1000, 2).equals(await second.get('k')));
  await place.remote.inner.put('new', bytesOf(10, 3), ONCE);
  const before = place.gets();
  for (let i = 0; i < 2; i++) assert.ok(bytesOf(10, 3).equals(await second.get('new')));
  assert.equal(place.gets(), before + 2);
  await assert.rejects(second.get('none'), { code: 'HYD_OBJECT_MISSING' });
  await second.close();
});

test('a cache that cannot be written is done without', async () => {
  await using place = await createPlace({ k: bytesOf(1000, 1) });
  await writeFile(place.dir, 'a file stands where the folder should be');
  const store = await place.open();
  for (let i = 0; i < 3; i++) assert.ok(bytesOf(1000, 1).equals(await store.get('k')));
  await store.close();
});

test('what fails in the store fails here, and is asked again the next time', async () => {
  await using place = await createPlace({ k: bytesOf(1000, 1) });
  const store = await place.open();
  place.remote.before = (call) => {
    if (call === 'get') throw new Error('the store is down');
  };
  await assert.rejects(store.get('k'), /the store is down/);
  place.remote.before = () => {};
  assert.ok(bytesOf(1000, 1).equals(await store.get('k')));
  await store.close();
});
