import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ArchiveFolder } from '../../testing/archive-folder.ts';
import { collect } from '../../testing/collect.ts';
import { SEED_DAYS } from '../../testing/seed-archive.ts';
import { gapEvent } from '../../wire/gap.ts';
import { listItems, summarize } from './ls.ts';

const HOUR_MS = 3_600_000;

test('objects and open segments are listed with counts, bytes, sequences and times, each event in one of them', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T22:00:00Z');
  folder.journal.hold('a session').set(1);
  for (let hour = 0; hour < 3; hour++) {
    for (const topic of ['a', 'noise/x', 'b']) await folder.append(topic);
    folder.nowMs += HOUR_MS;
  }
  await folder.journal.rotate();
  const sealer = await folder.openSealer({ exclude: { filters: ['noise/#'] } });
  await sealer.run();
  await folder.append('open');
  const items = await collect(listItems(folder.catalogue()));
  assert.deepEqual(
    items.map(({ state, day, hour, firstSeq, lastSeq, events, excluded, damaged }) => [
      state,
      day,
      hour,
      firstSeq,
      lastSeq,
      events,
      excluded,
      damaged,
    ]),
    [
      ['sealed', '2026-11-20', '22', 1, 3, 2, 1, 0],
      ['sealed', '2026-11-20', '23', 4, 6, 2, 1, 0],
      ['sealed', '2026-11-21', '00', 7, 9, 2, 1, 0],
      ['open', '2026-11-21', '01', 10, 10, 1, 0, 0],
    ],
  );
  for (const { minTs, maxTs, day, hour, bytes, journal, epoch } of items) {
    assert.ok(minTs!.startsWith(`${day}T${hour}:00:00`) && maxTs! >= minTs!, `${minTs} ${maxTs}`);
    assert.ok(bytes > 0);
    assert.deepEqual([journal, epoch], [folder.journal.id, folder.journal.epoch]);
  }
  const range = { sinceMs: Date.parse('2026-11-20T23:30:00Z'), untilMs: Date.parse('2026-11-21T00:30:00Z') };
  assert.deepEqual(
    (await collect(listItems(folder.catalogue(), range))).map(({ firstSeq }) => firstSeq),
    [4, 7],
  );
});

test('days are summed by hour, or by day where days are kept whole', async () => {
  await using folder = await ArchiveFolder.create('2026-11-20T23:10:00Z');
  for (let i = 0; i < 4; i++) {
    await folder.append('a');
    await folder.journal.rotate();
    folder.nowMs += HOUR_MS / 2;
  }
  const hours = async () =>
    (await summarize(listItems(folder.catalogue()))).map(({ day, hour, sealed, open, events, firstSeq, lastSeq }) => [
      day,
      hour,
      sealed,
      open,
      events,
      firstSeq,
      lastSeq,
    ]);
  const expected = [
    ['2026-11-20', '23', 0, 2, 2, 1, 2],
    ['2026-11-21', '00', 0, 2, 2, 3, 4],
  ];
  assert.deepEqual(await hours(), expected);
  const sealer = await folder.openSealer({ layout: 'daily' });
  await sealer.run();
  assert.deepEqual(await hours(), [
    ['2026-11-20', undefined, 1, 0, 2, 1, 2],
    ['2026-11-21', '00', 2, 0, 2, 3, 4],
  ]);
});

test('days of the seed program are listed by day, without numbers nobody knows', async () => {
  await using folder = await ArchiveFolder.create();
  for (const { day, lines } of SEED_DAYS) await folder.store.put(`2022/${day}.json.gz`, gzipSync(lines), { ifNoneMatch: true });
  const items = await collect(listItems(folder.catalogue()));
  assert.deepEqual(
    items.map(({ state, day, hour, events, firstSeq }) => [state, day, hour, events, firstSeq]),
    [
      ['sealed', '2022-06-30', undefined, undefined, undefined],
      ['sealed', '2022-07-01', undefined, undefined, undefined],
      ['sealed', '2022-07-02', undefined, undefined, undefined],
    ],
  );
});

test('gaps of the broker that the events of an object tell of are counted, those of a segment are not known yet', async () => {
  await using folder = await ArchiveFolder.create();
  const gap = { reason: 'session-lost', broker: 'mqtt://b', from: '2026-11-20T09:00:00Z', until: '2026-11-20T10:00:00Z' };
  await folder.appendAll([gapEvent(gap, 'me'), gapEvent(gap, 'me')]);
  await folder.journal.rotate();
  await folder.append('open');
  const sealer = await folder.openSealer();
  await sealer.run();
  const items = await collect(listItems(folder.catalogue()));
  assert.deepEqual(
    items.map(({ state, brokerGaps }) => [state, brokerGaps]),
    [
      ['sealed', 2],
      ['open', undefined],
    ],
  );
  const [period] = await summarize(listItems(folder.catalogue()));
  assert.equal(period!.brokerGaps, 2);
});

test('a segment that is sealed and removed while it is listed is listed as the object that it became', async () => {
  await using folder = await ArchiveFolder.create();
  await folder.appendThreeAndOpen();
  const catalogue = folder.catalogue();
  const list = catalogue.list.bind(catalogue);
  let looks = 0;
  catalogue.list = async (options) => {
    const listing = await list(options);
    if (++looks === 1) await (await folder.openSealer()).run();
    return listing;
  };
  const items = await collect(listItems(catalogue));
  assert.deepEqual(items.map(({ state, firstSeq }) => `${state} ${firstSeq}`).sort(), ['open 4', 'sealed 1', 'sealed 2', 'sealed 3']);
});
