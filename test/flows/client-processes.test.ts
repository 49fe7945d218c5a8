import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Client, generic, openClient } from '../../src/client/index.ts';
import { openOutbox } from '../../src/client/outbox/open-outbox.ts';
import { startBreakingProxy } from '../../src/testing/breaking-proxy.ts';
import { until, within } from '../../src/testing/deadline.ts';
import { HandEngine } from '../../src/testing/hand-engine.ts';
import { freePort, startMosquitto } from '../../src/testing/mosquitto.ts';
import { startScriptedServer } from '../../src/testing/scripted-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';
import { startWitness } from '../../src/testing/witness.ts';

const leads = (client: Client): Promise<void> => new Promise((resolve) => client.on('leading', () => resolve()));

async function publish(client: Client, count: number, prefix: string): Promise<void> {
  const publications = Array.from({ length: count }, (_, i) => client.publish({ topic: 'a', payload: `${prefix}${i}`, channel: prefix }));
  await Promise.all(publications.map(({ acked }) => acked));
}

test('of several clients on one outbox all store and one sends; each hears what becomes of its events', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  const options = { outbox: folder.path, url: server.url };
  await using first = await openClient(options);
  await using second = await openClient(options);
  await using third = await openClient(options);
  await within(
    Promise.all([publish(first, 100, 'x'), publish(second, 100, 'y'), publish(third, 100, 'z')]),
    30_000,
    'all to be acknowledged',
  );
  await witness.seen(300);
  assert.equal(witness.texts.length, 300, 'each once');
  for (const prefix of ['x', 'y', 'z']) {
    const own = witness.texts.filter((text) => text.startsWith(prefix));
    assert.deepEqual(
      own,
      Array.from({ length: 100 }, (_, i) => `${prefix}${i}`),
    );
  }
  assert.deepEqual([first.connected, second.connected, third.connected], [true, false, false]);
  assert.deepEqual(await second.flush(), { remaining: 0 });
});

test('when the one that sends ends, another takes over with all that is left', async () => {
  await using folder = await createTempFolder();
  await using server = await startMosquitto();
  await using witness = await startWitness(server.url, ['a']);
  const port = await freePort();
  const options = { outbox: folder.path, url: `mqtt://127.0.0.1:${port}` };
  const first = await openClient(options);
  await using second = await openClient(options);
  const left = publish(first, 50, 'x');
  left.catch(() => {});
  const waiting = publish(second, 50, 'y');
  assert.deepEqual(await second.flush({ deadlineMs: 300 }), { remaining: 100 });
  const takesOver = leads(second);
  await first.close({ deadlineMs: 0 });
  await within(takesOver, 10_000, 'the second to take over');
  await using door = await startBreakingProxy(server.port, port);
  await within(waiting, 30_000, 'its own to be acknowledged');
  await witness.seen(100);
  assert.deepEqual([witness.texts.length, door.connections], [100, 1]);
});

test('clients that open a new folder at the same moment have one client id', async () => {
  await using folder = await createTempFolder();
  const options = { outbox: folder.path, url: `mqtt://127.0.0.1:${await freePort()}` };
  const clients = await Promise.all(Array.from({ length: 4 }, () => openClient(options)));
  const ids = new Set(clients.map(({ clientId }) => clientId));
  await Promise.all(clients.map((client) => client.close({ deadlineMs: 0 })));
  assert.equal(ids.size, 1, [...ids].join(' '));
});

test('state that an earlier run left is sent also by a client that has no device', async () => {
  await using folder = await createTempFolder();
  const before = await openClient({
    outbox: folder.path,
    bus: new HandEngine(),
    profile: generic({ device: 'd', stateIntervalMs: 60_000 }),
  });
  const state = before.channel('state', { mode: 'merge' });
  await Promise.all([{ celsius: 21 }, { open: true }].map((update) => state.update(update).stored));
  await before.close({ deadlineMs: 0 });
  const engine = new HandEngine();
  await using client = await openClient({ outbox: folder.path, bus: engine, profile: generic({ stateIntervalMs: 0 }) });
  await within(engine.until(1), 10_000, 'the state to be sent');
  assert.deepEqual([engine.published, engine.events[0]!.topic], [['[{"celsius":21,"open":true}]'], '/devices/d/state']);
  assert.throws(() => client.channel('state'), { code: 'HYD_USAGE', message: /knows no device/ });
  engine.ack();
  assert.deepEqual(await client.flush(), { remaining: 0 });
});

test('who closes without flushing waits for what is out and sends nothing more: the next process repeats nothing', async () => {
  await using folder = await createTempFolder();
  const engine = new HandEngine();
  const client = await openClient({ outbox: folder.path, bus: engine, maxInFlight: 1 });
  const [out, left] = ['out', 'left'].map((payload) => client.publish({ topic: 'a', payload }));
  await Promise.all([out!.stored, left!.stored, within(engine.until(1), 10_000, 'the first to be sent')]);
  const closed = client.close({ deadlineMs: 60_000, flush: false });
  setTimeout(() => engine.ack(), 200);
  assert.deepEqual(await within(closed, 10_000, 'it to close'), { remaining: 1 });
  await out!.acked;
  await assert.rejects(left!.acked, { code: 'HYD_CLOSED' });
  const next = new HandEngine();
  await using _second = await openClient({ outbox: folder.path, bus: next });
  await within(next.until(1), 10_000, 'the other to be sent');
  next.ack();
  assert.deepEqual([engine.published, next.published], [['out'], ['left']]);
});

test('at the end of the deadline of close nothing is sent any more, and what is out is settled', async () => {
  await using folder = await createTempFolder();
  const engine = new HandEngine();
  engine.onPublish = () => void setTimeout(() => engine.ack(), 40);
  const client = await openClient({ outbox: folder.path, bus: engine, maxInFlight: 1 });
  await Promise.all(Array.from({ length: 100 }, (_, i) => client.publish({ topic: 'a', payload: `${i}` }).stored));
  const { remaining } = await client.close({ deadlineMs: 1_000 });
  assert.ok(remaining > 0, `${remaining}`);
  assert.deepEqual([engine.out, engine.published.length], [[], 100 - remaining]);
});

test('what another process has sent just before it ended is acknowledged for the one that stored it and takes over', async () => {
  await using folder = await createTempFolder();
  await using other = await openOutbox(folder.path);
  await other.claim();
  await using client = await openClient({ outbox: folder.path, bus: new HandEngine() });
  const publication = client.publish({ topic: 'a', payload: 'x' });
  const { acked } = publication;
  await publication.stored;
  await until(() => other.channels.has('events'), 'the other one to see it');
  const [record] = await other.read('events', 0, { maxEvents: 1, maxBytes: 1 });
  other.remove(record!.seq);
  const takesOver = leads(client);
  await other.close();
  await within(takesOver, 10_000, 'it to take over');
  assert.equal((await within(acked, 10_000, 'the event to be acknowledged')).id, publication.id);
});

test('state that another process has stored is gathered by the one that sends', async () => {
  await using folder = await createTempFolder();
  const engine = new HandEngine();
  const profile = generic({ device: 'd', stateIntervalMs: 50 });
  await using first = await openClient({ outbox: folder.path, bus: engine, profile });
  await using second = await openClient({ outbox: folder.path, bus: new HandEngine(), profile });
  const update = second.channel('state').update({ celsius: 21 });
  await within(engine.until(1), 10_000, 'the state to be sent');
  assert.deepEqual([engine.published, first.metrics().depth], [['[{"celsius":21}]'], 1]);
  engine.ack();
  await within(update.acked, 10_000, 'it to be acknowledged');
});

test('an event that the sending process drops is not acknowledged for the process that stored it, which hears why', async () => {
  await using folder = await createTempFolder();
  const engine = new HandEngine();
  const channels = { aged: { maxAgeMs: 1 }, full: { maxEvents: 1, whenFull: 'drop-oldest' } } as const;
  await using first = await openClient({ outbox: folder.path, bus: engine, maxInFlight: 1, channels });
  await using second = await openClient({ outbox: folder.path, bus: new HandEngine() });
  await first.publish({ topic: 'a', payload: 'out' }).stored;
  await within(engine.until(1), 10_000, 'it to be sent');
  const aged = second.publish({ topic: 'a', payload: 'x', channel: 'aged' });
  const expired = second.publish({ topic: 'a', payload: 'x', ttlMs: 1, channel: 'short' });
  const full = second.publish({ topic: 'a', payload: 'x', channel: 'full' });
  const late = second.publish({ topic: 'a', payload: 'x', channel: 'full' });
  const ended = [aged, expired, full].map(({ acked }) => acked);
  await Promise.all([aged, expired, full, late].map(({ stored }) => stored));
  await first.publish({ topic: 'a', payload: 'y', channel: 'full' }).stored;
  const why = [/older than the channel keeps/, /its time was over/, /at its bound/];
  const told = ended.map((acked, i) => assert.rejects(acked, { code: 'HYD_DROPPED', message: why[i]! }));
  await within(Promise.all(told), 30_000, 'all to be told');
  await within(assert.rejects(late.acked, { code: 'HYD_DROPPED', message: /at its bound/ }), 10_000, 'who asks late to be told');
  engine.ack();
  engine.onPublish = () => setImmediate(() => engine.ack());
});

test('an event that the sending process sets aside is not acknowledged for the process that stored it', async () => {
  await using folder = await createTempFolder();
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false });
    if (packet.cmd !== 'publish') return;
    const reasonCode = packet.payload.toString() === 'bad' ? 0x87 : 0;
    connection.send({ cmd: 'puback', messageId: packet.messageId, reasonCode });
  });
  const options = { outbox: folder.path, url: server.url };
  await using first = await openClient(options);
  await using second = await openClient(options);
  await first.publish({ topic: 'a', payload: '' }).acked;
  const [bad, good] = ['bad', 'good'].map((payload) => second.publish({ topic: 'a', payload }));
  await within(assert.rejects(bad!.acked, { code: 'HYD_QUARANTINED' }), 20_000, 'it to be set aside');
  await within(good!.acked, 20_000, 'the other one to be acknowledged');
  assert.equal(first.metrics().quarantined, 1);
});
