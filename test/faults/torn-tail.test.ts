import assert from 'node:assert/strict';
import { copyFile, cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { after, test } from 'node:test';
import type { Log } from '../../src/core/log.ts';
import { type Journal, openJournal } from '../../src/journal/journal.ts';
import { markPath } from '../../src/journal/mark.ts';
import type { JournalRecord } from '../../src/journal/record.ts';
import { recoverJournal } from '../../src/journal/recovery.ts';
import { listSegmentFiles } from '../../src/journal/segment-files.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const JOURNAL = '00112233445566aa';
const folder = await createTempFolder();
after(() => folder[Symbol.asyncDispose]());

let copies = 0;

function record(n: number): JournalRecord {
  const payload = Buffer.from(`event ${n} <&> ${'x'.repeat(n * 3)}`);
  return { topic: `torn/${n}`, payload, qos: 1, retain: false, seq: 0, ts: '', arrivalMs: 0 };
}

/** Appends and resolves once it is on disk. */
function append(journal: Journal, n: number): Promise<number> {
  return new Promise((resolve) => {
    const seq = journal.append(record(n));
    journal.onCommit = (records) => {
      if (records.at(-1)!.seq >= seq) resolve(seq);
    };
  });
}

async function topics(journal: Journal): Promise<string[]> {
  const reader = journal.read(['#'], 1);
  const found: string[] = [];
  for (;;) {
    const { records, caughtUp } = await reader.read(1_000);
    found.push(...records.map((event) => event.topic));
    if (caughtUp) return found;
  }
}

/**
 * A folder as a crash left it: five events written one by one, the durable mark as it was after `marked` of them.
 * `ends[n]` is the offset after event n.
 */
async function crashedFolder(marked: number): Promise<{ dir: string; segment: string; bytes: Buffer; ends: number[] }> {
  const live = join(folder.path, `live-${++copies}`);
  const dir = join(folder.path, `crashed-${copies}`);
  const journal = await openJournal(live, { journalId: JOURNAL });
  for (let n = 1; n <= 5; n++) {
    await append(journal, n);
    if (n === marked) await copyFile(markPath(live), join(folder.path, `mark-${marked}`));
  }
  await cp(live, dir, { recursive: true });
  await journal.close();
  await copyFile(join(folder.path, `mark-${marked}`), markPath(dir));
  const name = (await readdir(dir)).find((file) => file.endsWith('.ndjson')) as string;
  const bytes = await readFile(join(dir, name));
  const ends: number[] = [];
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) ends.push(at + 1);
  assert.equal(ends.length, 6);
  return { dir, segment: join(dir, name), bytes, ends };
}

/** A fresh copy of the folder, its segment holding `bytes`. */
async function copyWith(source: { dir: string; segment: string }, bytes: Buffer): Promise<{ dir: string; segment: string }> {
  const dir = join(folder.path, `copy-${++copies}`);
  await mkdir(dir);
  await copyFile(markPath(source.dir), markPath(dir));
  const segment = join(dir, basename(source.segment));
  await writeFile(segment, bytes);
  return { dir, segment };
}

/** Recovers, and checks that exactly `kept` bytes stay and the rest lies in the .torn file. */
async function checkCut(copy: { dir: string; segment: string }, before: Buffer, kept: number, what: string): Promise<void> {
  const entries: string[] = [];
  const log: Log = (level, message) => void entries.push(`${level}: ${message}`);
  const recovered = await recoverJournal(copy.dir, JOURNAL, log);
  assert.ok((await readFile(copy.segment)).equals(before.subarray(0, kept)), `${what}: the segment`);
  const torn = await readFile(`${copy.segment}.torn`).catch(() => Buffer.alloc(0));
  assert.ok(torn.equals(before.subarray(kept)), `${what}: the bytes kept aside`);
  assert.equal(recovered.tornBytes, before.length - kept, what);
  assert.equal(entries.length, kept < before.length ? 1 : 0, `${what}: ${entries.join()}`);
  assert.ok(recovered.next > 5, `${what}: a sequence given out is given again`);
}

test('a tail torn at any byte of the last record is cut there, kept aside and reported', async () => {
  const crashed = await crashedFolder(4);
  const [, , , , end4, end5] = crashed.ends as [number, number, number, number, number, number];
  for (let length = end4; length <= end5; length++) {
    const torn = crashed.bytes.subarray(0, length);
    await checkCut(await copyWith(crashed, torn), torn, length === end5 ? end5 : end4, `cut at ${length - end4}`);
  }
});

test('a last record with any byte changed is cut, and so is what follows it above the mark', async () => {
  const crashed = await crashedFolder(3);
  const [, , , end3, end4, end5] = crashed.ends as [number, number, number, number, number, number];
  for (let at = end3; at < end5; at++) {
    const garbled = Buffer.from(crashed.bytes);
    garbled[at]! ^= 1;
    await checkCut(await copyWith(crashed, garbled), garbled, at < end4 ? end3 : end4, `byte ${at - end3}`);
  }
});

test('zeros after the last whole line, as a file system leaves them after a power cut, are cut', async () => {
  const crashed = await crashedFolder(5);
  for (const zeros of [1, 511, 4096, 100_000]) {
    const bytes = Buffer.concat([crashed.bytes, Buffer.alloc(zeros)]);
    await checkCut(await copyWith(crashed, bytes), bytes, crashed.bytes.length, `${zeros} zeros`);
  }
});

test('after a cut the journal goes on above every sequence given out, and reads the same after another start', async () => {
  const crashed = await crashedFolder(2);
  const copy = await copyWith(crashed, crashed.bytes.subarray(0, crashed.bytes.length - 7));
  const expected = ['torn/1', 'torn/2', 'torn/3', 'torn/4'];
  for (let n = 6; n <= 8; n++) {
    await using journal = await openJournal(copy.dir, { journalId: JOURNAL });
    assert.deepEqual(await topics(journal), expected);
    assert.ok((await append(journal, n)) > 5);
    expected.push(`torn/${n}`);
    assert.deepEqual(await topics(journal), expected);
  }
});

test('what recovery keeps above the mark is made durable before it is served: the mark covers it', async () => {
  const crashed = await crashedFolder(2);
  for (const kept of [3, 5]) {
    const copy = await copyWith(crashed, crashed.bytes.subarray(0, crashed.ends[kept]));
    await using journal = await openJournal(copy.dir, { journalId: JOURNAL });
    assert.equal(journal.head, kept);
    const [file] = await listSegmentFiles(copy.dir);
    assert.equal(file?.bytes, crashed.ends[kept], `${kept} events are served, and readers of the folder do not see them all`);
  }
});

test('a record damaged at or below the mark is never cut: the start succeeds, it is reported, skipped and never served', async () => {
  const crashed = await crashedFolder(5);
  for (let n = 1; n <= 5; n++) {
    const garbled = Buffer.from(crashed.bytes);
    garbled[crashed.ends[n]! - 20]! ^= 1;
    const copy = await copyWith(crashed, garbled);
    const entries: Record<string, unknown>[] = [];
    const log: Log = (level, message, fields) => void entries.push({ level, message, ...fields });
    await using journal = await openJournal(copy.dir, { journalId: JOURNAL, log });
    assert.deepEqual(
      await topics(journal),
      [1, 2, 3, 4, 5].filter((other) => other !== n).map((other) => `torn/${other}`),
    );
    assert.ok((await readFile(copy.segment)).equals(garbled), 'the file was changed');
    const report = entries.find((entry) => entry.offset === crashed.ends[n - 1]);
    assert.equal(report?.segment, copy.segment, `event ${n}: ${JSON.stringify(entries)}`);
    assert.equal(journal.counters.damaged, 1);
    assert.ok((await append(journal, 6)) > 5);
  }
});

test('a segment shorter than the durable mark says starts, and what is left of it is served', async () => {
  const crashed = await crashedFolder(5);
  const copy = await copyWith(crashed, crashed.bytes);
  await truncate(copy.segment, crashed.ends[3]! + 9);
  await using journal = await openJournal(copy.dir, { journalId: JOURNAL });
  assert.deepEqual((await topics(journal)).slice(0, 3), ['torn/1', 'torn/2', 'torn/3']);
  assert.ok((await append(journal, 6)) > 5);
});

test('a segment whose first line is not whole holds nothing and is set aside', async () => {
  const crashed = await crashedFolder(1);
  const copy = await copyWith(crashed, crashed.bytes);
  const second = join(copy.dir, basename(copy.segment).replace(/-\d{15}/, '-000000001048578'));
  for (const length of [0, 1, 50]) {
    await writeFile(second, crashed.bytes.subarray(0, length));
    await using journal = await openJournal(copy.dir, { journalId: JOURNAL });
    assert.equal((await topics(journal)).length, 5);
  }
});
