import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { HydrantError } from '../../core/errors.ts';
import { Child } from '../../testing/child.ts';
import { until } from '../../testing/deadline.ts';
import { outboxEvent, payloadTexts } from '../../testing/outbox-event.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { openOutbox } from './open-outbox.ts';
import type { ChannelBounds, Outbox } from './outbox.ts';

const CHILD = fileURLToPath(new URL('../../testing/outbox-child.ts', import.meta.url));
const ALL = { maxEvents: 1_000_000, maxBytes: 1 << 30 };
const FAST = { pollMs: 5 };
const MINUTE = 60_000;

function start(path: string, name: string, count: number, options: { bounds?: ChannelBounds; env?: Record<string, string> } = {}): Child {
  const args = [CHILD, path, name, String(count), ...(options.bounds ? [JSON.stringify(options.bounds)] : [])];
  return new Child(process.execPath, args, { env: options.env });
}

const done = (child: Child): Promise<true> => child.line((line) => (line === 'done' ? true : undefined), MINUTE, 'done');

async function textsOf(outbox: Outbox): Promise<string[]> {
  return payloadTexts(await outbox.read('events', 0, ALL));
}

test('several processes store into one folder at once: all is there, each in its order, no place given twice', async () => {
  await using folder = await createTempFolder();
  const names = ['a', 'b', 'c'];
  await using children = new AsyncDisposableStack();
  const started = names.map((name) => children.use(start(folder.path, name, 2000)));
  await Promise.all(started.map(done));
  await using outbox = await openOutbox(folder.path);
  const records = await outbox.read('events', 0, ALL);
  assert.equal(new Set(records.map(({ seq }) => seq)).size, 6000);
  const texts = payloadTexts(records);
  for (const name of names) {
    const own = texts.filter((text) => text.startsWith(name));
    assert.deepEqual(
      own,
      Array.from({ length: 2000 }, (_, i) => `${name} ${i}`),
    );
  }
});

test('what another process stores and removes is told by channel', async () => {
  await using folder = await createTempFolder();
  await using one = await openOutbox(folder.path, FAST);
  await using other = await openOutbox(folder.path);
  await one.claim();
  const told: string[] = [];
  one.onForeign = (channels) => told.push(...channels);
  const { seq } = await other.put(outboxEvent('x', { channel: 'theirs' }));
  await until(() => told.length > 0, 'what the other process stored');
  assert.deepEqual([told, one.channels.get('theirs')!.events], [['theirs'], 1]);
  other.remove(seq);
  await until(() => one.channels.get('theirs')!.events === 0, 'what the other process removed');
  await one.put(outboxEvent('own'));
  await one.settled();
  assert.ok(!told.includes('events'), 'its own is not foreign');
});

test('a note that is kept is that of the process that was first', async () => {
  await using folder = await createTempFolder();
  await using one = await openOutbox(folder.path);
  await using other = await openOutbox(folder.path);
  const kept = [one, other].map((outbox, i) => outbox.keepNote('name', Buffer.from(`${i}`)));
  const [first, second] = (await Promise.all(kept)).map((note) => Buffer.from(note).toString());
  assert.equal(first, second);
  assert.equal(Buffer.from(await one.keepNote('name', Buffer.from('later'))).toString(), first);
  await one.setNote('name', Buffer.from('set'));
  assert.equal(Buffer.from(await other.keepNote('name', Buffer.from('later'))).toString(), 'set');
});

test('one at a time may send; the next takes over when it closes', async () => {
  await using folder = await createTempFolder();
  const one = await openOutbox(folder.path);
  await using other = await openOutbox(folder.path, FAST);
  await one.claim();
  await one.claim();
  const controller = new AbortController();
  const aborted = assert.rejects(other.claim({ signal: controller.signal }), (error: HydrantError) => error.code === 'HYD_ABORTED');
  controller.abort();
  await aborted;
  let taken = false;
  const claim = other.claim().then(() => {
    taken = true;
  });
  await other.put(outboxEvent('stored all the same'));
  assert.equal(taken, false);
  await one.close();
  await claim;
  assert.deepEqual(await textsOf(other), ['stored all the same']);
});

test('a process that was killed leaves the right to send to the next', async () => {
  await using folder = await createTempFolder();
  await using child = start(folder.path, 'child', 10, { env: { CLAIM: '1', STAY: '1' } });
  await done(child);
  await using outbox = await openOutbox(folder.path, FAST);
  let taken = false;
  const claim = outbox.claim().then(() => {
    taken = true;
  });
  await outbox.put(outboxEvent('x'));
  assert.equal(taken, false);
  await child.kill();
  await claim;
  assert.equal(outbox.channels.get('events')!.events, 11);
});

test('bounds hold over processes; the one that waits goes on when another made room (pain 4)', async () => {
  await using folder = await createTempFolder();
  await using outbox = await openOutbox(folder.path);
  await outbox.claim();
  const records = await Promise.all(['1', '2', '3'].map((text) => outbox.put(outboxEvent(text))));
  await using rejecting = start(folder.path, 'r', 1, { bounds: { maxEvents: 3 } });
  assert.equal((await rejecting.exited).code, 1);
  assert.match(rejecting.stderr, /HYD_OUTBOX_FULL/);
  await using other = await openOutbox(folder.path, FAST);
  other.configure('events', { maxEvents: 3, whenFull: 'wait', waitMs: MINUTE });
  let stored = 0;
  const waiting = ['w 0', 'w 1'].map((text) => other.put(outboxEvent(text)).then(() => stored++));
  await other.settled();
  assert.equal(stored, 0);
  for (const { seq } of records) outbox.remove(seq);
  await Promise.all(waiting);
  assert.deepEqual(await textsOf(outbox), ['w 0', 'w 1']);
});

test('drop-oldest by a process that does not send: the one that sends makes room, and never of what is out (pain 4)', async () => {
  await using folder = await createTempFolder();
  await using sender = await openOutbox(folder.path, FAST);
  await sender.claim();
  const dropped: string[] = [];
  sender.onDropped = (briefs) => dropped.push(...briefs.map(({ id }) => id));
  const records = await Promise.all(['1', '2', '3'].map((text) => sender.put(outboxEvent(text))));
  sender.markOut([records[0]!.seq], true);
  await using child = start(folder.path, 'c', 2, { bounds: { maxEvents: 3, whenFull: 'drop-oldest', waitMs: MINUTE } });
  await done(child);
  assert.deepEqual(await textsOf(sender), ['1', 'c 0', 'c 1']);
  assert.deepEqual(dropped, [records[1]!.id, records[2]!.id]);
});

test('drop-oldest without anybody who sends: who stores makes the room itself', async () => {
  await using folder = await createTempFolder();
  await using one = await openOutbox(folder.path);
  await Promise.all(['1', '2', '3'].map((text) => one.put(outboxEvent(text))));
  await using child = start(folder.path, 'c', 2, { bounds: { maxEvents: 3, whenFull: 'drop-oldest', waitMs: MINUTE } });
  await done(child);
  assert.deepEqual(await textsOf(one), ['3', 'c 0', 'c 1']);
  await one.claim();
});

test('a key does not take the place of what another process may have out', async () => {
  await using folder = await createTempFolder();
  await using sender = await openOutbox(folder.path);
  await using other = await openOutbox(folder.path);
  await sender.claim();
  await sender.put(outboxEvent('k1', { key: 'k' }));
  await other.put(outboxEvent('k2', { key: 'k' }));
  await other.settled();
  assert.deepEqual(await textsOf(other), ['k1', 'k2']);
  await sender.put(outboxEvent('k3', { key: 'k' }));
  await sender.settled();
  assert.deepEqual(await textsOf(sender), ['k3']);
});
