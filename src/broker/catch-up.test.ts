import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { History } from '../bus/history.ts';
import type { Journal } from '../journal/journal.ts';
import type { JournalRecord } from '../journal/record.ts';
import type { StoredEvent } from '../wire/event.ts';
import { CatchUp, type EventReader } from './catch-up.ts';

const HEAD = 12;
const MINUTE_MS = 60_000;

interface Past {
  catchUp: CatchUp;
  /** What the journal no longer has goes up to here. */
  trimmedThrough: number;
  /** The archive fails before this sequence, once. */
  failsAt: number | undefined;
  /** Readings of the archive that are open. */
  open: number;
  gaps: number[];
  onSeqAt?: () => void;
}

/** A journal up to 12 whose first events are in the archive alone; both give two at a time. */
function createPast(options: { trimmedThrough: number; hasArchive?: boolean }): Past {
  const past = { failsAt: undefined, open: 0, gaps: [], ...options } as unknown as Past;
  const record = (seq: number) => ({ seq, ts: '2026-11-21T10:00:00.000Z' }) as JournalRecord & StoredEvent;
  const journal = {
    get trimmedThrough() {
      return past.trimmedThrough;
    },
    get segments() {
      return [{ first: past.trimmedThrough + 1, minMs: MINUTE_MS }];
    },
    seqAt: async () => past.trimmedThrough + 1,
    read(_: unknown, fromSeq: number) {
      let next = fromSeq;
      return {
        async read(maxRecords: number) {
          next = Math.max(next, past.trimmedThrough + 1);
          const records = Array.from({ length: Math.max(0, Math.min(maxRecords, HEAD + 1 - next)) }, () => record(next++));
          return { records, next, caughtUp: next > HEAD };
        },
      };
    },
  } as unknown as Journal;
  const history = {
    async *read(_: unknown, { fromSeq, toSeq }: { fromSeq: number; toSeq: number }) {
      past.open++;
      try {
        for (let seq = fromSeq; seq < toSeq; seq += 2) {
          if (past.failsAt !== undefined && seq >= past.failsAt) {
            past.failsAt = undefined;
            throw new Error('the archive cannot be read');
          }
          yield [seq, seq + 1].filter((each) => each < toSeq).map(record);
        }
      } finally {
        past.open--;
      }
    },
    async seqAt() {
      past.onSeqAt?.();
      return 1;
    },
  } as unknown as History;
  past.catchUp = new CatchUp(journal, options.hasArchive === false ? undefined : history, (events) => past.gaps.push(events));
  return past;
}

/** Reads until it is caught up or fails. */
async function readAll(reader: EventReader, between: (seq: number) => void = () => {}): Promise<number[]> {
  const seqs: number[] = [];
  for (;;) {
    const { records, caughtUp } = await reader.read(2);
    seqs.push(...records.map(({ seq }) => seq));
    if (caughtUp) return seqs;
    between(seqs.at(-1) ?? 0);
  }
}

const ALL = Array.from({ length: HEAD }, (_, at) => at + 1);

test('reads from the archive what the journal no longer has, then the journal, and leaves nothing open', async () => {
  const past = createPast({ trimmedThrough: 5 });
  assert.deepEqual(await readAll(past.catchUp.read(['#'], 1)), ALL);
  assert.equal(past.open, 0);
  assert.deepEqual(past.gaps, []);
});

test('goes back to the archive when the journal has let go of what is next while it was read', async () => {
  const past = createPast({ trimmedThrough: 2 });
  const seqs = await readAll(past.catchUp.read(['#'], 1), (seq) => {
    if (seq === 6) past.trimmedThrough = 9;
  });
  assert.deepEqual(seqs, ALL);
});

test('goes on where it was after the archive has failed', async () => {
  const past = createPast({ trimmedThrough: 8 });
  past.failsAt = 5;
  const reader = past.catchUp.read(['#'], 1);
  const seqs: number[] = [];
  await assert.rejects(async () => {
    for (;;) seqs.push(...(await reader.read(2)).records.map(({ seq }) => seq));
  }, /cannot be read/);
  assert.deepEqual([...seqs, ...(await readAll(reader))], ALL);
});

test('closes the archive when it is not read to its end, and goes on where it was when it is read again', async () => {
  const past = createPast({ trimmedThrough: 8 });
  const reader = past.catchUp.read(['#'], 1);
  const { records } = await reader.read(1);
  assert.equal(past.open, 1);
  reader.close();
  await nextTurn();
  assert.equal(past.open, 0);
  assert.deepEqual([...records.map(({ seq }) => seq), ...(await readAll(reader))], ALL);
});

test('counts what neither the journal nor an archive has as a gap', async () => {
  const past = createPast({ trimmedThrough: 5, hasArchive: false });
  assert.deepEqual(await readAll(past.catchUp.read(['#'], 3)), ALL.slice(5));
  assert.deepEqual(past.gaps, [3]);
});

test('finds where the past begins also when the journal lets go of just that while it looks', async () => {
  const past = createPast({ trimmedThrough: 0 });
  past.onSeqAt = () => {
    past.trimmedThrough = 5;
  };
  assert.equal(await past.catchUp.startOf({ timeMs: 0 }), 1);
});
