import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKeyOf, objectEnding, parseArchiveKey, placeBase } from './keys.ts';

const BASE = 'dt=2026-11-20/hour=23/0123456789abcdef-00ff00ff-000000000000007-000000000000041';

test('keys of hours say journal, epoch, sequences, hour and what the file is', () => {
  const place = {
    layout: 'hive',
    fromMs: Date.parse('2026-11-20T23:00:00Z'),
    journal: '0123456789abcdef',
    epoch: '00ff00ff',
    first: 7,
    last: 41,
  } as const;
  assert.equal(placeBase(place), BASE);
  assert.deepEqual(parseArchiveKey(`${BASE}.ndjson.zst`), { ...place, base: BASE, file: 'object', codec: 'zstd' });
  assert.equal(parseArchiveKey(`${BASE}${objectEnding('hive', 'gzip')}`)?.codec, 'gzip');
  for (const [ending, file] of [
    ['manifest.json', 'manifest'],
    ['idx', 'index'],
    ['damaged', 'damaged'],
  ]) {
    assert.equal(parseArchiveKey(`${BASE}.${ending}`)?.file, file);
  }
  // What compaction made of the same sequences is told apart, so that both can be there for a while.
  const parquet = `${BASE}.parquet`;
  assert.deepEqual(parseArchiveKey(parquet), { ...place, base: parquet, file: 'object', codec: 'parquet' });
  for (const [ending, file] of [
    ['manifest.json', 'manifest'],
    ['idx', 'index'],
  ]) {
    assert.deepEqual(parseArchiveKey(`${parquet}.${ending}`), { ...place, base: parquet, file, codec: 'plain' });
  }
});

test('keys of days are the seed program’s, below their year or beside each other', () => {
  const place = { layout: 'daily', fromMs: Date.parse('2026-11-20'), number: 1 } as const;
  assert.equal(placeBase(place), '2026/20261120');
  assert.equal(placeBase({ ...place, number: 3 }), '2026/20261120-3');
  assert.deepEqual(parseArchiveKey('2026/20261120.json.gz'), { ...place, base: '2026/20261120', file: 'object', codec: 'gzip' });
  assert.deepEqual(parseArchiveKey('20261120.json'), { ...place, base: '20261120', file: 'object', codec: 'plain' });
  assert.equal((parseArchiveKey('2026/20261120-2.manifest.json') as { number: number }).number, 2);
  assert.equal(parseArchiveKey('2026/20261120.manifest.json')?.file, 'manifest');
});

test('what is none of the archive’s files is left alone (archive defect 6)', () => {
  for (const key of [
    'notes.json',
    'x.json.gz',
    '2026/2026112.json',
    '20261120.json.gz.gz',
    '2026/20261340.json',
    `${BASE}.tmp`,
    BASE,
    `${BASE}.parquet.ndjson.gz`,
    `${BASE}.parquet.damaged`,
    `quarantine/${BASE}.idx.0a`,
    'dt=2026-11-20/readme',
  ]) {
    assert.equal(parseArchiveKey(key), undefined, key);
  }
});

test('says whether a key is for a journal to put: its objects, what was set aside of them, and days', () => {
  const own = 'dt=2026-11-20/hour=10/0123456789abcdef-89abcdef-000000000000001-000000000000009';
  for (const ending of ['ndjson.gz', 'parquet', 'parquet.manifest.json', 'idx', 'damaged']) {
    assert.ok(isKeyOf('0123456789abcdef', `${own}.${ending}`));
    assert.ok(!isKeyOf('fedcba9876543210', `${own}.${ending}`));
  }
  assert.ok(isKeyOf('0123456789abcdef', `quarantine/${own}.ndjson.gz.00112233aabbccdd`));
  assert.ok(!isKeyOf('fedcba9876543210', `quarantine/${own}.ndjson.gz.00112233aabbccdd`));
  assert.ok(isKeyOf('0123456789abcdef', '2026/20261120-2.json.gz'));
  for (const other of ['backup.tar', 'dt=2026-11-20/part-0.parquet', 'quarantine/x']) assert.ok(!isKeyOf('0123456789abcdef', other));
});
