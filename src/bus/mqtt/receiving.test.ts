import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectClient } from '../../mqtt/client.ts';
import { within } from '../../testing/deadline.ts';
import { DeliveryLog } from '../../testing/delivery-log.ts';
import { MemoryInbox } from '../../testing/memory-inbox.ts';
import { type ScriptedSession, type SessionScript, startScriptedSession } from '../../testing/scripted-session.ts';
import type { Gap, SubscribeOptions } from '../bus.ts';
import { type MqttBusOptions, openMqttBus } from './mqtt-bus.ts';

const LIMIT_MS = 20_000;

interface Reader {
  session: ScriptedSession;
  inbox: MemoryInbox;
  log: DeliveryLog;
  gaps: { gap: Gap; after: number }[];
}

/** A durable reader with an inbox at a scripted server, once it has subscribed. */
async function read(
  options: SessionScript & Partial<MqttBusOptions> & { subscribe?: SubscribeOptions; inbox?: MemoryInbox },
  run: (reader: Reader) => Promise<void>,
): Promise<void> {
  const { present, answer, subscribe, inbox = new MemoryInbox(), ...more } = options;
  await using session = await startScriptedSession({ present, answer });
  await using bus = await openMqttBus({ urls: [session.url], timing: { random: () => 0 }, ...more });
  const gaps: Reader['gaps'] = [];
  let seen = 0;
  const wanted = { durable: 'reader', inbox, onGap: (gap: Gap) => gaps.push({ gap, after: seen }), ...subscribe };
  const log = new DeliveryLog(await bus.subscribe(['a'], wanted), () => seen++);
  await run({ session, inbox, log, gaps });
}

/** The session is there from the second connection on. */
const kept = { present: (_: unknown, number: number) => number > 0 };
const PING = { qos: 0, topic: 'a', dup: false } as const;

/** A message of QoS 0 behind all that was sent, so that what did not come by then does not come. */
async function flush({ session, log }: Reader): Promise<void> {
  session.publish(0, 'flush', PING);
  await log.until((payloads) => payloads.at(-1) === 'flush');
  log.deliveries.pop();
}

test('[MQTT-4.3.3-10] QoS 2: a repeat of what the reader still has is not delivered again, and PUBREC goes to the new connection once', async () => {
  await read(kept, async (reader) => {
    const { session, log, inbox } = reader;
    session.publish(5, 'one');
    const [delivery] = await log.until(1);
    assert.equal(delivery!.event.inbound, `${inbox.incarnation}:5`);
    session.hangUp();
    await session.until(() => session.connects === 2);
    session.publish(5, 'one', { dup: true });
    await flush(reader);
    assert.deepEqual(log.payloads, ['one']);
    delivery!.ack();
    await session.until('pubrec 5');
    session.publish(5, 'one', { dup: true });
    await session.until((seen) => seen.filter((each) => each === 'pubrec 5').length === 2, 'the repeat to be answered');
    await flush(reader);
    assert.deepEqual(log.payloads, ['one']);
  });
});

test('QoS 2: a repeat of what an earlier process stored gets PUBREC only, in its turn', async () => {
  const inbox = new MemoryInbox();
  await inbox.begin('0000000000000001');
  inbox.stored.add(7);
  await read({ present: () => true, inbox }, async (reader) => {
    const { session, log } = reader;
    session.publish(3, 'first', { qos: 1 });
    session.publish(7, 'stored', { dup: true });
    await flush(reader);
    assert.ok(!session.seen.includes('pubrec 7'), 'it waits for the acknowledgement of what came before');
    log.deliveries[0]!.ack();
    await session.until('pubrec 7');
    assert.deepEqual(log.payloads, ['first']);
    assert.deepEqual(inbox.calls.includes('begin') && inbox.incarnation, '0000000000000001');
  });
});

test('[MQTT-4.3.3-11] QoS 2: PUBCOMP leaves only when the inbox has forgotten the identifier durably, also for a PUBREL that comes again', async () => {
  await read(kept, async (reader) => {
    const { session, log, inbox } = reader;
    session.publish(5, 'one');
    const [delivery] = await log.until(1);
    inbox.stored.add(5);
    delivery!.ack();
    await session.until('pubrec 5');
    inbox.isHeld = true;
    session.release(5);
    session.release(5);
    await flush(reader);
    session.hangUp();
    await session.until(() => session.connects === 2);
    session.release(5);
    await flush(reader);
    assert.ok(!session.seen.some((each) => each.startsWith('pubcomp')), `${session.seen}`);
    inbox.commit();
    await session.until('pubcomp 5');
    assert.deepEqual(
      inbox.calls.filter((call) => call.startsWith('release')),
      ['release 5'],
    );
    session.release(5);
    await session.until('pubcomp 5 0x92');
  });
});

test('MQTT 3.1.1: a PUBREL of nothing is answered', async () => {
  await read({ version: 4 }, async ({ session }) => {
    session.release(9);
    await session.until('pubcomp 9');
  });
});

test('QoS 2: DUP=0 on an identifier that is out is another message; the stored one is released first, so that no repeat is taken for it', async () => {
  const inbox = new MemoryInbox();
  await inbox.begin('0000000000000001');
  inbox.stored.add(5);
  await read({ present: () => true, inbox }, async (reader) => {
    const { session, log } = reader;
    inbox.isHeld = true;
    session.publish(5, 'new');
    session.publish(0, 'behind', PING);
    await inbox.until('release 5');
    assert.deepEqual(log.payloads, []);
    inbox.isHeld = false;
    inbox.commit();
    await log.until(2);
    assert.deepEqual(log.payloads, ['new', 'behind']);
    assert.equal(log.deliveries[0]!.event.inbound, '0000000000000001:5');
    session.publish(5, 'newer');
    await flush(reader);
    assert.deepEqual(log.payloads, ['new', 'behind', 'newer']);
  });
});

test('a lost session: the new one is durable before anything is delivered, the gap comes behind what came before it', async () => {
  await read({ subscribe: { maxInFlight: 3 } }, async (reader) => {
    const { session, log, inbox, gaps } = reader;
    const first = inbox.incarnation;
    session.publish(4, 'zero');
    await log.until(1);
    inbox.stored.add(4);
    log.deliveries[0]!.ack();
    await session.until('pubrec 4');
    for (const [at, payload] of ['one', 'two', 'three', 'four'].entries()) session.publish(5 + at, payload);
    await log.until(4);
    inbox.isHeld = true;
    const beforeMs = Date.now();
    session.hangUp();
    await session.until(() => session.connects === 2);
    for (const [id, payload] of [
      [4, 'zero'],
      [5, 'one'],
    ] as const)
      session.publish(id, payload, { dup: true });
    await inbox.until('begin', 2);
    for (const delivery of log.deliveries.slice(1)) delivery.ack();
    await log.until(5);
    await using other = await connectClient({ url: session.url });
    await other.ping();
    assert.notEqual(inbox.incarnation, first);
    assert.deepEqual(log.payloads, ['zero', 'one', 'two', 'three', 'four'], 'what this process has is not lost with the session');
    inbox.isHeld = false;
    inbox.commit();
    await log.until(7);
    assert.deepEqual(log.payloads.slice(5), ['zero', 'one'], 'they are new ones in a new session');
    assert.equal(log.deliveries[6]!.event.inbound, `${inbox.incarnation}:5`);
    assert.deepEqual(
      gaps.map(({ gap, after }) => [gap.reason, after]),
      [['session-lost', 5]],
    );
    assert.ok(gaps[0]!.gap.fromMs! <= gaps[0]!.gap.untilMs && gaps[0]!.gap.untilMs >= beforeMs);
    for (const delivery of log.deliveries.slice(5)) delivery.ack();
    await session.until('pubrec 5');
    assert.ok(!session.seen.includes('pubrec 6'), 'the server knows nothing of it any more');
  });
});

test('a session that the inbox does not know begins anew without a gap; one that the server does not know is a gap, also for a new process', async () => {
  await read({ present: () => true }, async ({ inbox, gaps }) => {
    assert.deepEqual([inbox.calls[0], gaps.length], ['begin', 0]);
  });
  const inbox = new MemoryInbox();
  await inbox.begin('0000000000000001');
  await read({ inbox }, async (reader) => {
    await flush(reader);
    assert.equal(inbox.calls.filter((call) => call === 'begin').length, 2);
    assert.deepEqual(
      reader.gaps.map(({ gap }) => [gap.reason, gap.fromMs]),
      [['session-lost', undefined]],
    );
  });
});

test('an inbox that fails ends the subscription with its error, and no PUBCOMP leaves', async () => {
  await read({}, async ({ session, log, inbox }) => {
    session.publish(5, 'one');
    const [delivery] = await log.until(1);
    inbox.stored.add(5);
    delivery!.ack();
    await session.until('pubrec 5');
    inbox.failure = new Error('the disk is gone');
    session.release(5);
    await assert.rejects(within(log.ended, LIMIT_MS, 'the end'), /the disk is gone/);
    assert.ok(!session.seen.includes('pubcomp 5'));
  });
});

test('[MQTT-4.6.0-2] acknowledgements leave in the order of arrival; a nak holds back those behind it and comes again, marked', async () => {
  await read({}, async ({ session, log }) => {
    for (const id of [1, 2, 3]) session.publish(id, `${id}`, { qos: id === 2 ? 2 : 1 });
    const [one, two, three] = await log.until(3);
    three!.ack();
    two!.ack();
    one!.nak();
    const [, , , again] = await log.until(4);
    assert.deepEqual([again!.event.payload.toString(), again!.redelivered, one!.redelivered], ['1', true, false]);
    assert.ok(!session.seen.some((each) => each.startsWith('pub')), `${session.seen}`);
    one!.ack();
    again!.ack();
    await session.until('puback 3');
    assert.deepEqual(session.seen.slice(-3), ['puback 1', 'pubrec 2', 'puback 3']);
  });
});

test('QoS 1: a repeat of what is unacknowledged here is not delivered again; after PUBACK, or with another content, it is, and marked', async () => {
  await read(kept, async (reader) => {
    const { session, log } = reader;
    for (const id of [1, 2, 3]) session.publish(id, `${id}`, { qos: 1 });
    const [one, two, three] = await log.until(3);
    one!.ack();
    await session.until('puback 1');
    three!.ack();
    session.hangUp();
    await session.until(() => session.connects === 2);
    for (const id of [1, 2, 3]) session.publish(id, `${id === 2 ? 'other' : id}`, { qos: 1, dup: true });
    await flush(reader);
    assert.deepEqual(
      log.deliveries.slice(3).map(({ event, redelivered }) => [event.payload.toString(), event.dup, redelivered]),
      [
        ['1', true, true],
        ['other', true, true],
      ],
    );
    two!.ack();
    for (const delivery of log.deliveries.slice(3)) delivery.ack();
    await session.until('puback 3');
    assert.deepEqual(session.seen.slice(-3), ['puback 1', 'puback 2', 'puback 3']);
  });
});

test('MQTT 3.1.1: what is retained is acknowledged and left out, or kept; MQTT 5 does not ask for it and keeps the flag of live events', async () => {
  await read({ version: 4 }, async (reader) => {
    reader.session.publish(1, 'retained', { retain: true });
    await reader.session.until('pubrec 1');
    await flush(reader);
    assert.deepEqual(reader.log.payloads, []);
  });
  await read({ version: 4, subscribe: { retained: 'keep' } }, async ({ session, log }) => {
    session.publish(1, 'retained', { retain: true });
    const [delivery] = await log.until(1);
    assert.equal(delivery!.event.retain, true);
  });
  for (const [retained, rh] of [
    ['skip', 2],
    ['keep', 1],
  ] as const) {
    await read({ subscribe: { retained } }, async ({ session, log }) => {
      const subscribe = session.server.packets.find((packet) => packet.cmd === 'subscribe')!;
      assert.deepEqual({ ...subscribe.subscriptions[0] }, { topic: 'a', qos: 2, nl: false, rap: true, rh });
      session.publish(1, 'live', { retain: true });
      const [delivery] = await log.until(1);
      assert.equal(delivery!.event.retain, true);
    });
  }
});

test('reading stops while too many bytes wait for the reader, and goes on without losing any', async () => {
  await read({ maxQueuedBytes: 20_000, subscribe: { maxInFlight: 5 } }, async ({ session, log }) => {
    for (let id = 1; id <= 500; id++) session.publish(id, `${id}`.padEnd(1000), { qos: 1 });
    let next = 0;
    while (next < 500) {
      await log.until(next + 1);
      for (; next < log.deliveries.length; next++) log.deliveries[next]!.ack();
    }
    assert.deepEqual(
      log.payloads.map(Number),
      Array.from({ length: 500 }, (_, i) => i + 1),
    );
  });
});

test('ten thousand that are out when the connection ends come again, are taken once, and are acknowledged in their order', async () => {
  const count = 10_000;
  const ids = Array.from({ length: count }, (_, i) => i + 1);
  await read({ ...kept, subscribe: { maxInFlight: count } }, async (reader) => {
    const { session, log } = reader;
    const connect = session.server.packets.find((packet) => packet.cmd === 'connect')!;
    assert.equal(connect.properties?.receiveMaximum, count);
    for (const id of ids) session.publish(id, `${id}`, { qos: id % 2 ? 1 : 2 });
    await log.until(count);
    session.hangUp();
    await session.until(() => session.connects === 2);
    for (const id of ids) session.publish(id, `${id}`, { qos: id % 2 ? 1 : 2, dup: true });
    session.publish(0, 'flush', PING);
    for (const delivery of log.deliveries) delivery.ack();
    await session.until(`pubrec ${count}`);
    await log.until((payloads) => payloads.at(-1) === 'flush');
    assert.deepEqual(log.payloads, [...ids.map(String), 'flush']);
    const answers = session.seen.filter((each) => /^pub(ack|rec)/.test(each));
    assert.deepEqual(
      answers,
      ids.map((id) => `${id % 2 ? 'puback' : 'pubrec'} ${id}`),
    );
  });
});

test('what a session brings before SUBACK, however much, does not keep the subscription from standing', async () => {
  const payload = Buffer.alloc(1000, 'x');
  const inbox = new MemoryInbox();
  await inbox.begin('0000000000000001');
  const answer: SessionScript['answer'] = (packet, connection) => {
    if (packet.cmd === 'subscribe')
      for (let messageId = 1; messageId <= 500; messageId++)
        connection.send({ cmd: 'publish', topic: 'a', qos: 1, retain: false, dup: false, payload, messageId });
    return false;
  };
  await read({ present: () => true, inbox, answer, maxQueuedBytes: 20_000 }, async ({ log }) => {
    for (let next = 0; next < 500; ) {
      await log.until(next + 1);
      for (; next < log.deliveries.length; next++) log.deliveries[next]!.ack();
    }
  });
});
