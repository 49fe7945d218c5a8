import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { StateStore } from '../../core/state-store.ts';
import { openJournal } from '../../journal/journal.ts';
import { createRandom } from '../../testing/random.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { Event } from '../../wire/event.ts';
import { gapEvent } from '../../wire/gap.ts';
import { INBOX_STEPS, openInbox } from './inbox.ts';

const clock = { now: () => 1_000_000 };
const rotate = { idleMs: 0, ageMs: 0 };

/** An inbox on a journal of its own. What the test appends is worked in once it is on disk. */
async function openPlace(dir: string, urls = ['mqtt://a'], clientId = 'archive-1') {
  const journal = await openJournal(join(dir, 'journal'), { journalId: '00000000000000aa', rotate });
  const store = new StateStore(join(dir, 'intake.db'), { steps: INBOX_STEPS });
  const inbox = await openInbox({ store, journal, owner: { clientId, urls }, clock });
  journal.onCommit = (records) => records.forEach((record) => void inbox.apply(record));
  return {
    journal,
    inbox,
    async append(event: Partial<Event>): Promise<void> {
      const seq = journal.append({ topic: 'a', payload: Buffer.alloc(0), qos: 2, retain: false, seq: 0, ts: '', arrivalMs: 0, ...event });
      while (journal.head < seq) await new Promise((resolve) => setImmediate(resolve));
    },
    async [Symbol.asyncDispose](): Promise<void> {
      await store.close();
      await journal.close();
    },
  };
}

test('a delivery is known from when it is on disk until it is released, also after opening again', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  {
    await using place = await openPlace(folder.path);
    assert.equal(place.inbox.incarnation, undefined);
    await place.inbox.begin('i1');
    for (const id of [1, 2, 3]) await place.append({ inbound: `i1:${id}` });
    assert.deepEqual(
      [1, 2, 3, 4].map((id) => place.inbox.has(id)),
      [true, true, true, false],
    );
    await place.inbox.release(2);
    await place.inbox.noteFilters(['a/#', 'b']);
  }
  await using again = await openPlace(folder.path);
  assert.equal(again.inbox.incarnation, 'i1');
  assert.deepEqual(again.inbox.filters, ['a/#', 'b']);
  assert.deepEqual(
    [1, 2, 3].map((id) => again.inbox.has(id)),
    [true, false, true],
  );
});

test('at every moment a crash leaves what was stored and not released', async () => {
  const random = createRandom('inbox');
  await using folder = await createTempFolder('hydrant-inbox');
  const live = join(folder.path, 'live');
  await using place = await openPlace(live);
  await place.inbox.begin('i1');
  const out = new Set<number>();
  for (let round = 0; round < 12; round++) {
    for (let step = random.between(1, 8); step > 0; step--) {
      const id = random.between(1, 9);
      if (out.has(id)) {
        await place.inbox.release(id);
        out.delete(id);
      } else {
        await place.append({ inbound: `i1:${id}` });
        out.add(id);
      }
    }
    // What SQLite and the journal have on disk in this moment, which is what a crash would leave.
    const crashed = join(folder.path, `crashed-${round}`);
    await cp(live, crashed, { recursive: true });
    await using after = await openPlace(crashed);
    const found = Array.from({ length: 10 }, (_, id) => id).filter((id) => after.inbox.has(id));
    assert.deepEqual(
      found,
      [...out].sort((a, b) => a - b),
      `seed ${random.seed}, round ${round}`,
    );
  }
});

test('packet identifiers of another session mean nothing', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  await using place = await openPlace(folder.path);
  await place.inbox.begin('i1');
  await place.append({ inbound: 'i1:7' });
  await place.inbox.noteFilters(['a']);
  await place.inbox.begin('i2');
  assert.equal(place.inbox.has(7), false);
  assert.deepEqual(place.inbox.filters, []);
  await place.append({ inbound: 'i1:8' });
  assert.equal(place.inbox.has(8), false);
});

test('a session that is lost leaves a gap to be told, which is over once the journal has it', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  {
    await using place = await openPlace(folder.path);
    await place.inbox.begin('i1');
    assert.equal(place.inbox.gap, undefined);
    place.inbox.tick(true);
    await place.inbox.begin('i2');
    assert.deepEqual(place.inbox.gap, { reason: 'session-lost', fromMs: 1_000_000, untilMs: 1_000_000 });
  }
  {
    await using place = await openPlace(folder.path);
    assert.equal(place.inbox.gap?.reason, 'session-lost');
    const { reason } = place.inbox.gap!;
    await place.append(gapEvent({ reason, broker: 'mqtt://a', from: '', until: '' }, 'archive-1'));
    assert.equal(place.inbox.gap, undefined);
  }
  await using place = await openPlace(folder.path);
  assert.equal(place.inbox.gap, undefined);
});

test('another client id is another session: nothing is taken for known, and the time between is a gap', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  {
    await using place = await openPlace(folder.path);
    await place.inbox.begin('i1');
    await place.append({ inbound: 'i1:7' });
  }
  {
    await using place = await openPlace(folder.path, ['mqtt://a'], 'archive-2');
    assert.equal(place.inbox.incarnation, undefined);
    assert.equal(place.inbox.has(7), false);
    assert.equal(place.inbox.gap?.untilMs, 1_000_000);
  }
  await using back = await openPlace(folder.path);
  assert.equal(back.inbox.has(7), false);
});

test('at another URL nothing is taken for known, and only when no session is there the time between is a gap', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  {
    await using place = await openPlace(folder.path);
    place.inbox.tick(true);
    await place.inbox.begin('i1');
    await place.append({ inbound: 'i1:7' });
    await place.inbox.noteFilters(['a']);
  }
  let incarnation: string | undefined;
  for (const start of ['first', 'again']) {
    await using place = await openPlace(folder.path, ['mqtt://b']);
    assert.match(place.inbox.incarnation!, /^[0-9a-f]{16}$/);
    assert.equal(place.inbox.incarnation, incarnation ?? place.inbox.incarnation, start);
    assert.deepEqual([place.inbox.has(7), place.inbox.filters, place.inbox.gap], [false, [], undefined]);
    incarnation = place.inbox.incarnation;
  }
  await using lost = await openPlace(folder.path, ['mqtt://b']);
  await lost.inbox.begin('i2');
  assert.deepEqual(lost.inbox.gap, { reason: 'session-lost', fromMs: 1_000_000, untilMs: 1_000_000 });
});

test('one more broker in the list is no other session, nor is the first one left out later', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  {
    await using place = await openPlace(folder.path);
    await place.inbox.begin('i1');
    await place.append({ inbound: 'i1:7' });
  }
  for (const urls of [['mqtt://a', 'mqtt://b'], ['mqtt://b']]) {
    await using place = await openPlace(folder.path, urls);
    assert.deepEqual([place.inbox.incarnation, place.inbox.has(7), place.inbox.gap], ['i1', true, undefined]);
  }
});

test('the journal keeps what the inbox has not noted', async () => {
  await using folder = await createTempFolder('hydrant-inbox');
  await using place = await openPlace(folder.path);
  await place.inbox.begin('i1');
  for (const id of [1, 2]) {
    await place.append({ inbound: `i1:${id}` });
    await place.journal.rotate();
  }
  await place.append({ inbound: 'i1:3' });
  assert.deepEqual(await place.journal.trim(), []);
  await place.inbox.release(1);
  assert.equal((await place.journal.trim()).length, 2);
});
