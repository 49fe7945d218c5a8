import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import type { OutboxRecord } from '../../src/client/outbox/outbox.ts';
import type { HydrantError } from '../../src/core/errors.ts';
import { within } from '../../src/testing/deadline.ts';
import { outboxEvent, payloadTexts } from '../../src/testing/outbox-event.ts';
import { mountSmallDisk } from '../../src/testing/small-disk.ts';

const ALL = { maxEvents: 1_000_000, maxBytes: 1 << 30 };
const MINUTE = 60_000;
const MIB = 1 << 20;

test('a full disk: what is not on it is refused, what is on it goes when it was acknowledged, and space that comes back is used', async () => {
  await using disk = await mountSmallDisk(8 * MIB);
  const path = join(disk.path, 'outbox');
  const log: string[] = [];
  const stored: OutboxRecord[] = [];
  {
    await using outbox = await openOutbox(path, { log: (level, message) => log.push(`${level}: ${message}`) });
    outbox.configure('waiting', { whenFull: 'wait', waitMs: MINUTE });
    outbox.configure('late', { whenFull: 'wait', waitMs: 20 });
    outbox.onStored = (records) => stored.push(...records);
    const put = async (n: number): Promise<HydrantError | undefined> => {
      try {
        await outbox.put(outboxEvent(`${n} ${'x'.repeat(50_000)}`));
        return undefined;
      } catch (error) {
        return error as HydrantError;
      }
    };
    let failure: HydrantError | undefined;
    let count = 0;
    while (!failure) failure = await put(count++);
    assert.deepEqual([failure.code, failure.retryable], ['HYD_OUTBOX', true]);
    assert.match(failure.message, /cannot be written: .*full/);
    assert.equal(stored.length, count - 1);
    assert.ok(count > 20, `${count} events of 50 kB`);
    const waiting = outbox.put(outboxEvent('waits', { channel: 'waiting' }));
    await assert.rejects(
      outbox.put(outboxEvent('y'.repeat(100_000), { channel: 'late' })),
      (error: HydrantError) => error.code === 'HYD_OUTBOX' && /cannot be written/.test(error.message),
    );
    // Deleting needs space as well: it has some set aside.
    for (const { seq } of stored.splice(0, 10)) outbox.remove(seq);
    await within(outbox.settled(), MINUTE, 'a removal on a full disk');
    await within(waiting, MINUTE, 'what waits for space');
    stored.pop();
    assert.equal(await put(count), undefined);
    const said = ['error: the outbox cannot be written; trying again', 'info: the outbox can be written again'];
    assert.deepEqual([log.slice(0, 2), log.length % 2], [said, 0]);
  }
  await using outbox = await openOutbox(path);
  assert.deepEqual(
    (await outbox.read('events', 0, ALL)).map(({ id }) => id),
    stored.map(({ id }) => id),
  );
  assert.deepEqual(payloadTexts(await outbox.read('waiting', 0, ALL)), ['waits']);
});

test('a disk without space for an outbox is said at opening, and the next opening works', async () => {
  await using disk = await mountSmallDisk(8 * MIB);
  await disk.fill(8 * MIB);
  const path = join(disk.path, 'outbox');
  await assert.rejects(
    openOutbox(path),
    (error: HydrantError) => error.code === 'HYD_OUTBOX' && /cannot be opened: .*full/.test(error.message),
  );
  await disk.free();
  await using outbox = await openOutbox(path);
  await outbox.put(outboxEvent('x'));
});

test('close ends on a full disk as well: what could not be stored or removed is refused, nothing hangs', async () => {
  await using disk = await mountSmallDisk(8 * MIB);
  const path = join(disk.path, 'outbox');
  const outbox = await openOutbox(path);
  outbox.configure('events', { whenFull: 'wait', waitMs: MINUTE });
  const waiting = assert.rejects(outbox.put(outboxEvent('z'.repeat(9 * MIB))), (error: HydrantError) => error.code === 'HYD_CLOSED');
  const noted = assert.rejects(outbox.setNote('n', Buffer.alloc(9 * MIB)), (error: HydrantError) => error.code === 'HYD_OUTBOX');
  await noted;
  await within(outbox.close(), MINUTE, 'the close');
  await waiting;
});
