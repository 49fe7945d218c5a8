import assert from 'node:assert/strict';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { eventId } from '../event-id.ts';
import { Deliveries } from './deliveries.ts';

const keys = (from: number, to: number): string[] => Array.from({ length: to - from }, (_, i) => eventId(0, String(from + i)));

test('what was added is known after a restart, and what a crash left half is not', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deliveries');
  const [one, two, torn, three] = keys(0, 4) as [string, string, string, string];
  {
    await using deliveries = await Deliveries.open(path);
    const added = Promise.all([deliveries.add(one), deliveries.add(two)]);
    assert.ok(deliveries.has(one), 'known at once');
    await added;
    assert.match(await readFile(path, 'utf8'), new RegExp(`${one}\n${two}`));
  }
  await appendFile(path, `\n${torn.slice(0, 13)}`);
  {
    await using deliveries = await Deliveries.open(path);
    assert.deepEqual(
      [one, two, torn].map((key) => deliveries.has(key)),
      [true, true, false],
    );
    await deliveries.add(three);
  }
  await using deliveries = await Deliveries.open(path);
  assert.ok(deliveries.has(three), 'the torn line does not spoil the next');
});

test('the last 20 000 are known, and the file does not grow beyond twice as many', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deliveries');
  const all = keys(0, 45_000);
  {
    await using deliveries = await Deliveries.open(path);
    for (let at = 0; at < all.length; at += 5000) await Promise.all(all.slice(at, at + 5000).map((key) => deliveries.add(key)));
    await deliveries.add(all[0]!);
  }
  const lines = (await readFile(path, 'utf8')).split('\n').length;
  assert.ok(lines <= 40_001, `${lines} lines`);
  await using deliveries = await Deliveries.open(path);
  assert.ok(deliveries.has(all[0]!), 'added again after the file was written anew');
  assert.ok(all.slice(-19_999).every((key) => deliveries.has(key)));
  assert.ok(!deliveries.has(all[24_999]!));
});

test('a file of anything else gives nothing and does no harm', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deliveries');
  const [key] = keys(0, 1) as [string];
  await writeFile(path, Buffer.concat([Buffer.from([0, 255, 10]), Buffer.from(`${key}x\n${key.toLowerCase()}\n`)]));
  await using deliveries = await Deliveries.open(path);
  assert.ok(!deliveries.has(key));
  await deliveries.add(key);
  assert.ok(deliveries.has(key));
});

test('a disk that does not take a key says so, and takes the next', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deliveries');
  const [lost, kept] = keys(0, 2) as [string, string];
  const deliveries = await Deliveries.open(path);
  const closed = deliveries[Symbol.asyncDispose]();
  await closed;
  await assert.rejects(deliveries.add(lost), 'the file is closed');
  await using again = await Deliveries.open(path);
  await again.add(kept);
  assert.ok(again.has(kept) && !again.has(lost));
});
