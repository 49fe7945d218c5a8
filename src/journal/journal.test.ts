import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { FakeClock } from '../testing/fake-clock.ts';
import { createTempFolder } from '../testing/temp-folder.ts';
import { decodeLine } from '../wire/line.ts';
import { matchFilter } from '../wire/topic.ts';
import { indexPath } from './index-file.ts';
import { type Journal, type JournalOptions, openJournal } from './journal.ts';
import { readMark } from './mark.ts';
import type { JournalRecord } from './record.ts';
import { listSegmentFiles, readSegmentHeader } from './segment-files.ts';

const JOURNAL = '00112233445566aa';

function record(topic: string, payload = ''): JournalRecord {
  return { topic, payload: Buffer.from(payload), qos: 1, retain: false, seq: 0, ts: '', arrivalMs: 0 };
}

async function withJournal(options: Partial<JournalOptions>, run: (journal: Journal, dir: string) => Promise<void>): Promise<void> {
  await using folder = await createTempFolder('hydrant-journal');
  const dir = join(folder.path, 'journal');
  await using journal = await openJournal(dir, { journalId: JOURNAL, ...options });
  await run(journal, dir);
}

/** Appends in order and resolves once all is on disk. */
async function append(journal: Journal, topics: string[]): Promise<void> {
  let last = 0;
  for (const topic of topics) last = journal.append(record(topic, topic));
  while (journal.head < last) await new Promise((resolve) => setImmediate(resolve));
}

async function readAll(journal: Journal, filters: string[] | undefined, fromSeq = 1, atOnce = 100): Promise<JournalRecord[]> {
  const reader = journal.read(filters, fromSeq);
  const all: JournalRecord[] = [];
  for (;;) {
    const { records, caughtUp } = await reader.read(atOnce);
    all.push(...records);
    if (caughtUp) return all;
  }
}

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `t/${i}`);

test('commits come in sequence order, and only once the lines and the mark are on disk', () =>
  withJournal({}, async (journal, dir) => {
    const seen: number[] = [];
    let checked: Promise<void> | undefined;
    journal.onCommit = (records) => {
      for (const { seq } of records) seen.push(seq);
      assert.equal(journal.head, seen.at(-1));
      checked ??= (async () => {
        const mark = await readMark(dir);
        const lines = (await readFile(join(dir, mark!.segment), 'utf8')).slice(0, mark!.offset).trimEnd().split('\n');
        assert.equal(mark!.seq, decodeLine(Buffer.from(lines.at(-1)!), 0, Buffer.byteLength(lines.at(-1)!)).seq);
        assert.ok(mark!.seq >= records.at(-1)!.seq);
      })();
    };
    await append(journal, numbers(2000));
    await checked;
    assert.deepEqual(
      seen,
      Array.from({ length: 2000 }, (_, i) => i + 1),
    );
  }));

test('what was appended together is committed together', () =>
  withJournal({}, async (journal) => {
    await append(journal, numbers(1000));
    assert.ok(journal.counters.commits <= 3, `${journal.counters.commits} commits`);
  }));

test('an event larger than a batch is written whole', () =>
  withJournal({}, async (journal) => {
    const payload = 'x'.repeat(3_000_000);
    journal.append(record('big', payload));
    await append(journal, ['small']);
    const [big] = await readAll(journal, ['big']);
    assert.equal(Buffer.from(big!.payload).toString(), payload);
  }));

test('more than may wait is refused, and taken again once the disk has caught up', () =>
  withJournal({ maxPendingBytes: 10_000 }, async (journal) => {
    let taken = 0;
    assert.throws(
      () => {
        for (;;) {
          journal.append(record('a', 'x'.repeat(1000)));
          taken++;
        }
      },
      { code: 'HYD_JOURNAL_FULL', retryable: true },
    );
    assert.ok(taken >= 5 && taken < 10, `${taken} taken`);
    while (journal.head < taken) await new Promise((resolve) => setImmediate(resolve));
    await append(journal, ['b']);
    assert.equal((await readAll(journal, undefined)).length, taken + 1);
  }));

test('a segment is closed by size, age, hour, and a clock that steps back to another hour', async () => {
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  await withJournal({ clock, rotate: { bytes: 3000, ageMs: 600_000, idleMs: 0, hourly: true } }, async (journal) => {
    const closed: number[] = [];
    journal.onClosed((segment) => closed.push(segment.last - segment.first + 1));
    await append(journal, numbers(100));
    const bySize = journal.segments.length;
    assert.ok(bySize > 3, `${bySize} segments`);
    clock.advance(600_000);
    await append(journal, ['age']);
    clock.set('2026-11-21T11:00:00.000Z');
    await append(journal, ['hour']);
    clock.set('2026-11-21T10:59:59.999Z');
    await append(journal, ['back']);
    await journal.rotate();
    assert.equal(journal.segments.length, bySize + 3);
    assert.equal(
      closed.reduce((sum, events) => sum + events, 0),
      103,
    );
    assert.deepEqual(
      journal.segments.slice(-3).map((segment) => new Date(segment.minMs).toISOString()),
      ['2026-11-21T10:10:00.000Z', '2026-11-21T11:00:00.000Z', '2026-11-21T10:59:59.999Z'],
    );
  });
});

test('a segment is closed on the clock even when nothing arrives', async () => {
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  await withJournal({ clock, rotate: { idleMs: 60_000 } }, async (journal) => {
    const closed = new Promise<number>((resolve) => journal.onClosed((segment) => resolve(segment.last)));
    await append(journal, ['a', 'b']);
    clock.advance(60_000);
    assert.equal(await closed, 2);
  });
});

test('numbering goes on without a jump after an orderly close, and above the reserved block after a crash', async () => {
  await using folder = await createTempFolder('hydrant-journal');
  const dir = join(folder.path, 'journal');
  const first = await openJournal(dir, { journalId: JOURNAL });
  await append(first, numbers(10));
  await first.close();
  const second = await openJournal(dir, { journalId: JOURNAL });
  assert.equal(second.head, 10);
  await append(second, ['a']);
  assert.equal(second.head, 11);
  const mark = await readFile(join(dir, 'mark'));
  await second.close();
  await writeFile(join(dir, 'mark'), mark);
  const third = await openJournal(dir, { journalId: JOURNAL });
  assert.equal(third.head, 11);
  await append(third, ['b']);
  assert.equal(third.head, 11 + (1 << 20));
  assert.equal(new Set([first.epoch, second.epoch, third.epoch]).size, 3);
  assert.deepEqual(
    (await readAll(third, undefined)).map((event) => event.topic),
    [...numbers(10), 'a', 'b'],
  );
  await third.close();
});

test('the first segment of an epoch says when it began, where the one before ended, and when that was closed', async () => {
  await using folder = await createTempFolder('hydrant-journal');
  const dir = join(folder.path, 'journal');
  const clock = new FakeClock('2026-11-20T10:00:00Z');
  const open = () => openJournal(dir, { journalId: JOURNAL, clock });
  const starts = async () => {
    const files = await listSegmentFiles(dir);
    return await Promise.all(files.map(async ({ path }) => (await readSegmentHeader(path)).header!.start));
  };
  const first = await open();
  await append(first, ['a', 'b']);
  await first.rotate();
  await append(first, ['c']);
  clock.advance(60_000);
  await first.close();
  const second = await open();
  await append(second, ['d']);
  const mark = await readFile(join(dir, 'mark'));
  await second.close();
  await writeFile(join(dir, 'mark'), mark);
  await using third = await open();
  await append(third, ['e']);
  assert.deepEqual(await starts(), [
    { opened: '2026-11-20T10:00:00.000Z' },
    undefined,
    { opened: '2026-11-20T10:01:00.000Z', previous: { epoch: first.epoch, last: 3, closed: '2026-11-20T10:01:00.000Z' } },
    { opened: '2026-11-20T10:01:00.000Z', previous: { epoch: second.epoch, last: 4 } },
  ]);
});

test('segments go only when nobody holds them, oldest first, and the newest never', () =>
  withJournal({ rotate: { bytes: 1000 } }, async (journal, dir) => {
    const hold = journal.hold('reader');
    await append(journal, numbers(60));
    await journal.rotate();
    assert.deepEqual(await journal.trim(), []);
    const third = journal.segments[2]!;
    hold.set(third.first);
    assert.equal((await journal.trim()).length, 2);
    assert.equal(journal.firstSeq, third.first);
    assert.equal(journal.trimmedThrough, third.first - 1);
    hold.release();
    await journal.trim();
    assert.equal(journal.segments.length, 1);
    const left = (await readdir(dir)).filter((name) => name.endsWith('.ndjson') || name.endsWith('.idx'));
    assert.deepEqual(left.sort(), [basename(indexPath(journal.segments[0]!.path)), basename(journal.segments[0]!.path)].sort());
  }));

test('reading through filters finds exactly what matches, with the index in memory, from its file, and built anew', async () => {
  const level = fc.constantFrom('a', 'b', 'c', '');
  const topic = fc.array(level, { minLength: 1, maxLength: 3 }).map((levels) => levels.join('/') || 'x');
  const filter = fc
    .array(fc.constantFrom('a', 'b', 'c', '+', ''), { minLength: 1, maxLength: 3 })
    .chain((levels) => fc.boolean().map((hash) => [...levels, ...(hash ? ['#'] : [])].join('/')))
    .filter((text) => text !== '');
  await fc.assert(
    fc.asyncProperty(
      fc.array(topic, { minLength: 1, maxLength: 60 }),
      fc.array(filter, { minLength: 1, maxLength: 3 }),
      fc.nat(60),
      async (topics, filters, from) => {
        await using folder = await createTempFolder('hydrant-journal');
        const dir = join(folder.path, 'journal');
        const expected = topics.flatMap((name, i) => (i + 1 >= from && filters.some((wish) => matchFilter(wish, name)) ? [i + 1] : []));
        const live = await openJournal(dir, { journalId: JOURNAL, rotate: { bytes: 2000 }, maxTopics: 4 });
        await append(live, topics);
        assert.deepEqual(
          (await readAll(live, filters, from, 7)).map((event) => event.seq),
          expected,
        );
        await live.close();
        for (const rebuild of [false, true]) {
          if (rebuild) for (const name of await readdir(dir)) if (name.endsWith('.idx')) await rm(join(dir, name));
          await using again = await openJournal(dir, { journalId: JOURNAL });
          assert.deepEqual(
            (await readAll(again, filters, from)).map((event) => event.seq),
            expected,
          );
        }
      },
    ),
    { numRuns: 25 },
  );
});

test('seqAt finds the first event at or after a moment', async () => {
  const clock = new FakeClock('2026-11-21T10:00:00Z');
  await withJournal({ clock, rotate: { bytes: 20_000 } }, async (journal) => {
    for (let i = 0; i < 1000; i++) {
      journal.append(record('a'));
      clock.advance(10);
    }
    await append(journal, ['end']);
    const start = Date.parse('2026-11-21T10:00:00Z');
    assert.equal(await journal.seqAt(start - 1), 1);
    assert.equal(await journal.seqAt(start + 5000), 501);
    assert.equal(await journal.seqAt(start + 5001), 502);
    assert.equal(await journal.seqAt(start + 10_001), 1002);
    assert.equal((await journal.get(77))?.arrivalMs, start + 760);
    assert.equal(await journal.get(5000), undefined);
  });
});

test('a damaged line below the mark is counted and skipped, its neighbours are served', async () => {
  await using folder = await createTempFolder('hydrant-journal');
  const dir = join(folder.path, 'journal');
  const first = await openJournal(dir, { journalId: JOURNAL });
  await append(first, numbers(20));
  await first.close();
  const [segment] = await listSegmentFiles(dir);
  const bytes = await readFile(segment!.path);
  bytes[bytes.indexOf('"t/7"') + 3] = 0x58;
  await writeFile(segment!.path, bytes);
  for (const rebuild of [false, true]) {
    if (rebuild) await rm(indexPath(segment!.path));
    await using journal = await openJournal(dir, { journalId: JOURNAL });
    assert.deepEqual(
      (await readAll(journal, ['t/+'])).map((event) => event.topic),
      numbers(20).filter((topic) => topic !== 't/7'),
    );
    assert.equal(journal.counters.damaged, 1);
  }
});

test('another process sees nothing above the durable mark', () =>
  withJournal({}, async (journal, dir) => {
    await append(journal, numbers(5));
    const mark = (await readMark(dir))!;
    const path = join(dir, mark.segment);
    await writeFile(path, '{"v":1,"ts":"2026-11-21T10:00:00Z","topic":"not/yet","data":"","seq":6}\n', { flag: 'a' });
    const [file] = await listSegmentFiles(dir);
    assert.equal(file!.bytes, mark.offset);
  }));

test('closing writes everything that was taken; afterwards nothing is', async () => {
  await using folder = await createTempFolder('hydrant-journal');
  const dir = join(folder.path, 'journal');
  const journal = await openJournal(dir, { journalId: JOURNAL });
  for (const topic of numbers(100)) journal.append(record(topic));
  await Promise.all([journal.close(), journal.close()]);
  assert.equal(journal.head, 100);
  assert.throws(() => journal.append(record('late')), { code: 'HYD_CLOSED' });
});
