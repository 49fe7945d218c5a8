import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectPacket, Packet, SubscribePacket } from '../../mqtt/packet.ts';
import { within } from '../../testing/deadline.ts';
import { DeliveryLog } from '../../testing/delivery-log.ts';
import { MemoryInbox } from '../../testing/memory-inbox.ts';
import { type ScriptedSession, type SessionScript, startScriptedSession } from '../../testing/scripted-session.ts';
import type { Event } from '../../wire/event.ts';
import { type MqttBus, type MqttBusOptions, openMqttBus } from './mqtt-bus.ts';

// With `clientId` all that is published and read goes over one connection, under that client id.

const LIMIT_MS = 20_000;
const event = (payload: string, qos: 1 | 2 = 1): Event => ({ topic: 'a', payload: Buffer.from(payload), qos, retain: false });

async function connected(
  { present, answer, ...options }: SessionScript & Partial<MqttBusOptions>,
  run: (parts: { session: ScriptedSession; bus: MqttBus }) => Promise<void>,
): Promise<void> {
  await using session = await startScriptedSession({ present, answer });
  await using bus = await openMqttBus({
    urls: [session.url],
    clientId: 'device',
    timing: { random: () => 0 },
    closeTimeoutMs: 0,
    ...options,
  });
  await run({ session, bus });
}

const unanswered = (packet: Packet): boolean => packet.cmd === 'publish';
const later = (_: unknown, number: number): boolean => number > 0;
const connects = ({ server }: ScriptedSession) => server.packets.filter((packet): packet is ConnectPacket => packet.cmd === 'connect');
/** A ping through the connection and back: what was sent before has arrived. */
async function settle(session: ScriptedSession, bus: MqttBus): Promise<void> {
  const before = session.seen.filter((each) => / settle$/.test(each)).length;
  const publishing = bus.publish(event('settle'));
  await session.until((seen) => seen.filter((each) => / settle$/.test(each)).length > before);
  const { messageId } = session.server.packets.findLast((packet) => packet.cmd === 'publish')!;
  session.server.connection.sendAck('puback', messageId!);
  await publishing;
}

test('one connection carries publishes and subscriptions, and no packet identifier is in use twice', async () => {
  const ids: string[] = [];
  const answer = (packet: Packet): boolean => {
    if (packet.cmd === 'publish' || packet.cmd === 'subscribe') ids.push(`${packet.cmd} ${packet.messageId}`);
    return packet.cmd === 'publish' || packet.cmd === 'subscribe';
  };
  await connected({ answer }, async ({ session, bus }) => {
    const publishes = [bus.publish(event('1')), bus.publish(event('2'))];
    await session.until('publish 2 2');
    const subscribing = bus.subscribe(['x']);
    await session.until('subscribe x');
    publishes.push(bus.publish(event('3')));
    await session.until('publish 4 3');
    assert.deepEqual(ids, ['publish 1', 'publish 2', 'subscribe 3', 'publish 4']);
    const { connection } = session.server;
    for (const id of [1, 2, 4]) connection.sendAck('puback', id);
    connection.send({ cmd: 'suback', messageId: 3, granted: [2] });
    await within(Promise.all([...publishes, subscribing]), LIMIT_MS, 'the answers');
    assert.deepEqual([session.connects, bus.links.length, bus.links[0]!.clientId], [1, 1, 'device']);
    assert.equal(connects(session)[0]!.clientId, 'device');
  });
});

for (const version of [4, 5] as const) {
  test(`MQTT ${version}: each subscription gets what its filters match, and the acknowledgement waits for all of them, in the order of arrival [MQTT-4.6.0-2]`, async () => {
    await connected({ version, answer: unanswered }, async ({ session, bus }) => {
      const wide = new DeliveryLog(await bus.subscribe(['x/#']));
      const narrow = new DeliveryLog(await bus.subscribe(['x/1', 'y']));
      const ids = new Map(
        session.server.packets
          .filter((packet): packet is SubscribePacket => packet.cmd === 'subscribe')
          .flatMap(({ subscriptions, properties }) => subscriptions.map(({ topic }) => [topic, properties?.subscriptionIdentifier])),
      );
      const send = (id: number, topic: string, ...filters: string[]): void => {
        const subscriptionIdentifier = filters.map((filter) => ids.get(filter)) as unknown as number;
        session.publish(id, topic, { topic, qos: 1, properties: version === 5 ? { subscriptionIdentifier } : undefined });
      };
      send(1, 'x/1', 'x/#', 'x/1');
      send(2, 'x/2', 'x/#');
      send(3, 'y', 'y');
      await Promise.all([wide.until(2), narrow.until(2)]);
      assert.deepEqual(
        [wide.payloads, narrow.payloads],
        [
          ['x/1', 'x/2'],
          ['x/1', 'y'],
        ],
      );
      for (const delivery of [...wide.deliveries, narrow.deliveries[1]!]) delivery.ack();
      await settle(session, bus);
      assert.equal(session.seen.filter((each) => each.startsWith('puback')).length, 0, 'one has not acknowledged the first yet');
      narrow.deliveries[0]!.ack();
      await session.until('puback 3');
      assert.deepEqual(session.seen.slice(-3), ['puback 1', 'puback 2', 'puback 3']);
    });
  });

  test(`MQTT ${version}: every filter is subscribed to again on every connection, and closing one subscription unsubscribes what no other has (client defect 12)`, async () => {
    await connected({ version, answer: unanswered }, async ({ session, bus }) => {
      const config = new DeliveryLog(await bus.subscribe(['config', 'both']));
      const commands = await bus.subscribe(['commands/#', 'both']);
      for (let connection = 2; connection <= 3; connection++) {
        const from = session.seen.length;
        session.hangUp();
        await session.until((seen) => seen.slice(from).filter((each) => each.startsWith('subscribe')).length >= (version === 5 ? 4 : 2));
        const filters = session.seen.slice(from + 1).flatMap((each) => each.split(' ').slice(1));
        assert.deepEqual(filters.sort(), ['both', 'both', 'commands/#', 'config']);
      }
      session.publish(9, 'new', { topic: 'config', qos: 1 });
      await config.until(1);
      await commands.close();
      assert.equal(session.seen.at(-1), 'unsubscribe commands/#');
    });
  });
}

test('a filter that the server refuses ends that subscription alone, whether the connection stood before or not', async () => {
  const answer = (packet: Packet, connection: ScriptedSession['server']['connection']): boolean => {
    if (packet.cmd !== 'subscribe') return packet.cmd === 'publish';
    const granted = packet.subscriptions.map(({ topic }) => (topic === 'no' ? 0x87 : 2));
    connection.send({ cmd: 'suback', messageId: packet.messageId, granted });
    return true;
  };
  await connected({ answer }, async ({ session, bus }) => {
    const refused = { code: 'HYD_REFUSED', message: /no: not authorized/ };
    const [first, second] = await Promise.allSettled([bus.subscribe(['no']), bus.subscribe(['yes'])]);
    assert.deepEqual([first!.status, second!.status], ['rejected', 'fulfilled']);
    await assert.rejects(bus.subscribe(['no']), refused);
    await settle(session, bus);
    assert.equal(session.connects, 1);
  });
});

test('what the session brings before anybody asked for it is held unacknowledged, and given to the subscription that wants it', async () => {
  await connected({ present: () => true, answer: unanswered }, async ({ session, bus }) => {
    void bus.publish(event('first')).catch(() => {});
    await session.until('publish 1 first');
    session.publish(1, 'reboot', { topic: 'commands/reboot', qos: 1 });
    session.publish(2, 'on', { topic: 'config', qos: 1 });
    await settle(session, bus);
    assert.deepEqual(
      session.seen.filter((each) => each.startsWith('puback')),
      [],
    );
    const config = new DeliveryLog(await bus.subscribe(['config'], { durable: 'device' }), (delivery) => delivery.ack());
    await config.until(1);
    const commands = new DeliveryLog(await bus.subscribe(['commands/#'], { durable: 'device' }), (delivery) => delivery.ack());
    await commands.until(1);
    await session.until('puback 2');
    assert.deepEqual([config.payloads, commands.payloads], [['on'], ['reboot']]);
    assert.deepEqual(session.seen.slice(-2), ['puback 1', 'puback 2']);
  });
});

test('a durable that is closed keeps its filters and what it did not acknowledge for the next; one that is not leaves neither', async () => {
  await connected({ answer: unanswered }, async ({ session, bus }) => {
    const durable = await bus.subscribe(['config'], { durable: 'device' });
    const passing = await bus.subscribe(['news']);
    const first = new DeliveryLog(durable);
    session.publish(1, 'one', { topic: 'config', qos: 1 });
    session.publish(2, 'gone', { topic: 'news', qos: 1 });
    const [delivery] = await first.until(1);
    await durable.close();
    await passing.close();
    assert.equal(session.seen.at(-1), 'unsubscribe news');
    session.publish(3, 'two', { topic: 'config', qos: 1 });
    await settle(session, bus);
    delivery!.ack();
    const second = new DeliveryLog(await bus.subscribe(['config'], { durable: 'device' }));
    await second.until(2);
    assert.deepEqual(second.payloads, ['one', 'two']);
    assert.deepEqual([delivery!.redelivered, second.deliveries[0]!.redelivered], [false, true]);
    await settle(session, bus);
    assert.deepEqual(
      session.seen.filter((each) => /^puback|^unsubscribe/.test(each)),
      ['unsubscribe news'],
      'who has left acknowledges nothing',
    );
    for (const each of second.deliveries) each.ack();
    await session.until('puback 3');
    assert.deepEqual(session.seen.slice(-3), ['puback 1', 'puback 2', 'puback 3']);
  });
});

test('a subscription made while the connection is being left for another stands on the next one', async () => {
  const answer = (packet: Packet): boolean => packet.cmd === 'publish' || packet.cmd === 'disconnect';
  await connected({ answer, credentials: async () => ({ username: 'device', validFromMs: undefined }) }, async ({ session, bus }) => {
    await settle(session, bus);
    const renewing = bus.renew();
    await session.until('disconnect');
    const subscribing = bus.subscribe(['config']);
    session.hangUp();
    await within(Promise.all([renewing, subscribing]), LIMIT_MS, 'the subscription');
    assert.deepEqual(session.seen.slice(-3), ['disconnect', 'connect', 'subscribe config']);
  });
});

test('what one session for all cannot do is refused with its reason', async () => {
  await connected({}, async ({ bus }) => {
    const unsupported = (message: RegExp) => ({ code: 'HYD_UNSUPPORTED', message });
    await assert.rejects(bus.subscribe(['a'], { durable: 'other' }), unsupported(/not other/));
    await assert.rejects(bus.subscribe(['a'], { group: 'workers' }), unsupported(/workers/));
    await assert.rejects(bus.subscribe(['a'], { durable: 'device', inbox: new MemoryInbox() }), unsupported(/inbox/));
    assert.deepEqual([bus.capabilities.group, bus.capabilities.exactlyOnce], [false, false]);
  });
  await connected({ persistentSession: false }, async ({ bus }) => {
    await assert.rejects(bus.subscribe(['a'], { durable: 'device' }), { code: 'HYD_UNSUPPORTED', message: /persistentSession/ });
  });
});

for (const version of [4, 5] as const) {
  for (const persistentSession of [true, false]) {
    test(`MQTT ${version}, ${persistentSession ? 'a session that persists' : 'none that persists'}: what CONNECT says, and how what is unacknowledged is sent again`, async () => {
      const present = persistentSession ? later : undefined;
      await connected({ version, persistentSession, present, answer: unanswered, sessionExpirySeconds: 600 }, async ({ session, bus }) => {
        const publishing = bus.publish(event('one'));
        await session.until('publish 1 one');
        session.hangUp();
        const again = persistentSession ? 'publish 1 one dup' : 'publish 2 one';
        await session.until((seen) => seen.length === 4);
        assert.equal(session.seen[3], again);
        session.server.connection.sendAck('puback', persistentSession ? 1 : 2);
        await within(publishing, LIMIT_MS, 'the publish');
        const expiry = version === 4 ? undefined : persistentSession ? 600 : 0;
        assert.deepEqual(
          connects(session).map(({ clean, properties }) => [clean, properties?.sessionExpiryInterval]),
          Array(2).fill([!persistentSession, expiry]),
        );
      });
    });
  }
}

test('in a session that an earlier process left, an identifier is made free before QoS 2 uses it, so that no event is taken for the repeat of another', async () => {
  await connected({ present: () => true, answer: unanswered }, async ({ session, bus }) => {
    const publishes = [bus.publish(event('one', 2)), bus.publish(event('two', 1))];
    await session.until('publish 2 two');
    assert.deepEqual(session.seen, ['connect', 'pubrel 1', 'publish 1 one', 'publish 2 two']);
    const { connection } = session.server;
    connection.sendAck('pubcomp', 1);
    connection.sendAck('pubrec', 1);
    await session.until((seen) => seen.filter((each) => each === 'pubrel 1').length === 2);
    connection.sendAck('pubcomp', 1);
    connection.sendAck('puback', 2);
    await within(Promise.all(publishes), LIMIT_MS, 'the publishes');
  });
});
