import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type ReadinessSources, readinessFaults } from './readiness.ts';

const fine: ReadinessSources = { dataDir: tmpdir(), minFreeBytes: 0, journal: { state: 'ok' }, store: { failing: false } };

test('a server whose journal, state and disk are fine is ready', async () => {
  assert.deepEqual(await readinessFaults(fine), []);
});

test('each thing that stops work is a reason of its own', async () => {
  const faults = await readinessFaults({
    dataDir: tmpdir(),
    minFreeBytes: 2 ** 60,
    journal: { state: 'full' },
    store: { failing: true },
  });
  assert.equal(faults.length, 3);
  assert.match(faults[0]!, /journal cannot be written: the disk is full/);
  assert.match(faults[1]!, /state store/);
  assert.match(faults[2]!, /free, less than health\.minFreeBytes \(1048576TiB\)/);
  assert.match((await readinessFaults({ ...fine, journal: { state: 'failed' } }))[0]!, /the disk refuses/);
  assert.match((await readinessFaults({ ...fine, dataDir: '/nowhere/at/all' }))[0]!, /cannot be looked at: ENOENT/);
});
