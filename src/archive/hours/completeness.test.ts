import assert from 'node:assert/strict';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import type { TimeRange } from '../../core/time-range.ts';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { SEED_DAYS } from '../../testing/seed-archive.ts';
import { gapEvent } from '../../wire/gap.ts';
import { type ArchivedHour, type Completeness, readCompleteness } from './completeness.ts';
import { CompletenessKeeper } from './completeness-keeper.ts';
import { HourCatalogue } from './hour-catalogue.ts';

const HOUR_MS = 3_600_000;
const MINUTE_MS = 60_000;

const pathOf = (folder: ArchiveFolder) => join(folder.path, 'catalogue.db');

/** As `hydrant archive hours` reads it. */
async function read(folder: ArchiveFolder, range: TimeRange = {}): Promise<Completeness> {
  using known = HourCatalogue.read(pathOf(folder));
  return await readCompleteness(folder.catalogue(), known, { range, nowMs: folder.nowMs });
}

const short = ({ hours }: Completeness) => hours.map(({ hour, archiver, events }) => `${hour.slice(8)} ${archiver} ${events}`);
const numbers = ({ events, excluded, damaged, missing, dup }: ArchivedHour) => ({ events, excluded, damaged, missing, dup });

/** @param skippedMs so much the clock has gone on by itself */
function keep(folder: ArchiveFolder, skippedMs = () => 0): CompletenessKeeper {
  const { journal, clock, log } = folder;
  return new CompletenessKeeper({ path: pathOf(folder), journal, clock, ranMs: () => folder.nowMs - skippedMs(), log });
}

/**
 * Ten o'clock: two events. Eleven: up, nothing came. Twelve: one, closed at half past. Thirteen: nobody. Fourteen: opened at a quarter past, one.
 */
async function threeStarts(folder: ArchiveFolder): Promise<void> {
  await folder.append('a');
  await folder.append('b');
  folder.nowMs += 2 * HOUR_MS;
  await folder.append('c');
  folder.nowMs += 30 * MINUTE_MS;
  await folder.close();
  folder.nowMs += HOUR_MS + 45 * MINUTE_MS;
  await folder.openJournal();
  await folder.append('d');
  folder.nowMs += 10 * MINUTE_MS;
}

const THREE_STARTS = ['20T10 up 2', '20T11 up 0', '20T12 partly 1', '20T13 down 0', '20T14 partly 1'];

test('an hour in which nothing came is told from one in which nobody archived, sealed or not', async () => {
  await using folder = await ArchiveFolder.create();
  await threeStarts(folder);
  assert.deepEqual(short(await read(folder)), THREE_STARTS);
  await (await folder.seal()).close();
  const sealed = await read(folder);
  assert.deepEqual(short(sealed), THREE_STARTS);
  assert.deepEqual(
    sealed.hours.map(({ upMs }) => upMs / MINUTE_MS),
    [60, 60, 30, 0, 0],
    'of a start that nobody has closed only its events are known',
  );
  assert.deepEqual(
    short(await read(folder, { sinceMs: Date.parse('2026-11-20T11:30:00Z'), untilMs: Date.parse('2026-11-20T13:00:00Z') })),
    THREE_STARTS.slice(1, 3),
  );
});

test('the catalogue of hours says the same as the archive that it follows from, whether it is there, behind, gone or broken', async () => {
  await using folder = await ArchiveFolder.create();
  await threeStarts(folder);
  const keeper = keep(folder);
  const sealer = await folder.seal({ onSealed: (manifest, fromMs) => keeper.sealed(manifest, fromMs) });
  await sealer.close();
  folder.nowMs += HOUR_MS;
  await folder.append('e');
  keeper.close();
  const told = short(await read(folder));
  assert.deepEqual(told, [...THREE_STARTS.slice(0, 4), '20T14 partly 1', '20T15 up 1']);

  // The process died after it had sealed and before it had noted that.
  await folder.append('f');
  folder.nowMs += HOUR_MS;
  await folder.append('g');
  await (await folder.seal()).close();
  assert.deepEqual(short(await read(folder)).slice(5), ['20T15 up 2', '20T16 up 1']);
  const again = keep(folder);
  await again.catchUp(folder.catalogue());
  again.close();
  const whole = await read(folder);
  for (const name of await folder.files('archive')) await rm(join(folder.archiveDir, name));
  assert.deepEqual(short(await read(folder)), short(whole), 'the catalogue had everything');
});

test('a catalogue of hours that cannot be read is made anew, one of another version is not believed', async () => {
  await using folder = await ArchiveFolder.create();
  await threeStarts(folder);
  await (await folder.seal()).close();
  await writeFile(pathOf(folder), 'this is no database, only a text of some length'.repeat(100));
  assert.deepEqual(short(await read(folder)), THREE_STARTS);
  const keeper = keep(folder);
  await keeper.catchUp(folder.catalogue());
  using known = HourCatalogue.read(pathOf(folder));
  assert.equal(known!.facts({}).hours.length, 3, 'read beside the one who writes it');
  keeper.close();
  assert.deepEqual(folder.errors(), []);
});

test('what is excluded, damaged, missing and repeated is counted in its hour, and gaps of the broker in each that they touch', async () => {
  await using folder = await ArchiveFolder.create();
  const gap = { reason: 'session-lost', broker: 'mqtt://b', from: '2026-11-20T09:50:00Z', until: '2026-11-20T11:05:00Z' };
  for (const topic of ['a', 'noise', 'noise']) await folder.append(topic, topic);
  folder.nowMs += HOUR_MS;
  await folder.appendAll([gapEvent(gap, 'me')]);
  await folder.append('a', 'again', { dup: true });
  await folder.append('a', 'damaged');
  await folder.append('a', 'x');
  folder.nowMs += HOUR_MS;
  for (const topic of ['noise', 'noise']) await folder.append(topic);
  folder.nowMs += HOUR_MS;
  await folder.append('a');
  await folder.journal.rotate();
  const [, second, third] = folder.journal.segments;
  const text = await readFile(second!.path, 'utf8');
  await writeFile(second!.path, text.replace(Buffer.from('damaged').toString('base64'), Buffer.from('Damaged').toString('base64')));
  const open = (await read(folder)).hours;
  assert.deepEqual(numbers(open[1]!), { events: 3, excluded: 0, damaged: 1, missing: 0, dup: 1 });
  assert.deepEqual(
    open.map(({ gaps }) => gaps.length),
    [1, 1, 0, 0],
  );
  await folder.append('open');
  await (await folder.seal({ exclude: { filters: ['noise'] } })).close();
  const { hours } = await read(folder);
  assert.deepEqual(hours.map(numbers), [
    { events: 1, excluded: 2, damaged: 0, missing: 0, dup: 0 },
    { events: 3, excluded: 0, damaged: 1, missing: 0, dup: 1 },
    { events: 0, excluded: 2, damaged: 0, missing: 0, dup: 0 },
    { events: 2, excluded: 0, damaged: 0, missing: 0, dup: 0 },
  ]);
  assert.deepEqual([hours[0]!.gaps, hours[1]!.gaps, hours[2]!.gaps], [[gap], [gap], []]);
  const lost = (await folder.files('archive')).filter((name) => name.includes(`-${String(third!.first).padStart(15, '0')}-`));
  assert.equal(lost.length, 1, 'nothing but a manifest');
  await rm(join(folder.archiveDir, lost[0]!));
  assert.equal((await read(folder)).hours[3]!.missing, 2);
});

test('days that were put together tell their hours; hours that a crash left beside them count once', async () => {
  await using folder = await ArchiveFolder.create();
  await threeStarts(folder);
  await (await folder.seal()).close();
  const hours = await Promise.all(
    (await folder.files('archive')).map(async (name) => [name, await readFile(join(folder.archiveDir, name))] as const),
  );
  folder.nowMs += 24 * HOUR_MS;
  await folder.append('next day');
  const sealer = await folder.openSealer({ layout: 'daily' });
  await sealer.run();
  await sealer.close();
  assert.equal((await folder.files('archive')).filter((name) => name.startsWith('dt=2026-11-20')).length, 0);
  assert.deepEqual(short(await read(folder)).slice(0, 4), THREE_STARTS.slice(0, 4));
  const one = hours.filter(([name]) => name.includes('-000000000000003-'));
  for (const [name, bytes] of one) await folder.store.put(name, bytes, { ifNoneMatch: true });
  assert.deepEqual(short(await read(folder)).slice(0, 4), THREE_STARTS.slice(0, 4), 'one hour of the day');
  for (const [name, bytes] of hours.filter((hour) => !one.includes(hour))) await folder.store.put(name, bytes, { ifNoneMatch: true });
  assert.deepEqual(short(await read(folder)).slice(0, 4), THREE_STARTS.slice(0, 4));
});

test('days that the seed program wrote are named, not counted', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.append('a');
  for (const { day, lines } of SEED_DAYS) await folder.store.put(`2022/${day}.json.gz`, gzipSync(lines), { ifNoneMatch: true });
  const { hours, unknown } = await read(folder);
  assert.deepEqual(unknown, ['2022-06-30', '2022-07-01', '2022-07-02']);
  assert.equal(hours.length, 1);
});

test('hours that the clock skipped, because it was set forward or the machine slept, are not up', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  await using folder = await ArchiveFolder.create();
  let skippedMs = 0;
  const keeper = keep(folder, () => skippedMs);
  const run = (ms: number): void => {
    folder.nowMs += ms;
    t.mock.timers.tick(MINUTE_MS);
  };
  const skip = (ms: number): void => {
    skippedMs += ms;
    folder.nowMs += ms;
  };
  await folder.append('a');
  run(HOUR_MS);
  skip(3 * HOUR_MS);
  await folder.append('b');
  run(30 * MINUTE_MS);
  skip(2 * HOUR_MS);
  run(10 * MINUTE_MS);
  keeper.close();
  await folder.close();
  const expected = ['20T10 up 1', '20T11 down 0', '20T12 down 0', '20T13 down 0', '20T14 partly 1', '20T15 down 0', '20T16 partly 0'];
  assert.deepEqual(short(await read(folder)), expected);
});

test('a start under a clock that is set right soon does not begin the hours', async () => {
  await using folder = await ArchiveFolder.create('1970-01-01T00:00:10Z');
  const beforeMs = folder.nowMs;
  const keeper = keep(folder, () => folder.nowMs - beforeMs);
  folder.nowMs = Date.parse('2026-11-20T10:00:00Z');
  await folder.append('a');
  keeper.close();
  assert.deepEqual(
    (await read(folder)).hours.map(({ hour, events }) => [hour, events]),
    [['2026-11-20T10', 1]],
  );
});

test('an archive without anything has no hours', async () => {
  await using folder = await ArchiveFolder.create();
  assert.deepEqual(await read(folder), { hours: [], unknown: [] });
});

test('a segment that is sealed and removed while it is looked at counts as the object that it became', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.appendThreeAndOpen();
  const catalogue = folder.catalogue();
  const { store } = catalogue;
  const list = store.list.bind(store);
  let sealed = false;
  store.list = async function* (prefix?: string) {
    yield* list(prefix);
    if (sealed || prefix !== '2') return;
    sealed = true;
    await (await folder.openSealer()).run();
  };
  const { hours } = await readCompleteness(catalogue, undefined, { nowMs: folder.nowMs });
  assert.equal(sealed, true);
  assert.deepEqual(
    hours.map(({ events }) => events),
    [4],
  );
});
