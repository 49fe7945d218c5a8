import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import { silentLog } from '../../core/log.ts';
import { launchpadMail } from '../../testing/launchpad-mail.ts';
import type { SourceContext, SourceEvent, SourceGap } from '../source.ts';
import { Ledger } from './ledger.ts';
import { launchpadOptions } from './options.ts';
import { Reading } from './reading.ts';

interface Told {
  events: SourceEvent[];
  gaps: SourceGap[];
  refused: string[];
  marked: string[];
  cursor: Map<string, unknown>;
}

interface Faults {
  /** Numbers that the server lists and never gives. */
  withheld?: number[];
  /** Numbers that go between listing and fetching. */
  gone?: number[];
  /** Numbers whose text goes before it is fetched. */
  textless?: number[];
  /** What keeps events of this topic from being published. */
  refusals?: Map<string, Error>;
  /** Topics whose events the outbox has no room for, as it says later. */
  unstored?: Set<string>;
}

/** What the frame leaves out, as it would each time. */
const STRICT = new HydrantError('HYD_SCHEMA', 'no');

/** A reading of a mailbox of so many mails, whose server and bus have faults. */
function createReading(
  mails: number,
  { withheld = [], gone = [], textless = [], refusals = new Map(), unstored = new Set() }: Faults,
): { reading: Reading; ledger: Ledger; told: Told } {
  const told: Told = { events: [], gaps: [], refused: [], marked: [], cursor: new Map() };
  const source = (uid: number): Buffer => Buffer.from(launchpadMail({ number: uid }));
  const listed = Array.from({ length: mails }, (_, at) => at + 1);
  const context: SourceContext = {
    name: 'launchpad',
    folder: '',
    cursor: {
      get: <T>(name: string) => told.cursor.get(name) as T | undefined,
      set: (name, value) => void told.cursor.set(name, value),
      saved: async () => {},
    },
    log: silentLog,
    async publish(event) {
      const refusal = refusals.get(event.topic);
      if (refusal && refusal !== STRICT) throw refusal;
      if (!refusal) told.events.push(event);
      const full = new HydrantError('HYD_OUTBOX_FULL', 'full');
      if (unstored.has(event.topic)) return { id: '', stored: new Promise(() => {}), acked: Promise.reject(full) };
      return { id: event.id ?? '', stored: Promise.resolve(), acked: Promise.resolve(), ...(refusal && { isRefused: true }) };
    },
    stored: async () => {},
    flushed: async () => {},
    gap: async (gap) => void told.gaps.push(gap),
    refused: (reason) => void told.refused.push(reason),
    up: () => {},
    seen: () => {},
    now: Date.now,
    random: Math.random,
  };
  const mailbox = {
    newer: async (uid: number) => listed.filter((one) => one > uid),
    existing: async (uids: readonly number[]) => uids.filter((uid) => !gone.includes(uid)),
    hasHeader: async () => true,
    heads: async (uids: readonly number[]) =>
      uids
        .filter((uid) => !withheld.includes(uid) && !gone.includes(uid))
        .map((uid) => ({ uid, flags: new Set<string>(), bytes: source(uid).length, receivedMs: 0, headers: source(uid) })),
    sources: async (uids: readonly number[]) => new Map(uids.filter((uid) => !textless.includes(uid)).map((uid) => [uid, source(uid)])),
    mark: async (set: string) => void told.marked.push(set),
  };
  const ledger = new Ledger(context, 'box', true);
  ledger.begin('1', mails + 1);
  const options = launchpadOptions.parse({ host: 'mail.example.org', user: 'bugs', password: 'x' });
  return { reading: new Reading(mailbox, ledger, context, options), ledger, told };
}

const numbers = ({ events }: Told): number[] => events.map(({ topic }) => Number(topic.split('/').at(-1)));
const topic = (number: number): string => `launchpad/octavia/bug/${number}`;

test('a mail that the server lists and does not give is told as a gap, and holds up nothing', async () => {
  const { reading, ledger, told } = createReading(3, { withheld: [2] });
  await reading.readOn();
  assert.deepEqual([numbers(told), ledger.uid], [[1, 3], 3]);
  assert.deepEqual(
    told.gaps.map(({ base, reason, detail }) => [base, reason, detail]),
    [['launchpad', 'unreadable', 'the server lists a mail and does not give it: number 2']],
  );
});

test('a mail that somebody removes while it is read is no gap', async () => {
  const { reading, told } = createReading(3, { gone: [2] });
  await reading.readOn();
  assert.deepEqual([numbers(told), told.gaps, told.refused], [[1, 3], [], []]);
});

test('a mail that goes before its text is read is published without it', async () => {
  const { reading, told } = createReading(1, { textless: [1] });
  await reading.readOn();
  assert.equal(JSON.parse(String(told.events[0]!.payload)).truncated, true);
  assert.deepEqual(told.refused, ['a mail was gone before its text was read, and was published without it']);
});

test('a mail that strictness refuses is not marked, and those behind it are published', async () => {
  const refusals = new Map([[topic(2), STRICT]]);
  const { reading, told } = createReading(3, { refusals });
  await reading.readOn();
  await reading.markDue();
  assert.deepEqual([numbers(told), told.marked.join()], [[1, 3], '1,3']);
});

test('a mail whose event could not be stored is read again by the next connection, and not counted as refused', async () => {
  const unstored = new Set([topic(2)]);
  const { reading, ledger, told } = createReading(3, { unstored });
  const saved = told.cursor.get('box');
  await reading.readOn();
  await reading.markDue();
  unstored.clear();
  told.cursor.set('box', saved);
  ledger.begin('1', 4);
  await reading.readOn();
  await reading.markDue();
  assert.deepEqual([numbers(told), told.refused], [[1, 2, 3, 1, 2, 3], []]);
  assert.deepEqual([told.marked, ledger.uid], [['1,3', '1:3'], 3]);
});

test('when the outbox takes no more, reading ends behind the last mail that it took, and goes on from there', async () => {
  const refusals = new Map([[topic(3), new HydrantError('HYD_OUTBOX_FULL', 'full')]]);
  const { reading, ledger, told } = createReading(5, { refusals });
  await assert.rejects(reading.readOn(), { code: 'HYD_OUTBOX_FULL' });
  assert.equal(ledger.uid, 2);
  assert.equal((told.cursor.get('box') as { uid: number }).uid, 2);
  refusals.clear();
  await reading.readOn();
  assert.deepEqual(numbers(told), [1, 2, 3, 4, 5]);
});
