import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from './state-store.ts';

const steps = ['CREATE TABLE IF NOT EXISTS pairs (name TEXT PRIMARY KEY, value INTEGER)'];

async function withFolder(run: (path: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'hydrant-state-'));
  try {
    await run(join(folder, 'state.db'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('what was committed is there after opening again, in the order it was written', () =>
  withFolder(async (path) => {
    await using store = new StateStore(path, { steps });
    for (let i = 0; i < 1000; i++)
      store.write('INSERT INTO pairs VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value', `k${i % 10}`, i);
    await store.commit();
    await store.close();
    await using again = new StateStore(path, { steps });
    assert.deepEqual(
      (await again.all('SELECT value FROM pairs ORDER BY name')).map((row) => row.value),
      [990, 991, 992, 993, 994, 995, 996, 997, 998, 999],
    );
  }));

test('callbacks come in order, and each only after the writes before it', () =>
  withFolder(async (path) => {
    await using store = new StateStore(path, { steps });
    const seen: number[] = [];
    await new Promise<void>((resolve) => {
      for (let i = 0; i < 50; i++) {
        store.write('INSERT INTO pairs VALUES (?, ?)', `k${i}`, i);
        store.onDurable(() => {
          seen.push(i);
          if (i === 49) resolve();
        });
      }
    });
    assert.deepEqual(seen, [...Array(50).keys()]);
    assert.equal((await store.all('SELECT count(*) AS n FROM pairs'))[0]!.n, 50);
  }));

test('a position noted before a commit is in the same transaction', () =>
  withFolder(async (path) => {
    await using store = new StateStore(path, { steps });
    store.onBeforeCommit = () => store.write("INSERT INTO pairs VALUES ('position', 7) ON CONFLICT DO UPDATE SET value = 7");
    store.write("INSERT INTO pairs VALUES ('a', 1)");
    await store.commit();
    assert.deepEqual(
      (await store.all('SELECT name FROM pairs ORDER BY name')).map((row) => row.name),
      ['a', 'position'],
    );
  }));

test('a query that is wrong is refused with its reason', () =>
  withFolder(async (path) => {
    await using store = new StateStore(path, { steps });
    await assert.rejects(store.all('SELECT name FROM nowhere'), { code: 'HYD_STATE', message: /no such table: nowhere/ });
  }));

test('tables of an older version get what newer ones added, each step once; those of a newer version are left alone', () =>
  withFolder(async (path) => {
    {
      await using store = new StateStore(path, { steps });
      store.write("INSERT INTO pairs VALUES ('kept', 1)");
    }
    const more = [...steps, 'ALTER TABLE pairs ADD COLUMN note TEXT'];
    for (let start = 0; start < 2; start++) {
      await using store = new StateStore(path, { steps: more });
      assert.deepEqual({ ...(await store.all('SELECT * FROM pairs'))[0] }, { name: 'kept', value: 1, note: null });
    }
    const old = new StateStore(path, { steps });
    await assert.rejects(old.all('SELECT * FROM pairs'), /newer version/);
  }));
