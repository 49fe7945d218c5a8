import assert from 'node:assert/strict';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { StateStore } from '../../core/state-store.ts';
import { type Journal, type JournalOptions, openJournal } from '../../journal/journal.ts';
import type { JournalRecord } from '../../journal/record.ts';
import { within } from '../../testing/deadline.ts';
import { HandBus } from '../../testing/hand-bus.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import { decodeGap } from '../../wire/gap.ts';
import { INBOX_STEPS, type JournalInbox } from './inbox.ts';
import { type IntakeOptions, openIntake } from './intake.ts';

interface PlaceOptions {
  intake?: Partial<IntakeOptions>;
  journal?: Partial<JournalOptions>;
}

async function openPlace(dir: string, options: PlaceOptions = {}) {
  const bus = new HandBus();
  const logged: string[] = [];
  const rotate = { idleMs: 0, ageMs: 0 };
  const journal = await openJournal(join(dir, 'journal'), { journalId: '00000000000000aa', rotate, ...options.journal });
  const store = new StateStore(join(dir, 'intake.db'), { steps: INBOX_STEPS });
  const log = (_level: string, message: string): void => void logged.push(message);
  const intake = await openIntake(
    { bus, journal, store, log },
    { filters: ['#'], durable: 'me', brokers: ['mqtt://b'], ...options.intake },
  );
  return {
    bus,
    journal,
    inbox: (await bus.asked.promise).options.inbox as JournalInbox,
    intake,
    logged,
    async recorded(): Promise<JournalRecord[]> {
      const reader = journal.read(undefined, 1);
      const found: JournalRecord[] = [];
      for (;;) {
        const { records, caughtUp } = await reader.read(1000);
        found.push(...records);
        if (caughtUp) return found;
      }
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await intake.close({ deadlineMs: 5000 });
      await store.close();
      await journal.close();
    },
  };
}

/** Resolves when the journal has given events back. */
function watchLost(journal: Journal): Promise<void> {
  const { onLost } = journal;
  return new Promise((resolve) => {
    journal.onLost = (records, error) => {
      onLost(records, error);
      resolve();
    };
  });
}

const texts = (records: JournalRecord[]): string[] => records.map(({ payload }) => Buffer.from(payload).toString());
const numbers = (count: number): { text: string }[] => Array.from({ length: count }, (_, i) => ({ text: String(i) }));

test('an event is acknowledged once it is on disk, never before, in order (archive defect 2)', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const { bus, journal } = place;
  const early: number[] = [];
  let next = 0;
  bus.onAck = (text) => {
    if (journal.head < Number(text) + 1 || Number(text) !== next++) early.push(Number(text));
  };
  bus.give(...numbers(3000));
  while (bus.acknowledged.length < 3000) await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(early, []);
  assert.deepEqual(texts(await place.recorded()), bus.acknowledged);
  assert.deepEqual(place.intake.statistics, { events: 3000, bytes: 10_890, dup: 0, excluded: 0, gaps: 0, waiting: 0, unreleased: 0 });
});

test('it asks for a durable subscription with its inbox, and leaves out what is retained unless told to keep it', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path, { intake: { filters: ['a/#', 'b'], maxInFlight: 77 } });
  const { filters, options } = await place.bus.asked.promise;
  assert.deepEqual(filters, ['a/#', 'b']);
  assert.ok(options.inbox);
  assert.deepEqual([options.durable, options.retained, options.maxInFlight], ['me', 'skip', 77]);
  await place.intake.subscribed;
});

test('what is excluded is acknowledged, counted and not recorded; other topics are recorded', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path, { intake: { exclude: { filters: ['noise/+/debug'], regex: ['^tmp/', ''] } } });
  place.bus.give({ text: '1', topic: 'noise/x/debug' }, { text: '2', topic: 'tmp/y' }, { text: '3', topic: 'noise/x' });
  await place.bus.acks(3);
  assert.deepEqual(texts(await place.recorded()), ['3']);
  assert.equal(place.intake.statistics.excluded, 2);
  place.intake.configure({ exclude: undefined });
  place.bus.give({ text: '4', topic: 'tmp/y' });
  await place.bus.acks(4);
  assert.deepEqual(texts(await place.recorded()), ['3', '4']);
});

test('without an exclusion, or with an empty expression, nothing is excluded (archive defect 1)', async () => {
  for (const exclude of [undefined, {}, { regex: [''] }]) {
    await using folder = await createTempFolder('hydrant-intake');
    await using place = await openPlace(folder.path, { intake: { exclude } });
    place.bus.give({ text: '1' });
    await place.bus.acks(1);
    assert.deepEqual(texts(await place.recorded()), ['1']);
  }
});

test('a regular expression that is none is refused by name, and the one before stays', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path, { intake: { exclude: { regex: ['^tmp/'] } } });
  assert.throws(() => place.intake.configure({ exclude: { regex: ['a('] } }), { code: 'HYD_CONFIG', message: /"a\("/ });
  place.bus.give({ text: '1', topic: 'tmp/y' }, { text: '2' });
  await place.bus.acks(2);
  assert.deepEqual(texts(await place.recorded()), ['2']);
});

test('while the journal is full deliveries wait unacknowledged; none is lost, none overtakes another', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path, { journal: { maxPendingBytes: 2000 } });
  place.bus.give(...numbers(50));
  place.bus.give({ text: 'behind' });
  await within(place.bus.acks(51), 20_000, 'all acknowledgements');
  const expected = [...numbers(50).map(({ text }) => text), 'behind'];
  assert.deepEqual(place.bus.acknowledged, expected);
  assert.deepEqual(texts(await place.recorded()), expected);
});

test('an event that does not fit yet is not overtaken by a smaller one; one that would never fit is taken alone', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path, { journal: { maxPendingBytes: 2000 } });
  const expected = ['first', 'x'.repeat(1200), 'small', 'y'.repeat(10_000), 'last'];
  place.bus.give(...expected.map((text) => ({ text })));
  await within(place.bus.acks(5), 20_000, 'all acknowledgements');
  assert.deepEqual(place.bus.acknowledged, expected);
  assert.deepEqual(texts(await place.recorded()), expected);
});

test('what a failing disk gave back is recorded once the disk works again, before what came later (archive defect 4)', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const dir = join(folder.path, 'journal');
  await rename(dir, `${dir}.away`);
  const lost = watchLost(place.journal);
  place.bus.give({ text: '1' }, { text: '2' });
  await within(lost, 10_000, 'the journal to give up');
  assert.deepEqual(place.bus.acknowledged, []);
  place.bus.give({ text: '3' });
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir);
  await within(place.bus.acks(3), 20_000, 'all acknowledgements');
  assert.deepEqual(place.bus.acknowledged, ['1', '2', '3']);
  assert.deepEqual(texts(await place.recorded()), ['1', '2', '3']);
});

test('what a failing disk gave back in several commits is recorded in the order in which it came', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const dir = join(folder.path, 'journal');
  await rename(dir, `${dir}.away`);
  const lost = watchLost(place.journal);
  const expected = ['1', '2', '3', '4'].map((text) => text.padEnd(600_000, 'x'));
  place.bus.give(...expected.map((text) => ({ text })));
  await within(lost, 10_000, 'the journal to give up');
  await rm(dir, { recursive: true, force: true });
  await mkdir(dir);
  await within(place.bus.acks(4), 20_000, 'all acknowledgements');
  const firsts = (given: string[]): string => given.map((text) => text[0]).join('');
  assert.equal(firsts(place.bus.acknowledged), '1234');
  assert.equal(firsts(texts(await place.recorded())), '1234');
});

test('a repeat at QoS 1 is recorded and marked; at QoS 2 what the inbox lets through is new', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  await place.inbox.begin('i1');
  place.bus.give(
    { text: '1', dup: true },
    { text: '2', redelivered: true },
    { text: '3', qos: 2, inbound: 'i1:9', dup: true, redelivered: true },
    { text: '4' },
  );
  await place.bus.acks(4);
  assert.deepEqual(
    (await place.recorded()).map(({ dup }) => dup === true),
    [true, true, false, false],
  );
  assert.equal(place.inbox.has(9), true);
  assert.deepEqual([place.intake.statistics.dup, place.intake.statistics.unreleased], [2, 1]);
});

test('a lost session becomes a record that says from when to when events may be missing', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const { options } = await place.bus.asked.promise;
  await place.inbox.begin('i1');
  place.bus.give({ text: '1' });
  await place.bus.acks(1);
  await place.inbox.begin('i2');
  options.onGap!({ reason: 'session-lost', fromMs: 1000, untilMs: 2000 });
  place.bus.give({ text: '2' });
  await place.bus.acks(2);
  const [, gap, after] = await place.recorded();
  assert.deepEqual(decodeGap(gap!), {
    reason: 'session-lost',
    broker: 'mqtt://b',
    from: '1970-01-01T00:00:01.000Z',
    until: '1970-01-01T00:00:02.000Z',
  });
  assert.equal(gap!.source, 'me');
  assert.deepEqual(texts([after!]), ['2']);
  assert.equal(place.inbox.gap, undefined);
  assert.equal(place.intake.statistics.gaps, 1);
});

test('a gap that a crash kept from the journal is told at the next start, once', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  {
    await using place = await openPlace(folder.path);
    await place.inbox.begin('i1');
    await place.inbox.begin('i2');
  }
  for (const start of [1, 2]) {
    await using place = await openPlace(folder.path);
    place.bus.give({ text: String(start) });
    await place.bus.acks(1);
    const gaps = (await place.recorded()).filter((record) => decodeGap(record));
    assert.equal(gaps.length, 1, `start ${start}`);
  }
});

test('closing acknowledges what was taken and nothing that came later (archive defect 3)', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  place.bus.give(...numbers(500));
  await place.intake.subscribed;
  await new Promise((resolve) => setImmediate(resolve));
  const closing = place.intake.close({ deadlineMs: 5000 });
  place.bus.give({ text: 'late' });
  await closing;
  assert.deepEqual(
    place.bus.acknowledged,
    numbers(500).map(({ text }) => text),
  );
  assert.equal((await place.recorded()).length, 500);
});

test('closing does not wait beyond its deadline for a disk that takes nothing; what waits stays unacknowledged (archive defect 3)', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const dir = join(folder.path, 'journal');
  await rename(dir, `${dir}.away`);
  const failed = watchLost(place.journal);
  place.bus.give({ text: '1' });
  await within(failed, 10_000, 'the journal to give up');
  await within(place.intake.close({ deadlineMs: 10 }), 5000, 'it to be closed');
  assert.deepEqual(place.bus.acknowledged, []);
  assert.equal(place.intake.statistics.waiting, 1);
});

test('a subscription that ends by itself is told, with its reason', async () => {
  await using folder = await createTempFolder('hydrant-intake');
  await using place = await openPlace(folder.path);
  const reason = new HydrantError('HYD_TAKEN_OVER', 'somebody else reads there');
  await place.intake.subscribed;
  place.bus.fail(reason);
  await assert.rejects(place.intake.ended, reason);
});
