import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { Connection } from '../../mqtt/connection.ts';
import type { Packet } from '../../mqtt/packet.ts';
import { startBreakingProxy } from '../../testing/breaking-proxy.ts';
import { within } from '../../testing/deadline.ts';
import { freePort } from '../../testing/mosquitto.ts';
import { createRandom } from '../../testing/random.ts';
import { startScriptedSession } from '../../testing/scripted-session.ts';
import { VirtualTiming } from '../../testing/virtual-timing.ts';
import type { Event } from '../../wire/event.ts';
import { openMqttBus } from './mqtt-bus.ts';
import type { LinkChange } from './options.ts';

const LIMIT_MS = 20_000;
const event = (payload: string): Event => ({ topic: 'a', payload: Buffer.from(payload), qos: 1, retain: false });

/** Acknowledges what is published, and refuses CONNECT with the codes in turn. */
function server(codes: number[] = []) {
  return (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'publish') connection.sendAck('puback', packet.messageId!);
    const code = packet.cmd === 'connect' ? (codes.shift() ?? 0) : 0;
    if (code !== 0) connection.send({ cmd: 'connack', reasonCode: code, sessionPresent: false });
    if (code !== 0) connection.close();
    return packet.cmd === 'publish' || code !== 0;
  };
}

test('a keep-alive of 2 s pings, and a link that goes dead without a word is found within 3 s, though nothing is published (client defect 9)', async () => {
  await using session = await startScriptedSession({ answer: server() });
  await using proxy = await startBreakingProxy(session.server.port);
  const down = Promise.withResolvers<LinkChange>();
  await using bus = await openMqttBus({
    urls: [`mqtt://127.0.0.1:${proxy.port}`],
    clientId: 'device',
    keepAliveSeconds: 2,
    closeTimeoutMs: 0,
    onLink: (change) => change.kind === 'down' && down.resolve(change),
  });
  await bus.publish(event('one'));
  const pinged = (): boolean => session.server.packets.some(({ cmd }) => cmd === 'pingreq');
  while (!pinged()) await once(session.server.socket, 'data');
  proxy.blackhole();
  const { error, link } = await within(down.promise, LIMIT_MS, 'the loss');
  assert.match(error!.message, /no answer to a ping within 1 s/);
  assert.equal(link.url, undefined);
  proxy.heal();
  await within(bus.publish(event('two')), LIMIT_MS, 'the next publish');
});

test('there is one connection at a time, and the late end of an old one does not touch the new one (client defect 10)', async () => {
  const sockets: Socket[] = [];
  await using session = await startScriptedSession({ answer: server() });
  await using proxy = await startBreakingProxy(session.server.port);
  let open = 0;
  let most = 0;
  const changes: string[] = [];
  await using bus = await openMqttBus({
    urls: [`mqtt://127.0.0.1:${proxy.port}`],
    clientId: 'device',
    keepAliveSeconds: 1,
    connectTimeoutMs: 500,
    closeTimeoutMs: 0,
    timing: { random: () => 0 },
    onLink({ kind }) {
      changes.push(kind);
      if (kind === 'up') most = Math.max(most, ++open);
      if (kind === 'down') open--;
    },
  });
  await bus.publish(event('one'));
  sockets.push(session.server.socket);
  // The server's end of the first connection lives on in the black hole, and ends when the second stands.
  proxy.blackhole();
  while (!changes.includes('down')) await new Promise((resolve) => setImmediate(resolve));
  proxy.heal();
  await within(bus.publish(event('two')), LIMIT_MS, 'a publish over the second connection');
  assert.notEqual(session.server.socket, sockets[0]);
  sockets[0]!.resetAndDestroy();
  for (let number = 0; number < 20; number++) await within(bus.publish(event(`${number}`)), LIMIT_MS, 'a publish after that');
  assert.equal(most, 1);
  assert.equal(changes.filter((kind) => kind === 'up').length, 2);
  assert.equal(changes.at(-1), 'up');
});

test('what the links tell: up, a loss with its error, an attempt that fails, up again, somebody else under the client id', async () => {
  const codes = [0, 0x88, 0, 0];
  await using session = await startScriptedSession({ answer: server(codes) });
  const timing = new VirtualTiming();
  const said: string[] = [];
  await using bus = await openMqttBus({
    urls: [session.url],
    clientId: 'device',
    timing,
    neverGiveUp: true,
    onLink: ({ kind, error, link }) => void said.push(`${kind} ${(error as { code?: string } | undefined)?.code} ${link.connects}`),
  });
  await bus.publish(event('one'));
  timing.advance(60_000);
  session.hangUp();
  await timing.untilAsleep();
  timing.advanceToNext();
  await bus.publish(event('two'));
  session.server.connection.send({ cmd: 'disconnect', reasonCode: 0x8e });
  await timing.untilAsleep();
  assert.equal(timing.delays.at(-1), 15_000, 'at the longest delay');
  timing.advanceToNext();
  await bus.publish(event('three'));
  assert.deepEqual(said, [
    'up undefined 1',
    'down HYD_CONNECT 1',
    'failed HYD_REFUSED 1',
    'up undefined 2',
    'taken-over HYD_TAKEN_OVER 2',
    'up undefined 3',
  ]);
});

test('a server that hangs up on an event, eight times in a row, is not taken for somebody else under the client id', async () => {
  let drops = 8;
  const answer = (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd !== 'publish') return false;
    if (drops-- > 0) connection.close();
    else connection.sendAck('puback', packet.messageId!);
    return true;
  };
  await using session = await startScriptedSession({ answer });
  await using bus = await openMqttBus({ urls: [session.url], clientId: 'device', version: 4, timing: { random: () => 0 } });
  await within(bus.publish(event('poison')), LIMIT_MS, 'the publish');
  assert.equal(session.connects, 9);
});

for (const neverGiveUp of [true, false]) {
  test(`a client id that the server refuses ${neverGiveUp ? 'is tried again, each time after the longest delay' : 'is an error at once'}`, async () => {
    await using session = await startScriptedSession({ answer: server([0x85, 0x85, 0x85]) });
    const timing = new VirtualTiming();
    await using bus = await openMqttBus({ urls: [session.url], clientId: 'device', timing, neverGiveUp, maxBackoffMs: 60_000 });
    const publishing = bus.publish(event('one'));
    if (!neverGiveUp) {
      await assert.rejects(within(publishing, LIMIT_MS, 'the refusal'), { code: 'HYD_REFUSED' });
      return assert.equal(session.connects, 1);
    }
    for (let attempt = 1; attempt <= 3; attempt++) {
      await timing.untilAsleep();
      assert.equal(session.connects, attempt);
      timing.advanceToNext();
    }
    await within(publishing, LIMIT_MS, 'the publish');
    assert.deepEqual(timing.delays, [30_000, 30_000, 30_000]);
  });
}

test('a thousand clients that lose their server at once come back spread out, and more so the longer it is away (pain 9)', async () => {
  const random = createRandom('a thousand clients');
  const timing = new VirtualTiming(() => random.between(0, 999_999) / 1_000_000);
  const clients = 1000;
  const port = await freePort();
  const triedMs: number[] = [];
  const beganMs = timing.nowMs;
  const settled: Promise<unknown>[] = [];
  const buses = await Promise.all(
    Array.from({ length: clients }, (_, i) => {
      const onLink = (): void => void triedMs.push(timing.nowMs - beganMs);
      return openMqttBus({ urls: [`mqtt://127.0.0.1:${port}`], clientId: `device-${i}`, timing, onLink, closeTimeoutMs: 0 });
    }),
  );
  for (const bus of buses) settled.push(bus.publish(event('x')).catch(() => {}));
  // The first round of all fails at once; then the earliest tries again, until the minute is over.
  await timing.untilAsleep(clients);
  assert.deepEqual([triedMs.length >= clients, Math.max(...triedMs.slice(0, clients))], [true, 0], 'the first try is at once');
  while (timing.nowMs - beganMs < 60_000) {
    timing.advance(250);
    await timing.untilAsleep(clients);
  }
  const perSecond = (fromMs: number, untilMs: number): number[] =>
    Array.from({ length: (untilMs - fromMs) / 1000 }, (_, i) => triedMs.filter((ms) => Math.floor((ms - fromMs) / 1000) === i).length);
  const late = perSecond(30_000, 60_000);
  assert.ok(Math.max(...late) < clients * 0.15, `at most 15 % of them try in one second: ${late}`);
  assert.ok(Math.min(...late) > 0, `in every second somebody does: ${late}`);
  const each = triedMs.length / clients;
  assert.ok(each < 15, `${each} attempts of each in a minute`);
  await Promise.all([...buses.map((bus) => bus.close()), ...settled]);
});
