import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compareKeys } from '../../storage/store.ts';
import { collect } from '../../testing/collect.ts';
import { filesOf, type HourGroup, listGroups } from '../archive-groups.ts';
import type { CompactOptions } from './compact-options.ts';
import { planHour } from './compact-plan.ts';

const OPTIONS: CompactOptions = { afterMs: 0, minObjects: 2, maxBytes: 100, format: 'same' };

/** Files by `epoch first-last ending bytes`, a manifest beside each object unless it is named alone. */
async function plan(files: readonly string[], options: Partial<CompactOptions> = {}) {
  const infos = files.map((file) => {
    const [epoch, range, ending, bytes = '10'] = file.split(' ') as [string, string, string, string?];
    const [first, last] = range.split('-').map((seq) => seq.padStart(15, '0'));
    const key = `dt=2026-11-20/hour=10/0123456789abcdef-${epoch.repeat(8)}-${first}-${last}.${ending}`;
    return { key, bytes: Number(bytes), modifiedMs: 0 };
  });
  async function* list() {
    yield* infos.sort((a, b) => compareKeys(a.key, b.key));
  }
  const groups = (await collect(listGroups({ list }))).filter((group) => group.layout === 'hive');
  assert.equal(groups.flatMap(filesOf).length, files.length);
  const { runs, leftOver, unfinished } = planHour(groups, { ...OPTIONS, ...options });
  const name = ({ epoch, first, last, base }: HourGroup) => `${epoch[0]} ${first}-${last}${base.endsWith('.parquet') ? ' parquet' : ''}`;
  return {
    runs: runs.map((run) => run.map(name)),
    leftOver: leftOver.map(({ group, whole }) => [name(group), name(whole)]),
    unfinished: unfinished.map(name),
  };
}

const whole = (epoch: string, range: string, ending = 'ndjson.gz', bytes = 10) => [
  `${epoch} ${range} ${ending} ${bytes}`,
  `${epoch} ${range} ${ending === 'parquet' ? 'parquet.' : ''}manifest.json`,
];

test('objects of one epoch that follow each other are put together, those of others and after a hole are not', async () => {
  const files = [...whole('a', '1-10'), ...whole('a', '11-20'), ...whole('b', '21-30'), ...whole('b', '31-40'), ...whole('b', '42-50')];
  assert.deepEqual(await plan(files), {
    runs: [
      ['a 1-10', 'a 11-20'],
      ['b 21-30', 'b 31-40'],
    ],
    leftOver: [],
    unfinished: [],
  });
});

test('no object becomes larger than maxBytes, and what is larger stays', async () => {
  const sizes = [40, 40, 30, 200, 60, 40];
  const files = sizes.flatMap((bytes, i) => whole('a', `${i + 1}-${i + 1}`, 'ndjson.gz', bytes));
  assert.deepEqual((await plan(files)).runs, [
    ['a 1-1', 'a 2-2'],
    ['a 5-5', 'a 6-6'],
  ]);
  assert.deepEqual((await plan(files, { format: 'parquet' })).runs, [['a 1-1', 'a 2-2'], ['a 3-3'], ['a 4-4'], ['a 5-5', 'a 6-6']]);
});

test('runs without any event are put together with objects beside them, and are none by themselves', async () => {
  const files = [...whole('a', '1-10'), 'a 11-20 manifest.json', ...whole('a', '21-30')];
  assert.deepEqual((await plan(files)).runs, [['a 1-10', 'a 11-20', 'a 21-30']]);
  assert.deepEqual((await plan(files.slice(0, 3))).runs, [], 'one object is not packed again for that');
  assert.deepEqual((await plan(['a 1-10 manifest.json', 'a 11-20 manifest.json'], { format: 'parquet' })).runs, []);
});

test('codecs are not mixed, unless all becomes Parquet; a Parquet file is never put together again', async () => {
  const files = [...whole('a', '1-10', 'ndjson.zst'), ...whole('a', '11-20'), ...whole('a', '21-30'), ...whole('a', '31-40', 'parquet')];
  assert.deepEqual((await plan(files)).runs, [['a 11-20', 'a 21-30']]);
  assert.deepEqual((await plan(files, { format: 'parquet' })).runs, [['a 1-10', 'a 11-20', 'a 21-30']]);
});

test('what a whole object holds is left over, in whatever form', async () => {
  const files = [
    ...whole('a', '1-30'),
    ...whole('a', '1-10'),
    ...whole('a', '11-20'),
    ...whole('a', '31-40'),
    ...whole('a', '31-40', 'parquet'),
  ];
  assert.deepEqual(await plan(files), {
    runs: [],
    leftOver: [
      ['a 1-10', 'a 1-30'],
      ['a 11-20', 'a 1-30'],
      ['a 31-40', 'a 31-40 parquet'],
    ],
    unfinished: [],
  });
});

test('a manifest without its object over others is what a crash left, and holds nothing', async () => {
  const files = [...whole('a', '1-10'), 'a 11-40 manifest.json', 'a 11-30 manifest.json', ...whole('a', '11-20'), ...whole('a', '21-30')];
  assert.deepEqual(await plan(files), { runs: [['a 1-10', 'a 11-20', 'a 21-30']], leftOver: [], unfinished: ['a 11-40', 'a 11-30'] });
});

test('what was sealed twice, or has no manifest, stays as it is', async () => {
  const files = [...whole('a', '1-10'), 'a 1-10 ndjson.zst', 'a 11-20 ndjson.gz', ...whole('a', '21-30')];
  assert.deepEqual(await plan(files), { runs: [], leftOver: [], unfinished: [] });
});
