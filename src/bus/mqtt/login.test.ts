import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Connection } from '../../mqtt/connection.ts';
import type { ConnectPacket, Packet } from '../../mqtt/packet.ts';
import { within } from '../../testing/deadline.ts';
import { startScriptedSession } from '../../testing/scripted-session.ts';
import { VirtualTiming } from '../../testing/virtual-timing.ts';
import type { Event } from '../../wire/event.ts';
import { openMqttBus } from './mqtt-bus.ts';
import type { CredentialRequest, LinkChange } from './options.ts';

const LIMIT_MS = 20_000;
const EVENT: Event = { topic: 'a', payload: Buffer.from('1'), qos: 1, retain: false };

/** Refuses the login while `codes` has some, then takes it; PUBLISH is acknowledged. */
function door(codes: number[]) {
  return (packet: Packet, connection: Connection): boolean => {
    if (packet.cmd === 'publish') connection.sendAck('puback', packet.messageId!);
    const code = packet.cmd === 'connect' ? codes.shift() : undefined;
    if (code === undefined) return packet.cmd === 'publish';
    const properties = packet.cmd === 'connect' && packet.protocolVersion === 5 ? { reasonString: `no ${code}` } : undefined;
    connection.send({ cmd: 'connack', returnCode: code, reasonCode: code, sessionPresent: false, properties });
    connection.close();
    return true;
  };
}

const shown = (packets: readonly Packet[]) =>
  packets.filter((packet): packet is ConnectPacket => packet.cmd === 'connect').map(({ username, password }) => `${username}:${password}`);

test('credentials are asked for before every connect, with the URL without its own, and shown as they come', async () => {
  await using session = await startScriptedSession({ answer: door([]) });
  const asked: Partial<CredentialRequest>[] = [];
  let accepted = 0;
  const timing = new VirtualTiming(() => 0);
  await using bus = await openMqttBus({
    urls: [session.url.replace('//', '//u:p@')],
    clientId: 'device',
    timing,
    async credentials({ url, refusals, signal }) {
      asked.push({ url, refusals });
      assert.equal(signal.aborted, false);
      return { username: 'device', password: Buffer.from(`token ${asked.length}`), onAccepted: () => accepted++ };
    },
  });
  await bus.publish(EVENT);
  session.hangUp();
  await session.until(() => session.connects === 2);
  await bus.publish(EVENT);
  assert.deepEqual(shown(session.server.packets), ['device:token 1', 'device:token 2']);
  assert.deepEqual(asked, [
    { url: `${session.url}`, refusals: 0 },
    { url: `${session.url}`, refusals: 0 },
  ]);
  assert.equal(accepted, 2);
});

for (const [version, code] of [
  [5, 0x87],
  [5, 0x86],
  [4, 5],
  [4, 4],
] as const) {
  test(`a login refused with ${code} on MQTT ${version} is tried again up to the longest delay, with credentials asked for each time, and none in a tight loop (pain 8)`, async () => {
    const codes = Array<number>(9).fill(code);
    await using session = await startScriptedSession({ answer: door(codes) });
    const timing = new VirtualTiming();
    const refusals: string[] = [];
    const changes: string[] = [];
    await using bus = await openMqttBus({
      urls: [session.url],
      clientId: 'device',
      version,
      timing,
      maxBackoffMs: 10_000,
      onLink: ({ kind }) => void changes.push(kind),
      async credentials(request) {
        refusals.push(`${request.refusals} ${request.refusal?.reasonCode} ${request.refusal?.remarks.join()}`);
        return { username: 'device', password: 'expired' };
      },
    });
    const publishing = bus.publish(EVENT);
    for (let attempt = 0; attempt < 9; attempt++) {
      await timing.untilAsleep();
      assert.equal(session.connects, attempt + 1, 'one attempt for each delay');
      timing.advanceToNext();
    }
    await within(publishing, LIMIT_MS, 'the publish');
    assert.deepEqual(timing.delays, [250, 500, 1000, 2000, 4000, 5000, 5000, 5000, 5000]);
    const remark = version === 5 ? `no ${code}` : '';
    assert.deepEqual(refusals, ['0 undefined undefined', ...Array.from({ length: 9 }, (_, i) => `${i + 1} ${code} ${remark}`)]);
    assert.deepEqual(changes, [...Array<string>(9).fill('refused'), 'up']);
    timing.advance(60_000);
    session.hangUp();
    await session.until(() => session.connects === 11);
    assert.equal(refusals.at(-1), '0 undefined undefined', 'the count begins anew');
  });
}

test('a provider that rejects, throws or hangs costs an attempt, which the log and the status tell, and is asked again after the delay', async () => {
  await using session = await startScriptedSession({ answer: door([]) });
  const timing = new VirtualTiming();
  const said: unknown[] = [];
  const changes: LinkChange[] = [];
  const hanging = Promise.withResolvers<AbortSignal>();
  let asked = 0;
  await using bus = await openMqttBus({
    urls: [session.url],
    clientId: 'device',
    timing,
    connectTimeoutMs: 1000,
    log: (level, _, fields) => void (level === 'warn' && said.push(fields?.error)),
    onLink: (change) => void changes.push(change),
    credentials({ signal }) {
      asked++;
      if (asked === 1) return Promise.reject(new Error('no key'));
      if (asked === 2) throw new Error('no file');
      if (asked === 3) {
        hanging.resolve(signal);
        return new Promise(() => {});
      }
      return Promise.resolve({ username: 'device' });
    },
  });
  const publishing = bus.publish(EVENT);
  for (let failed = 1; failed <= 3; failed++) {
    await timing.untilAsleep();
    assert.equal(session.connects, 0);
    timing.advanceToNext();
  }
  await within(publishing, LIMIT_MS, 'the publish');
  assert.deepEqual(said, [
    `no credentials for ${session.url}: no key`,
    `no credentials for ${session.url}: no file`,
    `no credentials for ${session.url} within 1 s`,
  ]);
  assert.equal((await hanging.promise).aborted, true, 'who hangs is told to stop');
  assert.deepEqual(
    changes.map(({ kind, error }) => [kind, (error as { code?: string } | undefined)?.code]),
    [...Array<string[]>(3).fill(['failed', 'HYD_CREDENTIALS']), ['up', undefined]],
  );
});

test('closing does not wait for a provider that hangs', async () => {
  const asked = Promise.withResolvers<AbortSignal>();
  const bus = await openMqttBus({
    urls: ['mqtt://127.0.0.1:1'],
    clientId: 'device',
    closeTimeoutMs: 0,
    credentials({ signal }) {
      asked.resolve(signal);
      return new Promise(() => {});
    },
  });
  const publishing = bus.publish(EVENT);
  const signal = await asked.promise;
  await within(Promise.all([bus.close(), assert.rejects(publishing, { code: 'HYD_CLOSED' })]), LIMIT_MS, 'the end');
  assert.equal(signal.aborted, true);
});
