import assert from 'node:assert/strict';
import { test } from 'node:test';
import { HydrantError } from '../../core/errors.ts';
import type { Published } from '../source.ts';
import { compact, expand, Ledger } from './ledger.ts';

/** What a source is given, as far as a ledger uses it; `values` outlives it as a disk does. */
function createContext(values = new Map<string, unknown>()): {
  context: ConstructorParameters<typeof Ledger>[0];
  values: Map<string, unknown>;
  refused: string[];
  flush: () => void;
} {
  const refused: string[] = [];
  const flushed = Promise.withResolvers<void>();
  const context = {
    cursor: {
      get: <T>(name: string) => values.get(name) as T | undefined,
      set: (name: string, value: unknown) => void values.set(name, JSON.parse(JSON.stringify(value))),
      saved: async () => {},
    },
    flushed: () => flushed.promise,
    refused: (reason: string) => void refused.push(reason),
    now: () => 1000,
  };
  return { context, values, refused, flush: flushed.resolve };
}

const event = (acked: Promise<unknown>): Published => ({ id: 'x', stored: Promise.resolve(), acked });
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('a sequence set is short, and says the same numbers', () => {
  assert.equal(compact([1, 2, 3, 7, 9, 10]), '1:3,7,9:10');
  for (const uids of [[], [5], [1, 2, 3, 7, 9, 10], Array.from({ length: 100_000 }, (_, at) => at * 2 + 1)])
    assert.deepEqual(expand(compact(uids)), uids);
});

test('a mail is due when all of its events are acknowledged', async () => {
  const ledger = new Ledger(createContext().context, 'box', true);
  ledger.begin('1', 10);
  const second = Promise.withResolvers<void>();
  ledger.published(4, [event(Promise.resolve()), event(second.promise)]);
  await settled();
  assert.equal(ledger.due(), undefined);
  const due = ledger.whenDue();
  second.resolve();
  await due;
  assert.equal(ledger.due(), '4');
  ledger.marked('4');
  assert.equal(ledger.due(), undefined);
});

test('a mail with an event that the bus does not take is never due, also not after a restart', async () => {
  const { context, values, refused } = createContext();
  const ledger = new Ledger(context, 'box', true);
  ledger.begin('1', 10);
  ledger.published(4, [event(Promise.reject(new HydrantError('HYD_QUARANTINED', 'no')))]);
  await settled();
  assert.deepEqual([ledger.due(), refused.length], [undefined, 1]);
  const next = createContext(values);
  const after = new Ledger(next.context, 'box', true);
  after.begin('1', 10);
  next.flush();
  await settled();
  assert.deepEqual([after.uid, after.due()], [4, undefined]);
});

test('mails whose events are in the outbox at the end are due once it is empty', async () => {
  const { context, values, refused } = createContext();
  const ledger = new Ledger(context, 'box', true);
  ledger.begin('1', 10);
  for (const uid of [4, 5, 6]) ledger.published(uid, [event(Promise.reject(new HydrantError('HYD_CLOSED', 'closed')))]);
  await settled();
  ledger.save();
  const next = createContext(values);
  const after = new Ledger(next.context, 'box', true);
  after.begin('1', 10);
  await settled();
  assert.equal(after.due(), undefined);
  next.flush();
  await settled();
  assert.deepEqual([after.due(), refused], ['4:6', []]);
});

test('what was about mails of another numbering is forgotten', async () => {
  const { context, values } = createContext();
  const ledger = new Ledger(context, 'box', true);
  ledger.begin('1', 10);
  const late = Promise.withResolvers<void>();
  ledger.published(4, [event(Promise.resolve())]);
  ledger.published(5, [event(late.promise)]);
  await settled();
  ledger.begin('2', 20);
  late.resolve();
  await settled();
  assert.deepEqual([ledger.uid, ledger.due()], [0, undefined]);
  assert.deepEqual(values.get('box'), { uidValidity: '2', uid: 0, before: 20, firstMs: 1000, pending: '' });
});

test('no more mails are marked with one command than fit on a line', async () => {
  const ledger = new Ledger(createContext().context, 'box', true);
  ledger.begin('1', 1);
  for (let uid = 1e9; uid < 1e9 + 2000; uid += 2) ledger.published(uid, [event(Promise.resolve())]);
  await settled();
  let count = 0;
  for (let set = ledger.due(); set !== undefined; set = ledger.due()) {
    assert.ok(set.length < 8000);
    count += expand(set).length;
    ledger.marked(set);
  }
  assert.equal(count, 1000);
});
