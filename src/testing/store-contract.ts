import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { ObjectStore } from '../storage/store.ts';
import { collect } from './collect.ts';
import { createTempFolder } from './temp-folder.ts';

/** An empty store that ends with its test. */
export type StoreFactory = () => Promise<{ store: ObjectStore } & AsyncDisposable>;

const ONCE = { ifNoneMatch: true } as const;

/** What every storage driver must do. A driver's test runs this before its own. */
export function storeContract(driver: string, create: StoreFactory): void {
  const contract = (title: string, run: (store: ObjectStore) => Promise<void>) =>
    test(`${driver} store: ${title}`, async () => {
      await using place = await create();
      await run(place.store);
    });

  contract('gives back what was put, whole, by range and as a stream', async (store) => {
    const bytes = Buffer.alloc(2_500_000);
    for (let i = 0; i < bytes.length; i++) bytes[i] = (i * 7) % 251;
    assert.equal(await store.put('dt=2026-11-21/hour=10/a.bin', bytes, ONCE), 'created');
    assert.ok(bytes.equals(await store.get('dt=2026-11-21/hour=10/a.bin')));
    assert.ok(bytes.subarray(1000, 1_200_000).equals(await store.get('dt=2026-11-21/hour=10/a.bin', { start: 1000, end: 1_200_000 })));
    const chunks = await collect(store.stream('dt=2026-11-21/hour=10/a.bin'));
    assert.ok(bytes.equals(Buffer.concat(chunks)));
    assert.ok(chunks.every((chunk) => chunk.length <= 1024 * 1024));
  });

  contract('takes a large object from memory and from a file', async (store) => {
    await using folder = await createTempFolder();
    const bytes = randomBytes(11 * 1024 ** 2 + 1);
    const path = join(folder.path, 'large');
    await writeFile(path, bytes);
    await store.put('large/memory', bytes, ONCE);
    await store.put('large/file', { path, move: true }, ONCE);
    await assert.rejects(stat(path), { code: 'ENOENT' });
    for (const key of ['large/memory', 'large/file']) {
      assert.equal((await store.head(key))?.bytes, bytes.length);
      assert.ok(bytes.equals(Buffer.concat(await collect(store.stream(key)))), key);
      assert.ok(bytes.subarray(6_000_000, 6_000_100).equals(await store.get(key, { start: 6_000_000, end: 6_000_100 })), key);
      await assert.rejects(store.put(key, bytes.subarray(1), ONCE), { code: 'HYD_OBJECT_EXISTS' });
      assert.ok(bytes.equals(await store.get(key)), key);
    }
    assert.equal(await store.clean(), 0);
  });

  contract('gives what there is when a range passes the end', async (store) => {
    await store.put('a', Buffer.from('0123456789'), ONCE);
    assert.equal(String(await store.get('a', { start: 8, end: 100 })), '89');
    assert.equal(String(await store.get('a', { start: 10, end: 20 })), '');
    assert.equal(String(await store.get('a', { start: 50, end: 60 })), '');
    assert.equal(String(await store.get('a', { start: 5, end: 5 })), '');
    await assert.rejects(store.get('b', { start: 5, end: 5 }), { code: 'HYD_OBJECT_MISSING' });
  });

  contract('takes an empty object', async (store) => {
    await store.put('empty', Buffer.alloc(0), ONCE);
    assert.equal((await store.get('empty')).length, 0);
    assert.equal((await store.head('empty'))?.bytes, 0);
    assert.equal(Buffer.concat(await collect(store.stream('empty'))).length, 0);
  });

  contract('puts a file; a moved one is gone only when the object is there', async (store) => {
    await using folder = await createTempFolder();
    const path = join(folder.path, 'source');
    await writeFile(path, 'kept');
    await store.put('kept', { path }, ONCE);
    assert.ok(await stat(path));
    await store.put('moved', { path, move: true }, ONCE);
    await assert.rejects(stat(path), { code: 'ENOENT' });
    assert.equal(String(await store.get('kept')), 'kept');
    assert.equal(String(await store.get('moved')), 'kept');
    await writeFile(path, 'other');
    await assert.rejects(store.put('moved', { path, move: true }, ONCE), { code: 'HYD_OBJECT_EXISTS' });
    assert.ok(await stat(path));
  });

  contract('never overwrites, not even among many at once', async (store) => {
    const tries = Array.from({ length: 8 }, (_, i) => store.put('year/day', Buffer.from(`writer ${i}`), ONCE).then(() => i));
    const results = await Promise.allSettled(tries);
    const won = results.filter((result) => result.status === 'fulfilled');
    assert.equal(won.length, 1);
    for (const lost of results.filter((result) => result.status === 'rejected')) assert.equal(lost.reason.code, 'HYD_OBJECT_EXISTS');
    assert.equal(String(await store.get('year/day')), `writer ${won[0]!.value}`);
    await assert.rejects(store.put('year/day', Buffer.from('late'), ONCE), { code: 'HYD_OBJECT_EXISTS', message: /year\/day/ });
    assert.equal(String(await store.get('year/day')), `writer ${won[0]!.value}`);
  });

  contract('says when an object is missing', async (store) => {
    await store.put('a/b', Buffer.from('x'), ONCE);
    for (const key of ['none', 'a', 'a/b/c', 'a/none']) {
      assert.equal(await store.head(key), undefined, key);
      await assert.rejects(store.get(key), { code: 'HYD_OBJECT_MISSING' }, key);
      await assert.rejects(store.stream(key).next(), { code: 'HYD_OBJECT_MISSING' }, key);
    }
  });

  contract('head tells size and time', async (store) => {
    const beforeMs = Date.now() - 5000;
    await store.put('a', Buffer.from('12345'), ONCE);
    const info = await store.head('a');
    assert.equal(info?.key, 'a');
    assert.equal(info?.bytes, 5);
    assert.ok(info!.modifiedMs >= beforeMs && info!.modifiedMs <= Date.now() + 5000);
  });

  contract('lists by prefix, in the order of the bytes of the keys', async (store) => {
    const keys = ['a+b', 'a-b', 'a/b', 'a/b c%2f&<', 'a/b-c', 'a/bb/c', 'a/é', 'a/\uffee', 'a/😀', 'a0', 'b/1', 'b/10', 'b/2'];
    for (const key of [...keys].reverse()) await store.put(key, Buffer.from(key), ONCE);
    const listed = async (prefix?: string) => (await collect(store.list(prefix))).map((info) => info.key);
    assert.deepEqual(await listed(), keys);
    assert.deepEqual(await listed('a/b'), ['a/b', 'a/b c%2f&<', 'a/b-c', 'a/bb/c']);
    assert.deepEqual(await listed('a/bb/'), ['a/bb/c']);
    assert.deepEqual(await listed('b/1'), ['b/1', 'b/10']);
    assert.deepEqual(await listed('none/'), []);
    assert.equal((await collect(store.list('b/10')))[0]!.bytes, 4);
  });

  contract('lists more objects than one answer of a server holds, each once and in order', async (store) => {
    const keys = Array.from({ length: 1030 }, (_, i) => `many/${String(i).padStart(4, '0')}`);
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(keys.slice(at, at + 50).map((key) => store.put(key, Buffer.from('x'), ONCE)));
    }
    const listed = (await collect(store.list('many/'))).map((info) => info.key);
    assert.deepEqual(listed, keys);
  });

  contract('an empty store lists nothing', async (store) => {
    assert.deepEqual(await collect(store.list()), []);
    assert.equal(await store.clean(), 0);
  });

  contract('deletes; what is gone may be deleted again and put again', async (store) => {
    await store.put('a/b/c', Buffer.from('1'), ONCE);
    await store.put('a/d', Buffer.from('2'), ONCE);
    await store.delete('a/b/c');
    await store.delete('a/b/c');
    await store.delete('never/was');
    assert.deepEqual(
      (await collect(store.list())).map((info) => info.key),
      ['a/d'],
    );
    await store.put('a/b', Buffer.from('now an object'), ONCE);
    assert.equal(String(await store.get('a/b')), 'now an object');
  });

  contract('puts and deletes in one folder do not disturb each other', async (store) => {
    const round = async (i: number) => {
      await store.put(`x/y/${i}`, Buffer.from(String(i)), ONCE);
      await store.delete(`x/y/${i}`);
    };
    for (let n = 0; n < 10; n++) await Promise.all(Array.from({ length: 8 }, (_, i) => round(i)));
    assert.deepEqual(await collect(store.list()), []);
  });

  contract('refuses keys that are not plain levels', async (store) => {
    const refused = [
      '',
      '/a',
      'a/',
      'a//b',
      '..',
      '../a',
      'a/../b',
      './a',
      'a/.',
      '.hidden',
      'a/.hidden',
      'a\0b',
      'a\\b',
      '\ud800',
      'x'.repeat(201),
      `${'a/'.repeat(600)}a`,
    ];
    for (const key of refused) {
      const code = { code: 'HYD_OBJECT_KEY' };
      await assert.rejects(store.put(key, Buffer.from('x'), ONCE), code, JSON.stringify(key));
      await assert.rejects(store.get(key), code, JSON.stringify(key));
      await assert.rejects(store.head(key), code, JSON.stringify(key));
      await assert.rejects(store.delete(key), code, JSON.stringify(key));
    }
    assert.deepEqual(await collect(store.list()), []);
  });
}
