import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { type ReadinessSources, readinessFaults, readinessNotes } from './readiness.ts';

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

test('uploads are noted while they fail, and what never can be uploaded', () => {
  const uploads = {
    pending: 3,
    pendingBytes: 2 * 1024 * 1024,
    oldestPendingMs: 3_723_456,
    uploaded: 0,
    uploadedBytes: 0,
    failures: 0,
    conflicts: 0,
    removed: 0,
    lastError: '',
  };
  assert.deepEqual(readinessNotes(undefined), []);
  assert.deepEqual(readinessNotes(uploads), [], 'waiting alone is nothing to note');
  assert.deepEqual(readinessNotes({ ...uploads, lastError: 's3://secret: 403' }), [
    'uploads fail; archive objects that wait: 3 (2MiB), the oldest for 1h2m3s',
  ]);
  assert.deepEqual(readinessNotes({ ...uploads, conflicts: 1 }), [
    'archive objects that cannot be uploaded, because other content holds their place: 1',
  ]);
});
