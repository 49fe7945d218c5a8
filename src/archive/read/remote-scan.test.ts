import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { HydrantError } from '../../core/errors.ts';
import type { ByteRange } from '../../storage/store.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { FaultyStore } from '../../testing/faulty-store.ts';
import { Catalogue } from '../catalogue.ts';
import { listItems } from './ls.ts';
import { readAhead } from './read-ahead.ts';
import { type Damage, type ScanOptions, scan } from './scan.ts';

const HOUR_MS = 3_600_000;

/** Counts the bytes that come, too. */
class CountingStore extends FaultyStore {
  bytes = 0;

  override async get(key: string, range?: ByteRange): Promise<Buffer> {
    const bytes = await super.get(key, range);
    this.bytes += bytes.length;
    return bytes;
  }

  reset(): void {
    this.bytes = 0;
    this.calls.length = 0;
    this.mostActive = 0;
  }

  gets(ending: string): number {
    return this.calls.filter((call) => call.startsWith('get ') && call.endsWith(ending)).length;
  }
}

async function find(store: FaultyStore, options: ScanOptions = {}) {
  const damages: Damage[] = [];
  const search = scan(new Catalogue({ store }), { ...options, onDamaged: (damage) => damages.push(damage) });
  const topics: string[] = [];
  for await (const records of search) topics.push(...records.map(({ event }) => event.topic));
  return { topics, damages, statistics: search.statistics };
}

/** Sealed hours, each with its own topic beside the common ones. */
async function sealHours(hours: number, perHour: number): Promise<{ folder: ArchiveFolder; store: CountingStore }> {
  const folder = await ArchiveFolder.create('2026-11-20T00:00:00Z');
  for (let hour = 0; hour < hours; hour++) {
    await folder.appendAll(
      Array.from({ length: perHour }, (_, i) => ({
        topic: i === perHour >> 1 ? `rare/${hour}` : `t/${i % 50}`,
        payload: Buffer.from(`${Math.sin(hour * perHour + i)}`.repeat(8)),
        qos: 1 as const,
        retain: false,
      })),
    );
    folder.nowMs += HOUR_MS;
  }
  await folder.seal({ blockBytes: 64 * 1024 });
  await folder.journal.close();
  await rm(folder.journalDir, { recursive: true });
  return { folder, store: new CountingStore(folder.store) };
}

test('a narrow search in a large archive asks for little: manifests, then the index and the block that can match', async () => {
  const { folder, store } = await sealHours(20, 2000);
  await using _ = folder;
  const total = (await collect(folder.store.list())).reduce((sum, { bytes }) => sum + bytes, 0);
  const byTopic = await find(store, { filters: ['rare/7'] });
  assert.deepEqual(byTopic.topics, ['rare/7']);
  assert.deepEqual([byTopic.statistics.objectsScanned, byTopic.statistics.objectsSkipped], [1, 19]);
  assert.equal(store.gets('.manifest.json'), 20);
  assert.deepEqual([store.gets('.idx'), store.gets('.gz')], [1, 1]);
  assert.ok(store.bytes < total / 5, `${store.bytes} of ${total} bytes`);

  store.reset();
  const range = { sinceMs: Date.parse('2026-11-20T03:00:00Z'), untilMs: Date.parse('2026-11-20T05:00:00Z') };
  assert.equal((await find(store, range)).topics.length, 4000);
  assert.equal(store.gets('.manifest.json'), 2, 'of other hours not even manifests');
  assert.equal(store.gets('.idx'), 0);
  assert.ok(store.bytes < total / 6, `${store.bytes} of ${total} bytes`);

  store.reset();
  assert.equal((await find(store, { limit: 1 })).topics.length, 1);
  assert.ok(store.calls.length < 12, `${store.calls.length} calls for the first event`);
});

test('neighbouring blocks come in one request', async () => {
  const { folder, store } = await sealHours(2, 8000);
  await using _ = folder;
  const { statistics } = await find(store);
  const blocks = statistics.linesScanned / 200;
  assert.equal(statistics.linesMatched, 16_000);
  assert.ok(store.gets('.gz') <= 8, `${store.gets('.gz')} requests for about ${blocks} blocks`);
});

test('manifests and objects are asked for ahead, a bounded number at a time', async () => {
  const { folder, store } = await sealHours(60, 20);
  await using _ = folder;
  store.before = async () => {
    await delay(1);
  };
  const { topics } = await find(store);
  assert.equal(topics.length, 1200);
  assert.ok(store.mostActive > 8, `${store.mostActive} at once`);
  assert.ok(store.mostActive <= 48, `${store.mostActive} at once`);
});

test('manifests of days are asked for ahead when the archive is listed, and when it is shown', async () => {
  await using folder = await ArchiveFolder.create('2026-11-01T10:00:00Z');
  for (let day = 0; day < 15; day++) {
    await folder.append(`day/${day}`);
    folder.nowMs += 24 * HOUR_MS;
  }
  await folder.seal({ layout: 'daily' });
  const store = new CountingStore(folder.store);
  store.before = async () => {
    await delay(1);
  };
  const items = await collect(listItems(new Catalogue({ store })));
  assert.equal(items.length, 15);
  assert.equal(store.gets('.manifest.json'), 15, 'each once');
  assert.ok(store.mostActive > 6, `${store.mostActive} at once`);
});

test('the days of a range are listed some at a time, and no other day', async () => {
  const { folder, store } = await sealHours(30, 1);
  await using _ = folder;
  let lists = 0;
  let most = 0;
  store.before = async (call) => {
    if (call !== 'list') return;
    most = Math.max(most, ++lists);
    await delay(1);
    lists--;
  };
  const range = { sinceMs: Date.parse('2026-11-11T00:00:00Z'), untilMs: Date.parse('2026-11-21T02:00:00Z') };
  assert.equal((await find(store, range)).topics.length, 26);
  const listed = store.calls.filter((call) => call.startsWith('list '));
  assert.equal(listed.length, 13, 'eleven days, and the two millennia of whole days');
  assert.equal(most, 8);
});

test('requests ahead stay within their bound, and what fails fails in its turn', async () => {
  const blocks = Array.from({ length: 40 }, (_, i) => ({ offset: i * 1_000_000, bytes: 900_000 }));
  let active = 0;
  let most = 0;
  const store = {
    async get(_key: string, range?: ByteRange) {
      most = Math.max(most, ++active);
      await delay(1);
      active--;
      if (range!.start >= 20_000_000) throw new HydrantError('HYD_STORE', 'the store is down');
      return Buffer.alloc(range!.end - range!.start, String(range!.start / 1_000_000));
    },
  };
  const seen: number[] = [];
  await assert.rejects(
    async () => {
      for await (const { block, packed } of readAhead(store, 'k', blocks)) {
        assert.equal(packed.length, block.bytes);
        seen.push(block.offset);
      }
    },
    { code: 'HYD_STORE' },
  );
  assert.ok(most <= 3, `${most} at once`);
  assert.deepEqual(
    seen,
    blocks.slice(0, seen.length).map(({ offset }) => offset),
  );
  assert.ok(seen.length >= 16, 'what came before it failed is given');
});

test('far blocks are not joined, near ones are, and the whole is never more than what is between', async () => {
  const ranges: ByteRange[] = [];
  const store = {
    async get(_key: string, range?: ByteRange) {
      ranges.push(range!);
      return Buffer.alloc(range!.end - range!.start);
    },
  };
  const blocks = [
    { offset: 0, bytes: 1000 },
    { offset: 1000, bytes: 1000 },
    { offset: 30_000, bytes: 1000 },
    { offset: 500_000, bytes: 1000 },
  ];
  assert.equal((await collect(readAhead(store, 'k', blocks))).length, 4);
  assert.deepEqual(ranges, [
    { start: 0, end: 31_000 },
    { start: 500_000, end: 501_000 },
  ]);
});

test('a store that goes down in the middle ends the search with its error, and what was read stays', async () => {
  const { folder, store } = await sealHours(10, 100);
  await using _ = folder;
  let gets = 0;
  store.before = (call) => {
    if (call === 'get' && ++gets > 12) throw new HydrantError('HYD_STORE', 'the store is down');
  };
  const topics: string[] = [];
  await assert.rejects(
    async () => {
      for await (const records of scan(new Catalogue({ store }))) topics.push(...records.map(({ event }) => event.topic));
    },
    { code: 'HYD_STORE', message: /the store is down/ },
  );
  assert.ok(topics.length >= 200 && topics.length < 1000, `${topics.length} events`);
});

test('an object that is gone while its manifest is there is told of, and the rest is read', async () => {
  const { folder, store } = await sealHours(4, 10);
  await using _ = folder;
  const objects = (await collect(folder.store.list())).filter(({ key }) => key.endsWith('.gz'));
  await folder.store.delete(objects[2]!.key);
  const { topics, damages, statistics } = await find(store);
  assert.equal(topics.length, 30);
  assert.deepEqual(
    damages.map(({ name, reason }) => [name, reason]),
    [[objects[2]!.key, 'it is not there, though its manifest is; it held the sequences 21 to 30']],
  );
  assert.equal(statistics.damaged, 1);
  const elsewhere = await find(store, { untilMs: Date.parse('2026-11-20T01:00:00Z') });
  assert.deepEqual([elsewhere.topics.length, elsewhere.damages], [10, []], 'it is not in the time asked for');
});

test('an object that is listed and cannot be had is told of, and the rest is read', async () => {
  const { folder, store } = await sealHours(4, 10);
  await using _ = folder;
  const [, second] = (await collect(folder.store.list())).filter(({ key }) => key.endsWith('.gz'));
  store.before = (call, key) => {
    if (call === 'get' && key === second!.key) throw new HydrantError('HYD_OBJECT_MISSING', `there is no object ${key}`);
  };
  const { topics, damages } = await find(store);
  assert.equal(topics.length, 30);
  assert.deepEqual(
    damages.map(({ name, reason }) => [name, reason]),
    [[second!.key, `there is no object ${second!.key}`]],
  );
});

test('following gives what is appended, sealed and begun anew later, each once', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('t/0');
  const steps: (() => Promise<unknown>)[] = [
    () => folder.append('t/1'),
    async () => {},
    async () => {
      await folder.append('t/2');
      await folder.seal();
      await folder.append('t/3');
    },
    async () => {
      await folder.restart();
      await folder.append('t/4');
      await folder.append('other');
    },
    () => folder.append('t/5'),
  ];
  const topics: string[] = [];
  const follow = async (): Promise<void> => {
    await steps.shift()!();
  };
  const search = folder.scan({ filters: ['t/#'], limit: 6, follow });
  for await (const records of search) topics.push(...records.map(({ event }) => event.topic));
  assert.deepEqual(topics, ['t/0', 't/1', 't/2', 't/3', 't/4', 't/5']);
  assert.equal(search.statistics.damaged, 0);
  assert.equal(search.statistics.linesScanned, 7, 'a segment that grows is not read again from its begin');
});
