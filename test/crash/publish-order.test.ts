import assert from 'node:assert/strict';
import { findEvents } from '../../src/testing/hydrant-server.ts';
import { type Published, RawClient } from '../../src/testing/raw-client.ts';
import { seen, type Try, testWait } from './crash-order.ts';

const JOURNAL_POINTS = ['journal.before-write', 'journal.before-sync', 'journal.after-sync'];
const ALL_POINTS = [...JOURNAL_POINTS, 'tail.before-fanout', 'wire.before-ack'];

/** `find` then has nothing but the journal to look at. */
const JOURNAL_ONLY = { 'archive.enabled': false };

async function stored({ data, id }: Try): Promise<string[]> {
  return (await findEvents(data, `${id}/#`)).map((event) => event.payload.toString());
}

testWait('PUBACK waits for the journal: what it acknowledged is there after the crash', {
  points: ALL_POINTS,
  once: true,
  set: JOURNAL_ONLY,
  before: [...JOURNAL_POINTS, 'wire.before-ack'],
  async act({ url, id }) {
    using client = await RawClient.connect(url);
    client.publish(`${id}/a`, 'x', { qos: 1, messageId: 7 });
    return { puback: await seen(client.take('puback', { messageId: 7 })) };
  },
  answered: (wire) => wire.puback !== undefined,
  async check(given, wire) {
    const found = await stored(given);
    assert.ok(found.length === 1 || (found.length === 0 && !wire.puback), `${found.length} events`);
  },
});

testWait('PUBREC waits for the journal: a repeat of the same packet id after the crash is not a second event', {
  points: ALL_POINTS,
  once: true,
  set: JOURNAL_ONLY,
  before: [...JOURNAL_POINTS, 'wire.before-ack'],
  async prepare({ url, id }) {
    using client = await RawClient.connect(url, { clientId: id, clean: false });
    await client.disconnect();
  },
  async act({ url, id }) {
    const client = await seen(RawClient.connect(url, { clientId: id, clean: false }));
    client?.publish(`${id}/a`, 'x', { qos: 2, messageId: 8 });
    return { pubrec: await seen(client?.take('pubrec', { messageId: 8 }) ?? Promise.reject()) };
  },
  answered: (wire) => wire.pubrec !== undefined,
  async check(given, wire) {
    if (wire.pubrec) assert.deepEqual(await stored(given), ['x']);
    using client = await RawClient.connect(given.url, { clientId: given.id, clean: false });
    assert.equal(client.connack.sessionPresent, true);
    client.publish(`${given.id}/a`, 'x', { qos: 2, messageId: 8, dup: true });
    await client.expect('pubrec', { messageId: 8 });
    client.ack('pubrel', 8);
    await client.expect('pubcomp', { messageId: 8 });
    assert.deepEqual(await stored(given), ['x']);
  },
});

testWait('PUBCOMP waits for the state: after it the same packet id is a new event, before it the exchange goes on', {
  points: ['state.before-commit', 'state.after-commit'],
  before: ['state.before-commit', 'state.after-commit'],
  async prepare({ url, id }) {
    using client = await RawClient.connect(url, { clientId: id, clean: false });
    client.publish(`${id}/a`, 'one', { qos: 2, messageId: 9 });
    await client.expect('pubrec', { messageId: 9 });
  },
  async act({ url, id }) {
    const client = await seen(RawClient.connect(url, { clientId: id, clean: false }));
    client?.ack('pubrel', 9);
    return { pubcomp: await seen(client?.take('pubcomp', { messageId: 9 }) ?? Promise.reject()) };
  },
  answered: (wire) => wire.pubcomp !== undefined,
  async check(given, wire) {
    using client = await RawClient.connect(given.url, { clientId: given.id, clean: false });
    assert.equal(client.connack.sessionPresent, true);
    if (!wire.pubcomp) {
      client.ack('pubrel', 9);
      await client.expect('pubcomp', { messageId: 9 });
    }
    await client.deliver(`${given.id}/a`, 'two', { qos: 2, messageId: 9 });
    assert.deepEqual(await stored(given), ['one', 'two']);
  },
});

testWait('fan-out waits for the journal: what any subscriber saw before the crash is on disk, and the others get it', {
  points: ALL_POINTS,
  once: true,
  set: JOURNAL_ONLY,
  before: [...JOURNAL_POINTS, 'tail.before-fanout'],
  async prepare({ url, id }) {
    for (const clientId of [`${id}-here`, `${id}-away`]) {
      using client = await RawClient.connect(url, { clientId, clean: false });
      await client.subscribe(`${id}/#`, 1);
      await client.disconnect();
    }
  },
  async act({ url, id }) {
    const here = await seen(RawClient.connect(url, { clientId: `${id}-here`, clean: false }));
    const publisher = await seen(RawClient.connect(url));
    publisher?.publish(`${id}/a`, 'x', { qos: 1, messageId: 1 });
    const [event, puback] = await Promise.all([
      seen<Published>(here?.take('publish') ?? Promise.reject()),
      seen(publisher?.take('puback') ?? Promise.reject()),
    ]);
    return { event, puback };
  },
  answered: (wire) => wire.event !== undefined,
  async check(given, wire) {
    const found = await stored(given);
    assert.ok(found.length === 1 || !(wire.event || wire.puback), `${found.length} events on disk`);
    for (const clientId of [`${given.id}-here`, `${given.id}-away`]) {
      using client = await RawClient.connect(given.url, { clientId, clean: false, auto: true });
      assert.equal(client.connack.sessionPresent, true);
      if (found.length === 1) await client.expectMessage(`${given.id}/a`, 'x');
      await client.expectQuiet();
    }
  },
});

testWait('a QoS 0 event that a subscriber saw before the crash is on disk too', {
  points: [...JOURNAL_POINTS, 'tail.before-fanout'],
  once: true,
  set: JOURNAL_ONLY,
  before: [...JOURNAL_POINTS, 'tail.before-fanout'],
  async act({ url, id }) {
    using client = await RawClient.connect(url);
    const subscribed = await seen(client.subscribe(`${id}/#`));
    if (subscribed) client.publish(`${id}/a`, 'x');
    return { event: subscribed && (await seen<Published>(client.take('publish'))) };
  },
  answered: (wire) => wire.event !== undefined,
  async check(given, wire) {
    if (wire.event) assert.deepEqual(await stored(given), ['x']);
  },
});

testWait('a retained event that was acknowledged is retained after the crash', {
  points: ALL_POINTS,
  once: true,
  set: JOURNAL_ONLY,
  before: [...JOURNAL_POINTS, 'wire.before-ack'],
  async prepare({ url, id }) {
    using client = await RawClient.connect(url);
    await client.deliver(`${id}/a`, 'old', { qos: 1, retain: true });
    await client.deliver(`${id}/gone`, 'old', { qos: 1, retain: true });
  },
  async act({ url, id }) {
    const client = await seen(RawClient.connect(url));
    client?.publish(`${id}/a`, 'new', { qos: 1, retain: true, messageId: 1 });
    client?.publish(`${id}/gone`, '', { qos: 1, retain: true, messageId: 2 });
    const first = await seen(client?.take('puback', { messageId: 1 }) ?? Promise.reject());
    return { first, second: await seen(client?.take('puback', { messageId: 2 }) ?? Promise.reject()) };
  },
  answered: (wire) => wire.second !== undefined,
  async check({ url, id }, wire) {
    using client = await RawClient.connect(url);
    await client.subscribe([`${id}/#`, `end/${id}`]);
    await client.deliver(`end/${id}`, '', { qos: 1 });
    const kept = new Map<string, string>();
    for (;;) {
      const packet = await client.take('publish');
      if (packet.topic === `end/${id}`) break;
      assert.equal(packet.retain, true);
      kept.set(packet.topic, packet.payload.toString());
    }
    const allowed = wire.first ? ['new'] : ['new', 'old'];
    assert.ok(allowed.includes(kept.get(`${id}/a`) as string), `retained: ${kept.get(`${id}/a`)}`);
    if (wire.second) assert.equal(kept.has(`${id}/gone`), false);
  },
});
