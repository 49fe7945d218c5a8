import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { outboxEvent, payloadTexts } from '../../testing/outbox-event.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { asFailure, outboxError } from './failure.ts';
import { openOutbox } from './open-outbox.ts';
import type { Outbox, OutboxEvent, OutboxRecord } from './outbox.ts';

const ALL = { maxEvents: 1_000_000, maxBytes: 1 << 30 };

function isError(code: string, text?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof HydrantError, String(error));
    assert.equal(error.code, code);
    if (text) assert.match(error.message, text);
    return true;
  };
}

function putAll(outbox: Outbox, events: readonly OutboxEvent[]): Promise<OutboxRecord[]> {
  return Promise.all(events.map((event) => outbox.put(event)));
}

const numbered = (count: number, from = 1): OutboxEvent[] => Array.from({ length: count }, (_, i) => outboxEvent(`${from + i}`));

test('what was stored is there after opening again, in its order and whole', async () => {
  await using folder = await createTempFolder();
  const full: OutboxEvent = {
    ...outboxEvent('näher', { topic: 'a/ü/€', qos: 2, retain: true, contentType: 'text/plain', source: 'test' }),
    props: { user: [['k', 'v']], correlation: 'AAE=', format: 1 },
    expiresMs: 9_999_999_999_999,
    key: 'kéy',
  };
  const empty = outboxEvent('', { qos: 0 });
  {
    await using outbox = await openOutbox(folder.path);
    await putAll(outbox, numbered(5000));
    await putAll(outbox, [full, empty]);
  }
  await using outbox = await openOutbox(folder.path);
  assert.equal(outbox.channels.get('events')?.events, 5002);
  const records = await outbox.read('events', 0, ALL);
  assert.deepEqual(payloadTexts(records.slice(0, 5000)), payloadTexts(numbered(5000) as OutboxRecord[]));
  const [fullRead, emptyRead] = records.slice(5000) as [OutboxRecord, OutboxRecord];
  assert.deepEqual({ ...fullRead, seq: 0, storedMs: 0 }, { ...full, seq: 0, storedMs: 0, attempts: 0 });
  assert.deepEqual({ ...emptyRead, seq: 0, storedMs: 0 }, { ...empty, seq: 0, storedMs: 0, attempts: 0 });
});

test('places count up within a channel and are never given twice, also when all before were removed', async () => {
  await using folder = await createTempFolder();
  let last = 0;
  for (let round = 0; round < 3; round++) {
    await using outbox = await openOutbox(folder.path);
    const records = await putAll(outbox, numbered(10));
    for (const { seq } of records) {
      assert.ok(seq > last, `${seq} after ${last}`);
      last = seq;
      outbox.remove(seq);
    }
    await outbox.settled();
    assert.deepEqual(await outbox.read('events', 0, ALL), []);
  }
});

test('a channel knows what it holds without being read, and its oldest', async () => {
  await using folder = await createTempFolder();
  await using outbox = await openOutbox(folder.path);
  const [first, second] = await putAll(outbox, [outboxEvent('a'.repeat(1000)), outboxEvent('b')]);
  await outbox.put(outboxEvent('x', { channel: 'other' }));
  const state = outbox.channels.get('events')!;
  assert.deepEqual([state.events, state.oldestSeq, state.oldestMs], [2, first!.seq, first!.storedMs]);
  assert.ok(state.bytes > 1000 && state.bytes < 1100, `${state.bytes} bytes`);
  outbox.remove(first!.seq);
  await outbox.settled();
  assert.deepEqual([outbox.channels.get('events')!.events, outbox.channels.get('events')!.oldestSeq], [1, second!.seq]);
  assert.equal(outbox.channels.get('other')!.events, 1);
  outbox.remove(second!.seq);
  await outbox.settled();
  const { events, bytes, oldestSeq, oldestMs } = outbox.channels.get('events')!;
  assert.deepEqual([events, bytes, oldestSeq, oldestMs], [0, 0, undefined, undefined]);
});

test('reads in pieces bounded by count and bytes, one event at least, and nothing that was removed a moment ago', async () => {
  await using outbox = await openOutbox(':memory:');
  const records = await putAll(
    outbox,
    [1, 2, 3, 4].map((n) => outboxEvent(`${n}`.repeat(1000))),
  );
  const firstOf = (found: OutboxRecord[]): string =>
    payloadTexts(found)
      .map((text) => text[0])
      .join('');
  assert.equal(firstOf(await outbox.read('events', 0, { maxEvents: 3, maxBytes: 1 << 20 })), '123');
  assert.equal(firstOf(await outbox.read('events', records[1]!.seq, { maxEvents: 3, maxBytes: 1 << 20 })), '34');
  assert.equal(firstOf(await outbox.read('events', 0, { maxEvents: 3, maxBytes: 2100 })), '12');
  assert.equal(firstOf(await outbox.read('events', 0, { maxEvents: 3, maxBytes: 1 })), '1');
  outbox.remove(records[0]!.seq);
  assert.equal(firstOf(await outbox.read('events', 0, ALL)), '234');
  assert.deepEqual(await outbox.read('nowhere', 0, ALL), []);
});

test('onStored tells of everything in the order of storing, before `put` resolves', async () => {
  await using outbox = await openOutbox(':memory:');
  const told: string[] = [];
  outbox.onStored = (records) => told.push(...payloadTexts(records));
  const resolved: string[] = [];
  await Promise.all(
    numbered(10_000).map(async (event) => {
      const record = await outbox.put(event);
      resolved.push(payloadTexts([record])[0]!);
    }),
  );
  assert.deepEqual(told, payloadTexts(numbered(10_000) as OutboxRecord[]));
  assert.deepEqual(resolved, told);
});

test('a crash between acknowledgement and removal is all that repeats an event: a removal that was waited for is durable', async () => {
  await using folder = await createTempFolder();
  await using outbox = await openOutbox(folder.path, { lazyMs: 60_000 });
  const [first, second] = await putAll(outbox, numbered(2));
  outbox.remove(first!.seq);
  await outbox.settled();
  const database = new DatabaseSync(join(folder.path, 'outbox.db'), { readOnly: true });
  assert.deepEqual(
    database
      .prepare('SELECT seq FROM events')
      .all()
      .map(({ seq }) => seq),
    [second!.seq],
  );
  database.close();
});

test('attempts are counted over restarts', async () => {
  await using folder = await createTempFolder();
  {
    await using outbox = await openOutbox(folder.path);
    const { seq } = await outbox.put(outboxEvent('poison'));
    outbox.noteAttempt(seq, 2);
  }
  await using outbox = await openOutbox(folder.path);
  assert.equal((await outbox.read('events', 0, ALL))[0]!.attempts, 2);
});

test('what is in quarantine is out of its channel, and comes back to its end or goes for good', async () => {
  await using folder = await createTempFolder();
  const records: OutboxRecord[] = [];
  {
    await using outbox = await openOutbox(folder.path);
    records.push(...(await putAll(outbox, [...numbered(3), outboxEvent('far', { channel: 'other', key: 'k', contentType: 'a/b' })])));
    await outbox.quarantine(records[0]!.seq, 'the server hung up on it 3 times');
    await outbox.quarantine(records[3]!.seq, 'not authorized');
  }
  await using outbox = await openOutbox(folder.path);
  const told: string[] = [];
  outbox.onStored = (stored) => told.push(...payloadTexts(stored));
  const dropped: unknown[] = [];
  outbox.onDropped = (briefs, reason) => dropped.push(...briefs.map(({ id }) => [id, reason]));
  assert.deepEqual([outbox.channels.get('events')!.events, outbox.channels.get('events')!.quarantined], [2, 1]);
  const [first, far] = await outbox.quarantined();
  assert.deepEqual({ ...far, quarantinedMs: 0 }, { ...records[3], reason: 'not authorized', quarantinedMs: 0 });
  assert.ok(Math.abs(first!.quarantinedMs - Date.now()) < 60_000);
  assert.deepEqual(payloadTexts(await outbox.quarantined({ afterSeq: first!.seq })), ['far']);
  assert.equal(await outbox.retry(first!.seq), true);
  assert.equal(await outbox.retry(first!.seq), false);
  assert.deepEqual(told, ['1']);
  assert.deepEqual(payloadTexts(await outbox.read('events', 0, ALL)), ['2', '3', '1']);
  assert.equal(await outbox.drop(far!.seq), true);
  assert.equal(await outbox.drop(far!.seq), false);
  assert.deepEqual(dropped, [[far!.id, 'operator']]);
  assert.deepEqual(await outbox.quarantined(), []);
  const { events, quarantined, quarantinedBytes } = outbox.channels.get('other')!;
  assert.deepEqual([events, quarantined, quarantinedBytes], [0, 0, 0]);
});

test('notes survive, change and go', async () => {
  await using folder = await createTempFolder();
  {
    await using outbox = await openOutbox(folder.path);
    await outbox.setNote('state', Buffer.from('1'));
    await outbox.setNote('state', Buffer.from('2'));
    await outbox.setNote('gone', Buffer.from('x'));
    await outbox.setNote('gone', undefined);
  }
  await using outbox = await openOutbox(folder.path);
  assert.equal(Buffer.from((await outbox.getNote('state'))!).toString(), '2');
  assert.equal(await outbox.getNote('gone'), undefined);
});

test('the folder is for its owner only, and so are the files', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'deep', 'outbox');
  await using outbox = await openOutbox(path);
  await outbox.put(outboxEvent('x'));
  await outbox.claim();
  assert.equal(statSync(path).mode & 0o777, 0o700);
  for (const name of ['outbox.db', 'outbox.db-wal', 'outbox.db.reserve', 'sender.lock'])
    assert.equal(statSync(join(path, name)).mode & 0o777, 0o600, name);
});

test('what is no outbox is named, and nothing of it is changed', async () => {
  await using folder = await createTempFolder();
  const { path } = folder;
  await assert.rejects(openOutbox(join(path, 'none'), { create: false }), isError('HYD_DATA_MISSING', /none is not an outbox/));
  await mkdir(join(path, 'foreign'));
  const foreign = new DatabaseSync(join(path, 'foreign', 'outbox.db'));
  foreign.exec('CREATE TABLE theirs (a)');
  foreign.close();
  await assert.rejects(
    openOutbox(join(path, 'foreign')),
    (error: HydrantError) => isError('HYD_DATA_FORMAT', /another program/)(error) && /another folder/.test(error.fix),
  );
  {
    await using outbox = await openOutbox(join(path, 'newer'));
    await outbox.put(outboxEvent('x'));
  }
  const newer = new DatabaseSync(join(path, 'newer', 'outbox.db'));
  newer.exec('PRAGMA user_version = 9');
  newer.close();
  await assert.rejects(openOutbox(join(path, 'newer')), isError('HYD_DATA_FORMAT', /format 9; this Hydrant knows format 1/));
  await writeFile(join(path, 'file'), '');
  await assert.rejects(openOutbox(join(path, 'file')), isError('HYD_OUTBOX', /file/));
});

test('an outbox from before drops were noted is opened, keeps what it holds, and notes them from then on', async () => {
  await using folder = await createTempFolder();
  {
    await using outbox = await openOutbox(folder.path);
    await putAll(outbox, numbered(3));
  }
  const database = new DatabaseSync(join(folder.path, 'outbox.db'));
  database.exec('DROP TABLE dropped');
  database.close();
  for (const dropped of [0, 1]) {
    await using outbox = await openOutbox(folder.path);
    assert.equal((await outbox.dropped()).length, dropped);
    const [oldest, ...others] = await outbox.read('events', 0, ALL);
    assert.equal(others.length, 2 - dropped);
    outbox.remove(oldest!.seq, 'operator');
    await outbox.settled();
    assert.deepEqual((await outbox.dropped()).at(-1), { first: oldest!.seq, last: oldest!.seq, reason: 'operator' });
  }
});

test('an event that can never be stored is refused at once, and says why', async () => {
  await using outbox = await openOutbox(':memory:');
  outbox.configure('small', { maxBytes: 100 });
  await assert.rejects(
    outbox.put(outboxEvent('x'.repeat(200), { channel: 'small' })),
    isError('HYD_TOO_LARGE', /200 bytes .* small takes 100/),
  );
  await assert.rejects(outbox.put(outboxEvent('x', { topic: 'ü'.repeat(40_000) })), isError('HYD_TOO_LARGE'));
  await assert.rejects(outbox.put(outboxEvent('x', { id: 'i'.repeat(100) })), isError('HYD_TOO_LARGE'));
  await outbox.put(outboxEvent('x', { topic: 'a'.repeat(65_535) }));
});

test('close commits what is under way; afterwards everything is refused, and twice is fine', async () => {
  await using folder = await createTempFolder();
  const outbox = await openOutbox(folder.path, { lazyMs: 60_000 });
  const { seq } = await outbox.put(outboxEvent('gone'));
  const pending = putAll(outbox, numbered(5000));
  const noted = outbox.setNote('n', Buffer.from('v'));
  outbox.remove(seq);
  await Promise.all([outbox.close(), outbox.close()]);
  assert.equal((await pending).length, 5000);
  await noted;
  await assert.rejects(outbox.put(outboxEvent('late')), isError('HYD_CLOSED'));
  await assert.rejects(outbox.setNote('n', undefined), isError('HYD_CLOSED'));
  await assert.rejects(outbox.claim(), isError('HYD_CLOSED'));
  await using again = await openOutbox(folder.path);
  assert.equal(again.channels.get('events')!.events, 5000);
  assert.equal(Buffer.from((await again.getNote('n'))!).toString(), 'v');
});

test('what is removed after the close keeps no process alive, and changes nothing', async () => {
  await using folder = await createTempFolder();
  const outbox = await openOutbox(folder.path, { lazyMs: 1 });
  const { seq } = await outbox.put(outboxEvent('x'));
  await outbox.close();
  const before = process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  outbox.remove(seq);
  assert.equal(process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length, before);
  await assert.rejects(outbox.settled(), isError('HYD_CLOSED'));
  await using again = await openOutbox(folder.path);
  assert.equal(again.channels.get('events')!.events, 1);
});

test('a backlog does not make opening slower: nothing of it is read (pain 3)', async () => {
  await using folder = await createTempFolder();
  {
    await using outbox = await openOutbox(folder.path);
    await putAll(outbox, numbered(20_000));
  }
  // A page in the middle of the events is made unreadable: whoever counted or read them would stumble over it.
  const path = join(folder.path, 'outbox.db');
  const bytes = statSync(path).size;
  {
    await using file = await open(path, 'r+');
    await file.write(Buffer.alloc(4096, 0xff), 0, 4096, Math.floor(bytes / 2 / 4096) * 4096);
  }
  await using outbox = await openOutbox(folder.path);
  assert.equal(outbox.channels.get('events')!.events, 20_000);
  assert.equal((await outbox.read('events', 0, { maxEvents: 10, maxBytes: 1 << 20 })).length, 10);
  await outbox.put(outboxEvent('one more'));
  assert.equal(outbox.channels.get('events')!.events, 20_001);
});

test('a damaged file is told, nothing of it is deleted, and it is not written to', async () => {
  await using folder = await createTempFolder();
  const path = join(folder.path, 'outbox.db');
  {
    await using outbox = await openOutbox(folder.path);
    await putAll(outbox, numbered(5000));
  }
  const spoil = async (at: number): Promise<void> => {
    await using file = await open(path, 'r+');
    await file.write(Buffer.alloc(4096, 0xff), 0, 4096, at);
  };
  await spoil(Math.floor(statSync(path).size / 2 / 4096) * 4096);
  {
    await using outbox = await openOutbox(folder.path);
    await assert.rejects(outbox.read('events', 0, ALL), isError('HYD_OUTBOX', /is damaged: .*malformed.*nothing of it was changed/));
    await assert.rejects(
      outbox.put(outboxEvent('x')),
      (error: HydrantError) => isError('HYD_OUTBOX', /damaged/)(error) && !error.retryable,
    );
  }
  await spoil(0);
  const before = await readFile(path);
  await assert.rejects(openOutbox(folder.path), isError('HYD_OUTBOX', /damaged: file is not a database/));
  assert.deepEqual(await readFile(path), before);
});

test('a folder that cannot be made is an error that says so', async () => {
  await using folder = await createTempFolder();
  await writeFile(join(folder.path, 'plain'), '');
  await assert.rejects(openOutbox(join(folder.path, 'plain', 'outbox')), isError('HYD_OUTBOX', /cannot be made: ENOTDIR/));
  await assert.rejects(openOutbox(join(folder.path, 'plain')), { code: 'HYD_OUTBOX', message: /cannot be made: EEXIST/, fix: /is a file/ });
});

test('an outbox that the account may not open is told with the account, and not as something that passes', async () => {
  await using folder = await createTempFolder();
  await mkdir(join(folder.path, 'outbox.db'));
  const told = { code: 'HYD_OUTBOX', retryable: false, fix: new RegExp(`user ${process.geteuid!()}\\) read and write`) };
  await assert.rejects(openOutbox(folder.path), { ...told, message: /cannot be opened/ });
  for (const system of ['EACCES', 'EROFS'])
    assert.throws(
      () => {
        throw outboxError('/var/o', 'opened', asFailure(Object.assign(new Error(`${system}: open '/var/o/outbox.db'`), { code: system })));
      },
      { ...told, message: /\/var\/o cannot be opened: E/ },
    );
  assert.equal(outboxError('/var/o', 'written', asFailure(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }))).retryable, true);
});
