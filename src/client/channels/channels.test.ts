import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { HydrantError } from '../../core/errors.ts';
import { within } from '../../testing/deadline.ts';
import { type StandIn, startService } from '../../testing/stand-in.ts';
import { createTempFolder } from '../../testing/temp-folder.ts';
import type { Client } from '../client.ts';
import { openClient } from '../open-client.ts';
import type { ClientOptions } from '../options.ts';
import { generic } from '../profiles/generic.ts';

const LIMIT_MS = 60_000;
const profile = generic({ device: 'd1', stateIntervalMs: 100 });

async function start(t: TestContext): Promise<StandIn> {
  const service = await startService();
  t.after(() => service[Symbol.asyncDispose]());
  return service;
}

async function open(t: TestContext, service: StandIn, options: Partial<ClientOptions> = {}): Promise<Client> {
  const client = await openClient({ url: service.url, outbox: ':memory:', profile, ...options });
  t.after(() => client.close({ deadlineMs: 0 }));
  return client;
}

const soon = <T>(promise: Promise<T>, what: string): Promise<T> => within(promise, LIMIT_MS, what);
const states = (service: StandIn) => service.received.filter(({ topic }) => topic === '/devices/d1/state');

test('the document’s example sends to its service what the document’s program sends', async (t) => {
  const service = await start(t);
  const client = await open(t, service, { version: 4 });
  const state = client.channel('state');
  const data = client.channel('data');
  const readings = state.update({ flow: 1, l_cpu_temp: 12, pressure: 12, r_cpu_temp: 32 });
  const events = Array.from({ length: 10 }, (_, index) => data.publish({ index, val: 10 + index }));
  data.publish('{"index":10}', { sub: 'pump' });
  await soon(Promise.all([readings.acked, ...events.map(({ acked }) => acked), client.flush()]), 'acknowledgements');
  assert.deepEqual(
    states(service).map(({ text }) => text),
    ['[{"flow":1,"l_cpu_temp":12,"pressure":12,"r_cpu_temp":32}]'],
  );
  assert.deepEqual(
    service.received.filter(({ topic }) => topic !== '/devices/d1/state').map(({ topic, text }) => `${topic} ${text}`),
    [
      ...Array.from({ length: 10 }, (_, index) => `/devices/d1/data {"index":${index},"val":${10 + index}}`),
      '/devices/d1/data/pump {"index":10}',
    ],
  );
});

test('bytes may be used again as soon as they are published', async (t) => {
  const service = await start(t);
  const client = await open(t, service);
  const bytes = Buffer.from('first');
  const { acked } = client.channel('data').publish(bytes);
  bytes.fill('x');
  await soon(acked, 'an acknowledgement');
  assert.equal(service.received[0]?.text, 'first');
});

test('a full queue says so after its 100 ms, and what it took arrives (client defect 13)', async (t) => {
  const service = await start(t);
  service.hold();
  const client = await open(t, service);
  const data = client.channel('data', { maxEvents: 5, whenFull: 'wait', waitMs: 100 });
  const all = Array.from({ length: 8 }, (_, n) => data.publish(`${n}`));
  const outcomes = await soon(Promise.allSettled(all.map(({ stored }) => stored)), 'the end of waiting');
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    [...Array(5).fill('fulfilled'), ...Array(3).fill('rejected')],
  );
  for (const outcome of outcomes.slice(5))
    assert.equal(((outcome as PromiseRejectedResult).reason as HydrantError).code, 'HYD_OUTBOX_FULL');
  service.release();
  await soon(Promise.all(all.slice(0, 5).map(({ acked }) => acked)), 'acknowledgements');
  await soon(data.publish('again').acked, 'the acknowledgement of what came when there was room again');
  assert.deepEqual(
    service.received.map(({ text }) => text),
    ['0', '1', '2', '3', '4', 'again'],
  );
});

test('updates made while a publish waits for its acknowledgement are all sent after it (client defect 2)', async (t) => {
  const service = await start(t);
  service.hold();
  const client = await open(t, service);
  const state = client.channel('state');
  const first = state.update(1);
  void state.publishNow();
  await service.took(1);
  const during = [2, 3].map((n) => state.update(n));
  await soon(Promise.all(during.map(({ stored }) => stored)), 'the outbox');
  service.release();
  await soon(Promise.all([first, ...during].map(({ acked }) => acked)), 'acknowledgements');
  assert.deepEqual(
    states(service).map(({ text }) => text),
    ['[1]', '[2,3]'],
  );
});

test('a document that changes a thousand times takes few publishes, and every update hears that it arrived', async (t) => {
  const service = await start(t);
  const client = await open(t, service);
  const told: string[] = [];
  client.on('dropped', ({ reason }) => told.push(reason));
  const state = client.channel('state', { mode: 'last', form: 'object' });
  const updates = Array.from({ length: 1_000 }, (_, n) => state.update({ [`key-${n % 7}`]: n }));
  await soon(Promise.all(updates.map(({ stored }) => stored)), 'the outbox');
  await soon(Promise.all(updates.map(({ acked }) => acked)), 'acknowledgements');
  await soon(state.publishNow(), 'the newest');
  assert.ok(states(service).length < 20, `${states(service).length} publishes`);
  assert.deepEqual(told, [], 'what a newer one replaced is not dropped');
  const expected = Object.fromEntries(
    Array.from({ length: 7 }, (_, n) => [`key-${n}`, 994 + n]).map(([key, n]) => [key, Number(n) > 999 ? Number(n) - 7 : n]),
  );
  assert.deepEqual(JSON.parse(states(service).at(-1)!.text), expected);
});

test('a state that was stored is sent by the next process, gathered as before', async (t) => {
  const service = await start(t);
  const folder = await createTempFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  service.hold();
  const before = await open(t, service, { outbox: folder.path });
  const state = before.channel('state', { mode: 'merge', form: 'object' });
  await soon(state.update({ a: { b: 1 } }).stored, 'the outbox');
  await service.took(1);
  await soon(state.update({ a: { c: 2 } }).stored, 'the outbox');
  await before.close({ deadlineMs: 0 });
  service.release();
  const next = await open(t, service, { outbox: folder.path });
  await soon(next.flush(), 'acknowledgements');
  assert.deepEqual(JSON.parse(states(service).at(-1)!.text), { a: { b: 1, c: 2 } });
  await soon(next.channel('state', { mode: 'merge' }).update({ a: { b: null } }).acked, 'an acknowledgement');
  assert.deepEqual(JSON.parse(states(service).at(-1)!.text), { a: { c: 2 } });
});

test('the state of several processes is one document, and who takes over knows it', async (t) => {
  const service = await start(t);
  const folder = await createTempFolder();
  t.after(() => folder[Symbol.asyncDispose]());
  const [one, other] = [await open(t, service, { outbox: folder.path }), await open(t, service, { outbox: folder.path })];
  const mode = { mode: 'last', form: 'object' } as const;
  const [first, second] = [one.channel('state', mode), other.channel('state', mode)];
  await soon(Promise.all([first.update({ a: 1 }).acked, second.update({ b: 2 }).acked]), 'acknowledgements');
  await soon(second.update({ b: 3 }).acked, 'an acknowledgement');
  assert.deepEqual(JSON.parse(states(service).at(-1)!.text), { a: 1, b: 3 });
  await one.close();
  await soon(second.update({ c: 4 }).acked, 'an acknowledgement');
  assert.deepEqual(JSON.parse(states(service).at(-1)!.text), { a: 1, b: 3, c: 4 });
});

test('after a lost connection the document comes once more under its id', async (t) => {
  const service = await start(t);
  const client = await open(t, service);
  await soon(client.channel('state', { mode: 'last', form: 'object' }).update({ a: 1 }).acked, 'an acknowledgement');
  service.cut();
  await service.took(2);
  const [first, second] = states(service);
  assert.deepEqual(second, first);
  assert.equal(typeof first?.id, 'string');
});

test('what a cut leaves unacknowledged comes again as it was, under the same id', async (t) => {
  const service = await start(t);
  service.hold();
  const client = await open(t, service);
  const state = client.channel('state');
  state.update(1);
  const second = state.update(2);
  await service.took(1);
  service.cut();
  service.release();
  await soon(second.acked, 'an acknowledgement');
  const [first, repeat] = states(service);
  assert.equal(first?.text, '[1,2]');
  assert.deepEqual(repeat, first);
});
