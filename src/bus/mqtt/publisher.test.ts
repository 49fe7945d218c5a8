import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../../mqtt/connection.ts';
import type { Packet, PublishPacket } from '../../mqtt/packet.ts';
import { within } from '../../testing/deadline.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { startScriptedSession } from '../../testing/scripted-session.ts';
import type { Event } from '../../wire/event.ts';
import { type MqttBusOptions, openMqttBus } from './mqtt-bus.ts';

const LIMIT_MS = 20_000;
const FAST = { timing: { random: () => 0 } };

function event(payload: string, qos: 0 | 1 | 2 = 1, more: Partial<Event> = {}): Event {
  return { topic: 'a', payload: Buffer.from(payload), qos, retain: false, ...more };
}

/** Answers nothing that is published, so that a test can. */
const silent = (packet: Packet): boolean => /^pub/.test(packet.cmd);

const settledAs = async (promises: Promise<unknown>[]): Promise<string[]> =>
  (await within(Promise.allSettled(promises), LIMIT_MS, 'the publishes to settle')).map((each) =>
    each.status === 'fulfilled' ? 'ok' : (each.reason.code as string),
  );

async function publishing(
  script: Parameters<typeof startScriptedSession>[0],
  options: Partial<MqttBusOptions>,
  run: (parts: {
    session: Awaited<ReturnType<typeof startScriptedSession>>;
    bus: Awaited<ReturnType<typeof openMqttBus>>;
  }) => Promise<void>,
): Promise<void> {
  await using session = await startScriptedSession({ answer: silent, ...script });
  await using bus = await openMqttBus({ urls: [session.url], ...FAST, closeTimeoutMs: 100, ...options });
  await run({ session, bus });
}

test('[MQTT-4.4.0-1] to the same session what is unacknowledged is sent again in its order: DUP and the same identifier, PUBREL after PUBREC', async () => {
  await publishing({ present: (_, number) => number > 0 }, {}, async ({ session, bus }) => {
    const all = [bus.publish(event('one', 1)), bus.publish(event('two', 2)), bus.publish(event('three', 2)), bus.publish(event('four', 1))];
    await session.until('publish 4 four');
    session.server.connection.sendAck('pubrec', 2);
    session.server.connection.sendAck('puback', 4);
    await session.until('pubrel 2');
    const from = session.seen.length;
    session.hangUp();
    await session.until((seen) => seen.length >= from + 4);
    assert.deepEqual(session.seen.slice(from), ['connect', 'publish 1 one dup', 'pubrel 2', 'publish 3 three dup']);
    const { connection } = session.server;
    connection.sendAck('pubcomp', 2);
    connection.sendAck('puback', 1);
    connection.sendAck('pubrec', 3);
    await session.until('pubrel 3');
    connection.sendAck('pubcomp', 3);
    assert.deepEqual(await settledAs(all), ['ok', 'ok', 'ok', 'ok']);
  });
});

test('to a new session what is unacknowledged is sent as if for the first time, in its order and within the new window', async () => {
  const connacks = [10, 2];
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd !== 'connect') return silent(packet);
    connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties: { receiveMaximum: connacks.shift()! } });
    return true;
  };
  await publishing({ answer }, {}, async ({ session, bus }) => {
    const all = ['one', 'two', 'three'].map((payload) => bus.publish(event(payload, 2)));
    await session.until('publish 3 three');
    session.server.connection.sendAck('pubrec', 1);
    await session.until('pubrel 1');
    const from = session.seen.length;
    session.hangUp();
    const sent = () => session.seen.slice(from).filter((each) => each.startsWith('publish'));
    await session.until(() => sent().length === 2);
    for (let done = 0; done < 3; done++) {
      await session.until(() => sent().length > done);
      const id = Number(sent()[done]!.split(' ')[1]);
      session.server.connection.sendAck('pubrec', id);
      await session.until((seen) => seen.slice(from).includes(`pubrel ${id}`));
      session.server.connection.sendAck('pubcomp', id);
    }
    assert.deepEqual(await settledAs(all), ['ok', 'ok', 'ok']);
    assert.deepEqual(
      sent().map((each) => each.split(' ').slice(2).join(' ')),
      ['one', 'two', 'three'],
    );
  });
});

test('no more than the window are out at once, and the order is that of the calls at every QoS', async () => {
  await publishing({}, { maxInFlight: 2 }, async ({ session, bus }) => {
    const all = [
      bus.publish(event('1')),
      bus.publish(event('2')),
      bus.publish(event('3', 0)),
      bus.publish(event('4')),
      bus.publish(event('5', 0)),
    ];
    await session.until('publish 0 3');
    assert.equal(session.seen.at(-1), 'publish 0 3');
    session.server.connection.sendAck('puback', 1);
    await session.until('publish 0 5');
    session.server.connection.sendAck('puback', 2);
    session.server.connection.sendAck('puback', 3);
    assert.deepEqual(await settledAs(all), ['ok', 'ok', 'ok', 'ok', 'ok']);
    assert.deepEqual(session.seen, ['connect', 'publish 1 1', 'publish 2 2', 'publish 0 3', 'publish 3 4', 'publish 0 5']);
  });
});

test('what the server refuses rejects with its reason: for good, or to be tried again when it is full', async () => {
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd !== 'publish') return silent(packet);
    const reasonCode = Number(packet.payload.toString());
    connection.send({ cmd: packet.qos === 1 ? 'puback' : 'pubrec', messageId: packet.messageId, reasonCode });
    return true;
  };
  await publishing({ answer }, {}, async ({ bus }) => {
    const all = [
      bus.publish(event('0')),
      bus.publish(event('16')),
      bus.publish(event('135')),
      bus.publish(event('151')),
      bus.publish(event('135', 2)),
    ];
    assert.deepEqual(await settledAs(all), ['ok', 'ok', 'HYD_REFUSED', 'HYD_BUSY', 'HYD_REFUSED']);
  });
});

test('what the server said that it does not take is not sent, since it would end the connection over it each time', async () => {
  const properties = { maximumPacketSize: 200, maximumQoS: 1, retainAvailable: false };
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'connect') connection.send({ cmd: 'connack', reasonCode: 0, sessionPresent: false, properties });
    else if (packet.cmd === 'publish') connection.sendAck('puback', packet.messageId!);
    else return false;
    return true;
  };
  await publishing({ answer }, {}, async ({ session, bus }) => {
    const all = [
      bus.publish(event('x'.repeat(191))),
      bus.publish(event('x'.repeat(192))),
      bus.publish(event('x', 1, { props: { user: [['name', 'x'.repeat(200)]] } })),
      bus.publish(event('x', 2)),
      bus.publish(event('x', 1, { retain: true })),
    ];
    assert.deepEqual(await settledAs(all), ['ok', 'HYD_TOO_LARGE', 'HYD_TOO_LARGE', 'HYD_UNSUPPORTED', 'HYD_UNSUPPORTED']);
    assert.equal(session.seen.length, 2);
  });
});

test('a publish that is given up rejects at once; one that waits is never sent', async () => {
  await publishing({}, { maxInFlight: 1 }, async ({ session, bus }) => {
    const stop = new AbortController();
    const all = [
      bus.publish(event('out'), { signal: stop.signal }),
      bus.publish(event('waits'), { signal: stop.signal }),
      bus.publish(event('stays')),
    ];
    await session.until('publish 1 out');
    stop.abort();
    assert.deepEqual(await settledAs(all.slice(0, 2)), ['HYD_ABORTED', 'HYD_ABORTED']);
    session.server.connection.sendAck('puback', 1);
    await session.until('publish 2 stays');
    session.server.connection.sendAck('puback', 2);
    assert.deepEqual(await settledAs(all.slice(2)), ['ok']);
  });
});

test('closing waits for what is out; what stays unacknowledged rejects, and so does what waits for a server that is not there', async () => {
  await publishing({}, { closeTimeoutMs: LIMIT_MS }, async ({ session, bus }) => {
    const publish = bus.publish(event('late'));
    await session.until('publish 1 late');
    const closed = bus.close();
    session.server.connection.sendAck('puback', 1);
    assert.deepEqual(await settledAs([publish, closed]), ['ok', 'ok']);
  });
  await publishing({}, {}, async ({ session, bus }) => {
    const publish = bus.publish(event('never'));
    await session.until('publish 1 never');
    assert.deepEqual(await settledAs([publish, bus.close()]), ['HYD_CLOSED', 'ok']);
  });
  const bus = await openMqttBus({ urls: [`mqtt://127.0.0.1:${await freePort()}`], closeTimeoutMs: 50 });
  assert.deepEqual(await settledAs([bus.publish(event('nowhere')), bus.close()]), ['HYD_CLOSED', 'ok']);
});

test('what is withdrawn before it was sent is never sent; what is out is settled', async () => {
  await publishing({}, { maxInFlight: 1 }, async ({ session, bus }) => {
    const [out, waits] = ['out', 'waits'].map((text) => bus.publish(event(text)));
    await session.until('publish 1 out');
    bus.withdraw();
    const later = bus.publish(event('later'));
    assert.deepEqual(await settledAs([waits!]), ['HYD_ABORTED']);
    const { connection } = session.server;
    connection.sendAck('puback', 1);
    await session.until('publish 2 later');
    connection.sendAck('puback', 2);
    assert.deepEqual(await settledAs([out!, later]), ['ok', 'ok']);
    assert.deepEqual(
      session.seen.filter((line) => line.startsWith('publish')),
      ['publish 1 out', 'publish 2 later'],
    );
  });
});

test('the session of a publisher ends with it: at once on MQTT 5, by a clean connect on 3.1.1', async () => {
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'publish') connection.sendAck('puback', packet.messageId!);
    return packet.cmd === 'publish';
  };
  for (const version of [5, 4] as const) {
    await publishing({ answer }, { version }, async ({ session, bus }) => {
      await bus.publish(event('one'));
      await bus.close();
      const connects = session.server.packets.filter((packet) => packet.cmd === 'connect');
      const leave = session.server.packets.find((packet) => packet.cmd === 'disconnect')!;
      assert.deepEqual(
        connects.map(({ clean, clientId }) => [clean, clientId === connects[0]!.clientId]),
        version === 5
          ? [[false, true]]
          : [
              [false, true],
              [true, true],
            ],
      );
      assert.equal(leave.properties?.sessionExpiryInterval, version === 5 ? 0 : undefined);
    });
  }
});

test('an event is a PUBLISH with all its properties on MQTT 5, and bare on 3.1.1', async () => {
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'publish') connection.sendAck('puback', packet.messageId!);
    return packet.cmd === 'publish';
  };
  const full = event('x', 1, {
    id: 'I1',
    source: 'me',
    contentType: 'x/y',
    retain: true,
    props: { time: '2026-11-21T10:00:00Z', format: 1, expiry: 60, reply: 'r', correlation: 'AQI=', user: [['traceparent', '00-aa-bb-01']] },
  });
  for (const version of [5, 4] as const) {
    await publishing({ answer }, { version }, async ({ session, bus }) => {
      await bus.publish(full);
      const { properties, userProperties, retain } = session.server.packets.find(
        (packet): packet is PublishPacket => packet.cmd === 'publish',
      )!;
      assert.equal(retain, true);
      if (version === 4) return assert.deepEqual([properties, userProperties], [undefined, undefined]);
      assert.deepEqual(
        { ...properties },
        {
          payloadFormatIndicator: true,
          messageExpiryInterval: 60,
          responseTopic: 'r',
          correlationData: Buffer.from([1, 2]),
          contentType: 'x/y',
        },
      );
      assert.deepEqual(userProperties, [
        ['hydrant-id', 'I1'],
        ['hydrant-source', 'me'],
        ['hydrant-time', '2026-11-21T10:00:00Z'],
        ['traceparent', '00-aa-bb-01'],
      ]);
    });
  }
});

type Ending = (session: Awaited<ReturnType<typeof startScriptedSession>>) => void;
const reset: Ending = ({ server }) => server.socket.resetAndDestroy();
const disconnect =
  (reasonCode: number): Ending =>
  ({ server }) =>
    server.connection.send({ cmd: 'disconnect', reasonCode });

for (const [how, end] of [
  ['hangs up', (session) => session.hangUp()],
  ['resets the connection', reset],
  ['sends DISCONNECT with a reason that may be an event', disconnect(0x99)],
] as [string, Ending][]) {
  test(`when the server ${how}, each publish that is out is told, in the order sent, how many more were; what waits or is acknowledged is not`, async () => {
    const cuts: string[] = [];
    const onCut =
      (payload: string) =>
      (others: number): boolean =>
        cuts.push(`${payload} ${others}`) < 0;
    await publishing({ present: (_, number) => number > 0 }, { maxInFlight: 3 }, async ({ session, bus }) => {
      const all = ['1', '2', '3', '4'].map((payload) => bus.publish(event(payload), { onCut: onCut(payload) }));
      await session.until('publish 3 3');
      session.server.connection.sendAck('puback', 1);
      await session.until('publish 4 4');
      const last = bus.publish(event('5'), { onCut: onCut('5') });
      end(session);
      await session.until('publish 4 4 dup');
      assert.deepEqual(cuts, ['2 2', '3 2', '4 2']);
      for (const id of [2, 3, 4, 5]) session.server.connection.sendAck('puback', id);
      await session.until('publish 5 5');
      session.server.connection.sendAck('puback', 5);
      assert.deepEqual(await settledAs([...all, last]), ['ok', 'ok', 'ok', 'ok', 'ok']);
    });
  });
}

for (const [how, end] of [
  ['silence', undefined],
  ['DISCONNECT: session taken over', disconnect(0x8e)],
  ['DISCONNECT: server shutting down', disconnect(0x8b)],
] as [string, Ending | undefined][]) {
  test(`a connection that ends by ${how} is no cut, and neither are attempts that fail, nor our own close`, async () => {
    let isSilent = false;
    let cuts = 0;
    const refused = [0x88, 0x88];
    const answer = (packet: Packet, connection: Connection): boolean => {
      const code = isSilent && packet.cmd === 'connect' ? refused.pop() : undefined;
      if (code !== undefined) connection.send({ cmd: 'connack', reasonCode: code, sessionPresent: false });
      if (code !== undefined) connection.close();
      return code !== undefined || packet.cmd === 'publish' || (isSilent && packet.cmd === 'pingreq');
    };
    const options = { keepAliveSeconds: 1, neverGiveUp: true, clientId: 'device' };
    await publishing({ answer }, options, async ({ session, bus }) => {
      const publish = bus.publish(event('one'), { onCut: () => cuts++ < 0 });
      await session.until('publish 1 one');
      isSilent = true;
      end?.(session);
      await session.until((seen) => seen.filter((each) => each.endsWith(' one')).length === 2);
      assert.equal(refused.length, 0);
      assert.deepEqual(await settledAs([publish, bus.close()]), ['HYD_CLOSED', 'ok']);
      assert.equal(cuts, 0);
    });
  });
}

test('an event that is given back when the server hangs up rejects and is not sent again; the others are', async () => {
  await publishing({ present: (_, number) => number > 0 }, {}, async ({ session, bus }) => {
    const bad = settledAs([bus.publish(event('bad', 2), { onCut: (others) => others === 1 })]);
    const good = bus.publish(event('good', 2), { onCut: () => false });
    const received = bus.publish(event('received', 2), { onCut: () => true });
    await session.until('publish 3 received');
    session.server.connection.sendAck('pubrec', 3);
    await session.until('pubrel 3');
    const from = session.seen.length;
    session.hangUp();
    await session.until((seen) => seen.length === from + 3);
    assert.deepEqual(await bad, ['HYD_ABORTED']);
    assert.deepEqual(session.seen.slice(from), ['connect', 'publish 2 good dup', 'pubrel 3']);
    session.server.connection.sendAck('pubcomp', 3);
    session.server.connection.sendAck('pubrec', 2);
    await session.until('pubrel 2');
    session.server.connection.sendAck('pubcomp', 2);
    assert.deepEqual(await settledAs([good, received]), ['ok', 'ok']);
  });
});
