import assert from 'node:assert/strict';
import { readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { until, within } from '../../testing/deadline.ts';
import { FaultyStore } from '../../testing/faulty-store.ts';
import { UploadPair } from '../../testing/upload-pair.ts';
import { decodeManifest, encodeManifest } from '../../wire/manifest.ts';
import { parseArchiveKey } from '../keys.ts';
import { verifyArchive } from '../verify/verify.ts';
import type { Uploader } from './uploader.ts';

const ONCE = { ifNoneMatch: true } as const;
const unreachable = () => {
  throw new HydrantError('HYD_STORE', 'nobody answers');
};

test('a sealed object goes up with all that is beside it, its manifest last, each is looked at there, and only then it is gone from here', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(3);
  const uploader = await pair.openUploader();
  await pair.uploadAll(uploader);
  const keys = await pair.remoteKeys();
  assert.equal(keys.length, 9);
  const base = keys[0]!.slice(0, keys[0]!.indexOf('.'));
  const own = pair.remote.calls.filter((call) => call.includes(base));
  assert.deepEqual(own, [
    `put ${base}.ndjson.gz`,
    `put ${base}.idx`,
    `put ${base}.manifest.json`,
    `head ${base}.ndjson.gz`,
    `head ${base}.idx`,
    `head ${base}.manifest.json`,
  ]);
  assert.deepEqual(await pair.find(), topics);
  const verified = await verifyArchive(pair.catalogue());
  assert.deepEqual(verified.problems, []);
  assert.equal(verified.events, 3);
  const { uploaded, removed, failures, pendingBytes, oldestPendingMs } = uploader.statistics;
  assert.deepEqual(
    { uploaded, removed, failures, pendingBytes, oldestPendingMs },
    { uploaded: 3, removed: 3, failures: 0, pendingBytes: 0, oldestPendingMs: 0 },
  );
  assert.deepEqual(pair.folder.errors(), []);
});

test('damaged lines go up before the manifest that tells of them', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  const [segment] = pair.folder.journal.segments;
  const bytes = await readFile(segment!.path);
  bytes[bytes.lastIndexOf('"data":"') + 10]! ^= 1;
  await writeFile(segment!.path, bytes);
  const uploader = await pair.openUploader();
  await pair.uploadAll(uploader);
  const puts = pair.remote.calls.filter((call) => call.startsWith('put')).map((call) => call.slice(call.indexOf('.')));
  assert.deepEqual(puts, ['.damaged', '.manifest.json']);
});

test('what a start finds here goes up, whoever sealed it', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(4);
  await (await pair.folder.openSealer()).run();
  assert.equal((await pair.localKeys()).length, 12);
  await pair.restart();
  await pair.settled(await pair.openUploader());
  assert.deepEqual(await pair.find(), topics);
});

test('a kept object stays here until its time has come, and is looked at again before it goes', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  const uploader = await pair.openUploader({ keepLocalMs: 60_000 });
  const sealer = await pair.openSealer(uploader);
  await sealer.run();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.pending === 0, 'the upload');
  pair.folder.nowMs += 59_999;
  await pair.restart();
  const again = await pair.openUploader({ keepLocalMs: 60_000 });
  await again.rescan();
  assert.equal((await pair.localKeys()).length, 3);
  assert.equal(again.statistics.pending, 0, 'a mark says that it is there');
  pair.remote.calls.length = 0;
  pair.folder.nowMs += 1;
  await pair.settled(again);
  assert.deepEqual(
    pair.remote.calls.map((call) => call.slice(0, 4)),
    ['head', 'head', 'head'],
  );
});

test('a kept object that has gone from the remote store meanwhile goes up again, not away', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(1);
  const uploader = await pair.openUploader({ keepLocalMs: 60_000 });
  await (await pair.openSealer(uploader)).run();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.pending === 0, 'the upload');
  await rm(join(pair.folder.path, 'remote'), { recursive: true });
  pair.folder.nowMs += 60_000;
  await until(() => uploader.statistics.uploaded === 2, 'the second upload');
  pair.folder.nowMs += 60_000;
  await pair.settled(uploader);
  assert.equal((await pair.remoteKeys()).length, 3);
  assert.deepEqual(await pair.find(), topics);
  assert.deepEqual(pair.folder.errors(), ['an uploaded object is gone from the remote store; it is uploaded again']);
});

test('a kept object that was put together with others in the remote store does not go up again', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  const uploader = await pair.openUploader({ keepLocalMs: 60_000 });
  await (await pair.openSealer(uploader)).run();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.pending === 0, 'the upload');
  for (const key of await pair.remoteKeys()) {
    const wide = key.replace('-000000000000001.', '-000000000000009.');
    assert.notEqual(wide, key);
    await pair.remote.inner.put(wide, await pair.remote.inner.get(key), ONCE);
    await pair.remote.inner.delete(key);
  }
  pair.folder.nowMs += 60_000;
  await pair.settled(uploader);
  assert.equal((await pair.remoteKeys()).length, 3);
  assert.equal(uploader.statistics.uploaded, 1);
});

test('a manifest alone of what was to be put together is no reason to remove a kept object that has gone from the remote store', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  const uploader = await pair.openUploader({ keepLocalMs: 60_000 });
  await (await pair.openSealer(uploader)).run();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.pending === 0, 'the upload');
  const keys = await pair.remoteKeys();
  const manifest = await pair.remote.inner.get(keys.find((key) => key.endsWith('.manifest.json'))!);
  const whole = keys[0]!.replace(/\d{15}\..*$/, '000000000000009.manifest.json');
  for (const key of keys) await pair.remote.inner.delete(key);
  await pair.remote.inner.put(whole, manifest, ONCE);
  pair.folder.nowMs += 60_000;
  await until(() => uploader.statistics.uploaded === 2 || uploader.statistics.removed > 0, 'the look');
  assert.deepEqual(await pair.remoteKeys(), [...keys, whole].sort());
});

test('a kept object that retention has removed from the remote store does not go up again', async () => {
  for (const [layout, days] of [
    ['hive', 1],
    ['daily', 2],
  ] as const) {
    await using pair = await UploadPair.create('2026-11-20T10:00:00Z');
    const uploader = await pair.openUploader({ layout, keepLocalMs: 72 * 3_600_000, hasRetention: () => true });
    for (let day = 0; day < days; day++) {
      await pair.fill(layout === 'hive' ? 2 : 1, `${day}`);
      pair.folder.nowMs += 24 * 3_600_000;
    }
    await (await pair.openSealer(uploader, { layout })).run();
    await until(() => uploader.statistics.uploaded === 2, 'the uploads');
    const keys = await pair.remoteKeys();
    assert.equal(keys.length, 6);
    for (const key of keys.slice(0, 3)) await pair.remote.inner.delete(key);
    pair.folder.nowMs += 72 * 3_600_000;
    await pair.settled(uploader);
    assert.deepEqual(await pair.remoteKeys(), keys.slice(3));
  }
});

test('one object that fails keeps no other from going, and goes as soon as it may (archive defect 10)', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(6);
  let isBad = true;
  const isOfBad = (key: string) => key.includes('-000000000000002-') && isBad;
  pair.remote.before = (_call, key) => (isOfBad(key) ? unreachable() : undefined);
  const uploader = await pair.openUploader({ parallel: 2 });
  await (await pair.openSealer(uploader)).run();
  await until(
    () => uploader.statistics.uploaded === 5 && uploader.statistics.failures >= 12 && uploader.statistics.lastError === 'nobody answers',
    'the others, and more tries than the seed program makes',
  );
  isBad = false;
  await pair.settled(uploader);
  assert.equal(uploader.statistics.lastError, '');
  assert.ok(pair.remote.mostActive <= 2, `${pair.remote.mostActive} at once`);
});

test('a remote store that is away for long costs nothing but room here; when it is back everything goes up', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(20);
  pair.remote.before = unreachable;
  const uploader = await pair.openUploader();
  const sealer = await pair.openSealer(uploader);
  await sealer.run();
  assert.equal(sealer.statistics.failures, 0);
  assert.equal(pair.folder.journal.segments.length, 1, 'the journal lets go of what is sealed here');
  await until(() => uploader.statistics.failures > 20 && uploader.statistics.pending === 20, 'tries in vain');
  pair.folder.nowMs += 7_200_000;
  const { pending, pendingBytes, oldestPendingMs } = uploader.statistics;
  assert.equal(pending, 20);
  assert.ok(pendingBytes > 2000);
  assert.equal(oldestPendingMs, 7_200_000);
  assert.ok(pair.folder.errors().length <= 2, 'not every try is a line of the log');
  pair.remote.before = () => {};
  await pair.settled(uploader);
  assert.deepEqual(await pair.find(), topics);
  assert.equal(pair.folder.logged.filter(({ message }) => message === 'uploads work again').length, 1);
});

test('a store that hangs holds its own uploads only: sealing goes on, and close does not wait for it beyond its deadline', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  const { promise: never, resolve } = Promise.withResolvers<void>();
  pair.remote.before = (_call, key) => (key.includes('-000000000000001-') ? never : undefined);
  const uploader = await pair.openUploader({ parallel: 2 });
  await (await pair.openSealer(uploader)).run();
  await until(() => uploader.statistics.uploaded === 2 && uploader.statistics.pending === 1, 'the others');
  await within(uploader.close({ deadlineMs: 20 }), 5000, 'the end');
  resolve();
  await until(() => pair.remote.active === 0, 'the call that was held');
  assert.equal((await pair.localKeys()).length, 3);
});

test('other content under the key stays as it is: ours is kept here and below quarantine/, and the log says so (archive defect 7)', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(2);
  await (await pair.folder.openSealer()).run();
  const key = (await pair.localKeys()).find((name) => name.endsWith('.ndjson.gz'))!;
  const ours = await pair.folder.store.get(key);
  await pair.remote.inner.put(key, Buffer.from('not ours'), ONCE);
  const uploader = await pair.openUploader();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.conflicts === 1, 'the other object, and the alarm');
  assert.equal(String(await pair.remote.inner.get(key)), 'not ours');
  assert.deepEqual(await pair.folder.store.get(key), ours);
  const [kept] = (await pair.remoteKeys()).filter((name) => name.startsWith('quarantine/'));
  assert.deepEqual(await pair.remote.inner.get(kept!), ours);
  const [alarm] = pair.folder.logged.filter(({ level }) => level === 'error');
  assert.match(String(alarm!.fields.error), new RegExp(`${key} holds other content`));
  assert.equal((await pair.localKeys()).filter((name) => name.startsWith(key.split('.')[0]!)).length, 3, 'nothing of it is removed here');
  // Somebody takes the other one away; the next start uploads ours.
  await pair.remote.inner.delete(key);
  await pair.restart();
  await pair.settled(await pair.openUploader());
  assert.deepEqual(await pair.remote.inner.get(key), ours);
});

test('the same content under the key is success: nothing is sent twice, a manifest of another moment included', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  await (await pair.folder.openSealer()).run();
  for (const key of await pair.localKeys()) {
    let bytes = await pair.folder.store.get(key);
    if (key.endsWith('.manifest.json')) bytes = encodeManifest({ ...decodeManifest(bytes, key), sealedAt: '2026-11-20T09:00:00.000Z' });
    await pair.remote.inner.put(key, bytes, ONCE);
  }
  const uploader = await pair.openUploader();
  await pair.settled(uploader);
  const { uploaded, uploadedBytes, failures, conflicts } = uploader.statistics;
  assert.deepEqual({ uploaded, uploadedBytes, failures, conflicts }, { uploaded: 1, uploadedBytes: 0, failures: 0, conflicts: 0 });
});

test('the same lines packed otherwise are success when their own manifest is there', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(1);
  const hold = pair.folder.journal.hold('an absent client');
  await (await pair.folder.openSealer({ level: 1, store: pair.remote.inner })).run();
  const before = await pair.remoteKeys();
  const packed = await pair.remote.inner.get(before.find((key) => key.endsWith('.gz'))!);
  // The folder comes back from a backup: what it sealed is sealed again.
  await pair.restart();
  hold.release();
  const uploader = await pair.openUploader();
  let repacked: Buffer | undefined;
  pair.remote.before = async (call, key) => {
    if (call === 'put' && key.endsWith('.gz')) repacked = await pair.folder.store.get(key);
  };
  await pair.uploadAll(uploader, { level: 9 });
  assert.notDeepEqual(repacked, packed);
  assert.deepEqual(await pair.remoteKeys(), before);
  assert.deepEqual(await pair.remote.inner.get(before.find((key) => key.endsWith('.gz'))!), packed);
  assert.equal(uploader.statistics.uploadedBytes, 0);
  assert.deepEqual(await pair.find(), topics);
});

test('an object that is damaged in the remote store, beside a good manifest, is no reason to remove ours', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  await (await pair.folder.openSealer()).run();
  for (const key of await pair.localKeys()) {
    const bytes = await pair.folder.store.get(key);
    if (key.endsWith('.gz')) bytes[bytes.length >> 1]! ^= 1;
    await pair.remote.inner.put(key, bytes, ONCE);
  }
  const uploader = await pair.openUploader();
  await until(() => uploader.statistics.failures > 0 || uploader.statistics.uploaded > 0, 'the comparison');
  const { uploaded, conflicts } = uploader.statistics;
  assert.deepEqual({ uploaded, conflicts }, { uploaded: 0, conflicts: 1 });
  assert.equal((await pair.localKeys()).length, 3);
});

test('a store that says it has what it has not is not believed', async () => {
  for (const falsify of [() => undefined, () => Buffer.from('half')]) {
    await using pair = await UploadPair.create();
    await pair.fill(1);
    pair.remote.falsify = (key, body) => (key.endsWith('.gz') ? falsify() : body);
    const uploader = await pair.openUploader();
    await (await pair.openSealer(uploader)).run();
    await until(() => uploader.statistics.failures > 0, 'the lie to be seen');
    assert.equal(uploader.statistics.uploaded, 0);
    assert.equal((await pair.localKeys()).length, 3);
    assert.match(uploader.statistics.lastError, /the store (does not have it|has 4 bytes)/);
  }
});

test('segments that the journal still holds are not sealed again when their objects have gone up, also while the remote store is away', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  pair.folder.journal.hold('an absent client');
  await pair.uploadAll(await pair.openUploader());
  assert.equal(pair.folder.journal.segments.filter(({ closed }) => closed).length, 3);
  const { segments } = pair.folder.journal;
  assert.equal(segments.length, 3);
  await pair.restart();
  pair.remote.before = unreachable;
  const sealer = await pair.openSealer(await pair.openUploader());
  await sealer.run();
  assert.equal(sealer.statistics.segments, 0);
  assert.equal(sealer.statistics.failures, 0);
  assert.deepEqual(await pair.localKeys(), []);
});

test('without its marks the same objects are sealed, found to be there, and removed again', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(3);
  pair.folder.journal.hold('an absent client');
  await pair.uploadAll(await pair.openUploader());
  const before = await pair.remoteKeys();
  await pair.restart();
  for (const ending of ['', '-wal', '-shm']) await unlink(join(pair.folder.path, `uploads.db${ending}`)).catch(() => {});
  const hold = pair.folder.journal.hold('an absent client');
  const uploader = await pair.openUploader();
  await pair.uploadAll(uploader);
  hold.release();
  assert.equal(uploader.statistics.uploaded, 3);
  assert.deepEqual(await pair.remoteKeys(), before);
  assert.deepEqual(await pair.find(), topics);
});

test('what somebody deletes in the remote store is missed by verify and is not made up for', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  await pair.uploadAll(await pair.openUploader());
  for (const key of await pair.remoteKeys()) if (key.includes('-000000000000002-')) await pair.remote.inner.delete(key);
  await pair.restart();
  const uploader = await pair.openUploader();
  await uploader.rescan();
  assert.equal(uploader.statistics.pending, 0);
  const { problems } = await verifyArchive(pair.catalogue());
  assert.deepEqual(
    problems.map(({ kind, firstSeq, lastSeq }) => ({ kind, firstSeq, lastSeq })),
    [{ kind: 'gap', firstSeq: 2, lastSeq: 2 }],
  );
});

test('with the daily layout only days go up; a name that the remote store has is not taken again', async () => {
  await using pair = await UploadPair.create('2026-11-20T22:00:00Z');
  await pair.remote.inner.put('2026/20261120.json.gz', Buffer.from('of the seed program'), ONCE);
  const topics = await pair.fill(3);
  const uploader = await pair.openUploader({ layout: 'daily' });
  const sealer = await pair.openSealer(uploader, { layout: 'daily' });
  await sealer.run();
  await uploader.rescan();
  assert.equal((await pair.localKeys()).length, 9, 'hours wait for their day');
  assert.deepEqual(await pair.remoteKeys(), ['2026/20261120.json.gz']);
  pair.folder.nowMs += 4 * 3_600_000;
  await sealer.run();
  await pair.settled(uploader);
  assert.deepEqual(await pair.remoteKeys(), [
    '2026/20261120-2.idx',
    '2026/20261120-2.json.gz',
    '2026/20261120-2.manifest.json',
    '2026/20261120.json.gz',
  ]);
  await pair.remote.inner.delete('2026/20261120.json.gz');
  assert.deepEqual(await pair.find(), topics);
});

test('a day that went up is not put together again from hours that a crash has left here', async () => {
  await using pair = await UploadPair.create('2026-11-20T22:00:00Z');
  const topics = await pair.fill(2);
  await (await pair.folder.openSealer()).run();
  const hours = await Promise.all((await pair.localKeys()).map(async (key) => [key, await pair.folder.store.get(key)] as const));
  await pair.restart();
  pair.folder.nowMs += 4 * 3_600_000;
  await pair.uploadAll(await pair.openUploader({ layout: 'daily' }), { layout: 'daily' });
  for (const [key, bytes] of hours) await pair.folder.store.put(key, bytes, ONCE);
  await pair.restart();
  await pair.uploadAll(await pair.openUploader({ layout: 'daily' }), { layout: 'daily' });
  assert.equal((await pair.remoteKeys()).length, 3);
  assert.deepEqual(await pair.find(), topics);
});

test('days wait while nobody can say whether their name is free; hours are sealed meanwhile', async () => {
  await using pair = await UploadPair.create('2026-11-20T22:00:00Z');
  const topics = await pair.fill(2);
  pair.folder.nowMs += 4 * 3_600_000;
  pair.remote.before = unreachable;
  const uploader = await pair.openUploader({ layout: 'daily' });
  const sealer = await pair.openSealer(uploader, { layout: 'daily' });
  await sealer.run();
  assert.equal(sealer.statistics.segments, 2);
  assert.equal(sealer.statistics.days, 0);
  assert.match(sealer.statistics.lastError, /^there: nobody answers/);
  pair.remote.before = () => {};
  await sealer.run();
  await pair.settled(uploader);
  assert.deepEqual(await pair.find(), topics);
});

test('damaged lines that a day leaves behind go up by themselves', async () => {
  await using pair = await UploadPair.create('2026-11-20T22:00:00Z');
  const hour = 'dt=2026-11-20/hour=22/0123456789abcdef-00000001-000000000000001-000000000000009';
  await pair.folder.store.put(`${hour}.damaged`, Buffer.from('{"v":1'), ONCE);
  await pair.folder.store.put(`${hour.replaceAll('9', '8')}.idx`, Buffer.from('not whole yet'), ONCE);
  const uploader = await pair.openUploader({ layout: 'daily' });
  await until(() => uploader.statistics.uploaded === 1, 'the upload');
  await until(async () => (await pair.localKeys()).length === 1, 'the removal');
  assert.deepEqual(await pair.remoteKeys(), [`${hour}.damaged`]);
});

test('a drain uploads also what was sealed a moment ago', async () => {
  await using pair = await UploadPair.create();
  const uploader = await pair.openUploader();
  await uploader.rescan();
  await pair.fill(1);
  await (await pair.folder.openSealer()).run();
  const [key] = await pair.localKeys();
  uploader.add(parseArchiveKey(key!)!.base);
  await uploader.drain({ deadlineMs: 20_000 });
  assert.deepEqual([uploader.statistics.uploaded, await pair.localKeys()], [1, []]);
});

test('a drain uploads what is there, and ends with what cannot be; a store that hangs is waited for until the deadline', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  pair.remote.before = (_call, key) => (key.includes('-000000000000002-') ? unreachable() : undefined);
  const uploader = await pair.openUploader({ minRetryMs: 100_000, maxRetryMs: 100_000 });
  await (await pair.openSealer(uploader)).run();
  await within(uploader.drain({ deadlineMs: 60_000 }), 20_000, 'the drain');
  assert.equal(uploader.statistics.uploaded, 2);
  assert.equal(uploader.statistics.pending, 1);
  await pair.restart();
  const { promise: never, resolve } = Promise.withResolvers<void>();
  pair.remote.before = () => never;
  const hanging = await pair.openUploader();
  await until(() => hanging.statistics.pending === 1, 'the start');
  await within(hanging.drain({ deadlineMs: 30 }), 10_000, 'the deadline');
  assert.equal(hanging.statistics.pending, 1);
  await hanging.close({ deadlineMs: 10 });
  resolve();
});

test('an object that cannot be removed here is removed later', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(1);
  await (await pair.folder.openSealer()).run();
  const uploader = await pair.openUploader({ keepLocalMs: 1 });
  await until(() => uploader.statistics.uploaded === 1, 'the upload');
  pair.remote.before = (call) => (call === 'head' ? unreachable() : undefined);
  pair.folder.nowMs += 1;
  await until(() => uploader.statistics.failures > 0, 'a look that fails');
  assert.equal((await pair.localKeys()).length, 3);
  pair.remote.before = () => {};
  await pair.settled(uploader);
});

test('an object that cannot be looked at keeps no other from being removed (archive defect 10)', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  await (await pair.folder.openSealer()).run();
  const [first] = await pair.localKeys();
  const uploader = await pair.openUploader({ keepLocalMs: 1 });
  await until(() => uploader.statistics.uploaded === 3 && uploader.statistics.pending === 0, 'the uploads');
  const base = first!.slice(0, first!.indexOf('.'));
  pair.remote.before = (call, key) => (call === 'head' && key.startsWith(base) ? unreachable() : undefined);
  pair.folder.nowMs += 1;
  await until(() => uploader.statistics.removed === 2, 'the others to be removed');
  assert.ok((await pair.localKeys()).every((key) => key.startsWith(base)));
  pair.remote.before = () => {};
  await pair.settled(uploader);
});

test('a manifest whose object is nowhere is left alone, one whose object is there is not', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(2);
  await (await pair.folder.openSealer()).run();
  const objects = (await pair.localKeys()).filter((key) => key.endsWith('.gz'));
  await pair.remote.inner.put(objects[0]!, await pair.folder.store.get(objects[0]!), ONCE);
  for (const key of objects) await pair.folder.store.delete(key);
  const uploader = await pair.openUploader();
  await until(() => uploader.statistics.uploaded === 1 && uploader.statistics.pending === 0, 'the first');
  await until(async () => (await pair.localKeys()).length === 2, 'its removal');
  assert.deepEqual(
    (await pair.localKeys()).map((key) => key.slice(0, key.indexOf('.'))),
    Array.from({ length: 2 }, () => objects[1]!.slice(0, objects[1]!.indexOf('.'))),
  );
  assert.equal(pair.folder.logged.filter(({ level }) => level === 'warn').length, 1);
});

test('marks of what is neither here nor in the journal are forgotten', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(3);
  const hold = pair.folder.journal.hold('an absent client');
  hold.set(3);
  const uploader = await pair.openUploader();
  await pair.uploadAll(uploader);
  const parts = async (of: Uploader) =>
    (await of.parts(pair.folder.journal.id, 0))
      .map(({ first }) => first)
      .sort()
      .join();
  assert.equal(await parts(uploader), '1,2,3');
  await pair.restart();
  const again = await pair.openUploader();
  await until(async () => (await parts(again)) === '3', 'those below the journal to be forgotten');
  assert.deepEqual(await pair.localKeys(), []);
});

test('sealing that failed for want of room goes on when an upload has made some', async () => {
  await using pair = await UploadPair.create();
  await pair.fill(2);
  const full = new FaultyStore(pair.folder.store);
  let left = 3;
  full.before = (call) => {
    if (call === 'put' && left-- <= 0) throw new HydrantError('HYD_STORE', 'no space left on device');
  };
  let hurried: Promise<void> | undefined;
  const uploader = await pair.openUploader({
    onRemoved: () => {
      left = 3;
      hurried = sealer.hurry();
    },
  });
  const gone = Promise.withResolvers<void>();
  pair.remote.before = () => gone.promise;
  const sealer = await pair.openSealer(uploader, { store: full });
  await sealer.run();
  assert.equal(sealer.statistics.segments, 1);
  assert.ok(sealer.statistics.failures > 0);
  gone.resolve();
  await until(() => hurried !== undefined, 'the upload');
  await hurried;
  assert.equal(sealer.statistics.segments, 2);
});

test('marks that are damaged are set aside, and what they said is found out again', async () => {
  await using pair = await UploadPair.create();
  const topics = await pair.fill(2);
  await pair.uploadAll(await pair.openUploader());
  await pair.restart();
  const path = join(pair.folder.path, 'uploads.db');
  const bytes = await readFile(path);
  await writeFile(path, bytes.fill(7, 0, 4096));
  topics.push(...(await pair.fill(1, 'later')));
  await pair.uploadAll(await pair.openUploader());
  assert.deepEqual(await readFile(`${path}.damaged`), bytes);
  assert.deepEqual(await pair.find(), topics);
  assert.equal((await pair.remoteKeys()).length, 9);
});
