import assert from 'node:assert/strict';
import { appendFile, copyFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type SourceHarness, startSource, testSource } from '../../testing/source-harness.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { createEventCheck } from '../catalogue/event-check.ts';
import { type LogsOptions, logs } from './logs.ts';

type Harness = SourceHarness<LogsOptions>;

async function startFile(t: { after(end: () => Promise<void>): void }, text: string | undefined, options: Record<string, unknown> = {}) {
  const folder = await createTempFolder();
  t.after(async () => folder[Symbol.asyncDispose]());
  const path = join(folder.path, 'stock.log');
  if (text !== undefined) await writeFile(path, text);
  const harness = await startSource(logs, { file: path, ...options }, createEventCheck(logs.schemas));
  t.after(() => harness[Symbol.asyncDispose]());
  return { path, harness };
}

const read = (harness: Harness): string[] => harness.events.map(({ payload }) => String(payload));
const gaps = (harness: Harness): string[] =>
  harness.events.filter(({ topic }) => topic.endsWith('/$gap')).map(({ payload }) => JSON.parse(String(payload)).detail);

test('each line of a file is an event as it is; what has no end yet waits for it', async (t) => {
  const { path, harness } = await startFile(t, 'first\n{"level":"warn", "n":1}\nhal', { topic: 'logs/{file}/x' });
  await harness.seen(2);
  assert.deepEqual(read(harness), ['first', '{"level":"warn", "n":1}']);
  assert.deepEqual(
    harness.events.map(({ topic, contentType }) => [topic, contentType]),
    [
      ['logs/stock.log/x', 'text/plain'],
      ['logs/stock.log/x', 'application/json'],
    ],
  );
  await appendFile(path, 'f\n{"broken\n');
  await harness.seen(4);
  assert.deepEqual(read(harness).slice(2), ['half', '{"broken']);
  assert.equal(harness.events[3]!.contentType, 'text/plain');
  assert.equal(harness.source.status().mismatched, 0);
});

test('goes on where it stood, under the same ids when it reads again', async (t) => {
  const { path, harness } = await startFile(t, 'a\nb\nc');
  await harness.seen(2);
  await harness.stop();
  await appendFile(path, 'c\nd\n');
  await harness.start();
  await harness.seen(4);
  assert.deepEqual(read(harness), ['a', 'b', 'cc', 'd']);
  assert.equal(new Set(harness.events.map(({ id }) => id)).size, 4);
});

test('a source that is given another file begins with that, and goes on in the one before when it is given that again', async (t) => {
  const folder = await createTempFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const [one, other] = [join(folder.path, 'one.log'), join(folder.path, 'other.log')];
  await writeFile(one, 'a\n');
  await writeFile(other, 'x\n');
  let file = one;
  const kind: typeof logs = { ...logs, open: (options, context) => logs.open({ ...options, file }, context) };
  await using harness = await startSource(kind, { file });
  await harness.seen(1);
  for (const next of [other, one]) {
    await harness.stop();
    await appendFile(one, 'b\n');
    file = next;
    await harness.start();
    await harness.seen(file === other ? 2 : 4);
  }
  assert.deepEqual(read(harness), ['a', 'x', 'b', 'b']);
});

test('a file that is renamed and made anew is read to its end first, also what is written to it late', async (t) => {
  const { path, harness } = await startFile(t, 'a\n');
  await harness.seen(1);
  await appendFile(path, 'b\n');
  await rename(path, `${path}.1`);
  await writeFile(path, 'a\n');
  await appendFile(`${path}.1`, 'c without an end');
  await harness.seen(4);
  assert.deepEqual(read(harness), ['a', 'b', 'c without an end', 'a']);
  await appendFile(path, 'd\n');
  await harness.seen(5);
  assert.deepEqual(gaps(harness), []);
  assert.equal(new Set(harness.events.map(({ id }) => id)).size, 5, 'the same line at the same place of another file is another event');
});

test('as long as nothing was written to the new file, the renamed one may still grow, also after a restart', async (t) => {
  const { path, harness } = await startFile(t, 'a\n');
  await harness.seen(1);
  await harness.stop();
  await rename(path, `${path}.1`);
  await writeFile(path, '');
  await harness.start();
  while (!harness.source.status().up) await new Promise((resolve) => setTimeout(resolve, 2));
  await appendFile(`${path}.1`, 'b\n');
  await harness.seen(2);
  await appendFile(path, 'c\n');
  await harness.seen(3);
  assert.deepEqual(read(harness), ['a', 'b', 'c']);
});

test('a file that is copied and emptied goes on in the copy, then from its beginning', async (t) => {
  const { path, harness } = await startFile(t, 'a\n');
  await harness.seen(1);
  await harness.stop();
  await appendFile(path, 'b\nc\n');
  await copyFile(path, `${path}.1`);
  await truncate(path);
  await appendFile(path, 'd\n');
  await harness.start();
  await harness.seen(4);
  assert.deepEqual(read(harness), ['a', 'b', 'c', 'd']);
  assert.deepEqual(gaps(harness), []);
});

test('rotations while it was away are all read, in their order', async (t) => {
  const { path, harness } = await startFile(t, '1\n2\n');
  await harness.seen(2);
  await harness.stop();
  await appendFile(path, '3\n');
  await rename(path, `${path}.1`);
  await writeFile(path, '4\n5\n');
  await rename(`${path}.1`, `${path}.2`);
  await rename(path, `${path}.1`);
  await writeFile(path, '6\n');
  await writeFile(`${path}.backup`, 'never mine\n');
  await harness.start();
  await harness.seen(6);
  assert.deepEqual(read(harness), ['1', '2', '3', '4', '5', '6']);
  assert.deepEqual(gaps(harness), []);
});

test('what was packed or removed meanwhile is a gap, and reading goes on with what is there', async (t) => {
  const { path, harness } = await startFile(t, '1\n');
  await harness.seen(1);
  await harness.stop();
  await writeFile(`${path}.2.gz`, gzipSync('1\n2\n'));
  await writeFile(`${path}.1`, '3\n');
  await rm(path);
  await writeFile(path, '4\n');
  await harness.start();
  await harness.seen(4);
  assert.deepEqual(gaps(harness), ['packed meanwhile: stock.log.2.gz']);
  assert.deepEqual(
    read(harness).filter((text) => !text.startsWith('{"source"')),
    ['1', '3', '4'],
  );
  await harness.stop();
  await rm(`${path}.1`);
  await rm(`${path}.2.gz`);
  await rename(path, `${path}.moved`);
  await writeFile(path, '5\n');
  await harness.start();
  await harness.seen(6);
  assert.equal(gaps(harness)[1], 'the file that was read up to byte 2 is gone');
  const gap = JSON.parse(read(harness).findLast((text) => text.startsWith('{"source"'))!);
  assert.equal(gap.reason, 'history-lost');
  assert.ok(Date.parse(gap.from) <= Date.parse(gap.until));
  assert.equal(read(harness).at(-1), '5');
});

test('a file that was emptied while it was read is a gap unless its copy is there', async (t) => {
  const { path, harness } = await startFile(t, 'a\nb\n');
  await harness.seen(2);
  await writeFile(path, 'x\n');
  await harness.seen(4);
  assert.equal(gaps(harness).length, 1);
  assert.equal(read(harness).at(-1), 'x');
  await writeFile(path, 'another one\nthat is longer\n');
  await harness.seen(7);
  assert.equal(gaps(harness).length, 2);
  assert.deepEqual(read(harness).slice(-2), ['another one', 'that is longer']);
});

test('a file that is not there is an error that is tried again, and its first line is not missed', async (t) => {
  const { path, harness } = await startFile(t, undefined);
  while (harness.source.status().errors === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.match(harness.source.status().lastError!, /stock\.log cannot be read: ENOENT/);
  await writeFile(path, 'first\n');
  await harness.seen(1);
  assert.deepEqual(read(harness), ['first']);
});

test('long lines come in parts and are counted, bytes that are no Unicode pass, and the end is a beginning when asked for', async (t) => {
  const { path, harness } = await startFile(t, 'old\n', { fromEnd: true, maxLine: 16 });
  while (!harness.source.status().up) await new Promise((resolve) => setTimeout(resolve, 2));
  await appendFile(path, Buffer.concat([Buffer.from('x'.repeat(20)), Buffer.of(0x0a, 0xff, 0x00, 0x0a)]));
  await harness.seen(3);
  assert.deepEqual(
    harness.events.map(({ payload }) => Buffer.from(payload).toString('latin1')),
    ['x'.repeat(16), 'xxxx', '\xff\0'],
  );
  assert.deepEqual(harness.source.status().refused, { 'a line is longer than the bound and came in parts': 1 });
});

test('a test shows the first lines and says when the file cannot be read', async (t) => {
  const { path } = await startFile(t, 'a\nb\nc\nd\n');
  const [first, ...events] = await testSource(logs, { file: path });
  assert.match(JSON.stringify(first), /"ok":true/);
  assert.deepEqual(
    events.map((step) => 'event' in step && String(step.event.payload)),
    ['a', 'b', 'c'],
  );
  assert.match(JSON.stringify(await testSource(logs, { file: `${path}.none` })), /"ok":false.*ENOENT/);
  await assert.rejects(startSource(logs, { file: path, topic: 'a/#' }), { code: 'HYD_CONFIG' });
  await assert.rejects(startSource(logs, { file: path, topic: 'a/{fil}' }), { code: 'HYD_CONFIG', message: /no \{fil\}/, fix: /\{file\}/ });
});
