import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { HydrantError } from '../../core/errors.ts';
import type { Connection } from '../../mqtt/connection.ts';
import type { AuthPacket, ConnectPacket, Packet } from '../../mqtt/packet.ts';
import { within } from '../../testing/deadline.ts';
import { startHydrant } from '../../testing/hydrant-server.ts';
import { type ScriptedSession, startScriptedSession } from '../../testing/scripted-session.ts';
import { VirtualTiming } from '../../testing/virtual-timing.ts';
import type { Event } from '../../wire/event.ts';
import { type MqttBus, type MqttBusOptions, openMqttBus } from './mqtt-bus.ts';
import type { Credentials } from './options.ts';

const LIMIT_MS = 20_000;
const LIFE_MS = 100_000;
const event = (payload: string): Event => ({ topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false });
/** Answers no publish, so that a test can, and takes every AUTH. */
function quiet(packet: Packet, connection: Connection): boolean {
  if (packet.cmd === 'auth') connection.send({ cmd: 'auth', reasonCode: 0, properties: packet.properties });
  return packet.cmd === 'publish' || packet.cmd === 'auth';
}

interface Device {
  session: ScriptedSession;
  timing: VirtualTiming;
  bus: MqttBus;
  /** Times that credentials were asked for. */
  asked(): number;
}

/** A bus whose credentials live 100 s of a time that the test moves; `give` may change what the n-th asking gives. */
async function device(
  options: Partial<MqttBusOptions> & { give?: (asked: number) => Credentials; answer?: typeof quiet },
  run: (device: Device) => Promise<void>,
): Promise<void> {
  const { give = () => ({}), answer = quiet, ...more } = options;
  await using session = await startScriptedSession({ present: (_, number) => number > 0, answer });
  const timing = new VirtualTiming();
  let asked = 0;
  await using bus = await openMqttBus({
    urls: [session.url],
    clientId: 'device',
    timing,
    closeTimeoutMs: 0,
    async credentials() {
      asked++;
      return {
        username: 'device',
        password: `token ${asked}`,
        validFromMs: undefined,
        validUntilMs: timing.nowMs + LIFE_MS,
        ...give(asked),
      };
    },
    ...more,
  });
  await run({ session, timing, bus, asked: () => asked });
}

const passwords = ({ server }: ScriptedSession) =>
  server.packets.filter((packet): packet is ConnectPacket => packet.cmd === 'connect').map(({ password }) => String(password));

test('at 80 % of their time credentials are renewed by a reconnect that waits for what is out; what comes meanwhile goes out after it', async () => {
  await device({}, async ({ session, timing, bus, asked }) => {
    const first = bus.publish(event('one'));
    await session.until('publish 1 one');
    await timing.untilAsleep();
    assert.deepEqual(timing.delays, [LIFE_MS * 0.8]);
    timing.advance(LIFE_MS * 0.8 - 1);
    await nextTurn();
    assert.equal(asked(), 1);
    timing.advance(1);
    while (asked() < 2) await nextTurn();
    await nextTurn();
    const second = bus.publish(event('two'));
    await nextTurn();
    assert.deepEqual(session.seen, ['connect', 'publish 1 one'], 'nothing more goes out, and nobody leaves');
    session.server.connection.sendAck('puback', 1);
    await session.until('publish 2 two');
    assert.deepEqual(session.seen, ['connect', 'publish 1 one', 'disconnect', 'connect', 'publish 2 two']);
    session.server.connection.sendAck('puback', 2);
    await within(Promise.all([first, second]), LIMIT_MS, 'the publishes');
    assert.deepEqual(passwords(session), ['token 1', 'token 2']);
    assert.equal(asked(), 2, 'the new ones are not asked for twice');
    assert.deepEqual(timing.delays, [LIFE_MS * 0.8, LIFE_MS * 0.8], 'nobody backs off');
  });
});

test('where both sides can, credentials are renewed by AUTH in the session, which goes on [MQTT-4.12.1-1]', async () => {
  const give = (asked: number): Credentials => ({ authentication: { method: 'JWT', data: Buffer.from(`jwt ${asked}`) } });
  let accepted = 0;
  await device({ give: (asked) => ({ ...give(asked), onAccepted: () => accepted++ }) }, async ({ session, timing, bus }) => {
    const publishing = bus.publish(event('one'));
    await session.until('publish 1 one');
    for (let renewal = 1; renewal <= 2; renewal++) {
      await timing.untilAsleep();
      timing.advance(LIFE_MS * 0.8);
      await session.until((seen) => seen.filter((each) => each === 'auth').length === renewal);
    }
    await timing.untilAsleep();
    session.server.connection.sendAck('puback', 1);
    await within(publishing, LIMIT_MS, 'the publish');
    assert.deepEqual(session.seen, ['connect', 'publish 1 one', 'auth', 'auth']);
    const shown = session.server.packets.filter((packet): packet is ConnectPacket | AuthPacket => /connect|auth/.test(packet.cmd));
    assert.deepEqual(
      shown.map(({ properties }) => `${properties?.authenticationMethod} ${properties?.authenticationData}`),
      ['JWT jwt 1', 'JWT jwt 2', 'JWT jwt 3'],
    );
    assert.equal((shown[1] as AuthPacket).reasonCode, 0x19);
    assert.equal(accepted, 3);
    assert.deepEqual(timing.delays, Array(3).fill(LIFE_MS * 0.8));
  });
});

test('a server that refuses the renewal hangs up, and the next connection has credentials of its own', async () => {
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'auth') connection.send({ cmd: 'disconnect', reasonCode: 0x87 });
    return packet.cmd === 'publish' || packet.cmd === 'auth';
  };
  const give = (asked: number): Credentials => ({ authentication: { method: 'JWT', data: Buffer.from(`jwt ${asked}`) } });
  await device({ give, answer }, async ({ session, timing, bus, asked }) => {
    void bus.publish(event('one')).catch(() => {});
    await timing.untilAsleep();
    timing.advance(LIFE_MS * 0.8);
    await session.until('publish 1 one dup');
    assert.equal(asked(), 3);
    assert.deepEqual(session.seen, ['connect', 'publish 1 one', 'auth', 'connect', 'publish 1 one dup']);
  });
});

test('a provider that fails leaves the connection as it is, and is asked again with growing delays', async () => {
  const said: unknown[] = [];
  const log: MqttBusOptions['log'] = (level, message, fields) => void (level === 'warn' && said.push(`${message}: ${fields?.error}`));
  const give = (asked: number): Credentials => {
    if (asked > 1 && asked < 5) throw new Error('the key server is away');
    return {};
  };
  await device({ give, log }, async ({ session, timing, bus, asked }) => {
    const publishing = bus.publish(event('one'));
    await session.until('publish 1 one');
    for (let turn = 1; turn <= 4; turn++) {
      await timing.untilAsleep();
      assert.equal(asked(), turn);
      timing.advanceToNext();
    }
    assert.equal(session.connects, 1);
    session.server.connection.sendAck('puback', 1);
    await within(publishing, LIMIT_MS, 'the publish');
    await session.until(() => session.connects === 2);
    assert.deepEqual(passwords(session), ['token 1', 'token 5']);
    assert.deepEqual(timing.delays.slice(0, 4), [LIFE_MS * 0.8, 250, 500, 1000]);
    assert.deepEqual(said, Array(3).fill(`credentials could not be renewed: no credentials for ${session.url}: the key server is away`));
  });
});

test('renew() asks at once; it rejects when the provider does, and the connection stays', async () => {
  let failing = false;
  const give = (): Credentials => {
    if (failing) throw new Error('no key file');
    return { validUntilMs: undefined };
  };
  await device({ give }, async ({ session, timing, bus }) => {
    await bus.renew();
    const publishing = bus.publish(event('one'));
    await session.until('publish 1 one');
    session.server.connection.sendAck('puback', 1);
    await publishing;
    assert.equal(timing.asleep, 0, 'what has no end is not renewed by itself');
    failing = true;
    await assert.rejects(bus.renew(), (error: HydrantError) => error.code === 'HYD_CREDENTIALS' && /no key file/.test(error.message));
    assert.equal(session.connects, 1);
    failing = false;
    timing.advanceToNext();
    await session.until(() => session.connects === 2);
    const other = bus.publish(event('two'));
    await session.until('publish 2 two');
    session.server.connection.sendAck('puback', 2);
    await other;
    const again = within(bus.renew(), LIMIT_MS, 'the renewal');
    await session.until(() => session.connects === 3);
    await again;
    assert.deepEqual(passwords(session), ['token 1', 'token 3', 'token 4']);
  });
});

test('Hydrant as the server: a thousand events over five renewals, by AUTH and by reconnect, arrive once and in order', async () => {
  await using server = await startHydrant();
  for (const byAuth of [true, false]) {
    const token = async (): Promise<Credentials> => {
      return byAuth ? { authentication: { method: 'JWT', data: Buffer.from('token') } } : { username: 'device', password: 'token' };
    };
    const topic = `t/${byAuth}`;
    await using reader = await openMqttBus({ urls: [server.mqttUrl] });
    await using subscription = await reader.subscribe([topic]);
    await using bus = await openMqttBus({ urls: [server.mqttUrl], clientId: topic, credentials: token });
    const publishes: Promise<unknown>[] = [];
    for (let number = 0; number < 1000; number++) {
      publishes.push(bus.publish({ ...event(String(number)), topic }));
      if (number % 200 !== 100) continue;
      await publishes.at(-1);
      await bus.renew();
    }
    await within(Promise.all(publishes), LIMIT_MS, 'the publishes');
    const seen: number[] = [];
    for await (const batch of subscription) {
      for (const delivery of batch) seen.push(Number(delivery.event.payload.toString()));
      if (seen.length >= 1000) break;
    }
    assert.deepEqual(
      seen,
      Array.from({ length: 1000 }, (_, number) => number),
    );
    assert.equal(bus.links[0]!.connects, byAuth ? 1 : 6);
  }
});
