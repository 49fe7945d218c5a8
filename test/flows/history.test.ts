import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { runHydrant, startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

// Subscriptions that begin in the past: `$history/<since>/<filter>`, and on MQTT 5 the user property `since`.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, options);
const texts = (messages: { payload: string | Buffer }[]): string[] => messages.map(({ payload }) => payload.toString());

async function fill(topic: string, from: number, to: number, url = server.mqttUrl): Promise<string[]> {
  using publisher = await RawClient.connect(url, { auto: true });
  const sent = Array.from({ length: to - from }, (_, i) => `${from + i}`);
  for (const [at, text] of sent.entries()) await publisher.deliver(topic, text, { qos: at % 2 ? 1 : 2 });
  return sent;
}

function sendSubscribe(client: RawClient, topic: string, userProperties: Record<string, string>): number {
  const messageId = client.nextId();
  const subscriptions = [{ topic, qos: 2 as const, nl: false, rap: false, rh: 0 as const }];
  client.send({ cmd: 'subscribe', messageId, subscriptions, properties: { userProperties } });
  return messageId;
}

test('the user property `since` begins a subscription in the past; it is unsubscribed by its filter', async () => {
  const sent = await fill('since5/a', 0, 40);
  await fill('since5-other/a', 0, 3);
  using client = await connect({ version: 5, auto: true });
  const messageId = sendSubscribe(client, 'since5/#', { since: '15m' });
  assert.deepEqual((await client.take('suback', { messageId })).granted, [2]);
  sent.push(...(await fill('since5/b', 40, 50)));
  assert.deepEqual(texts(await client.messages(50)), sent);
  assert.deepEqual((await client.unsubscribe('since5/#')).granted, [0]);
});

test('a `since` that is no moment, and a history filter that is none, are refused with the reason; the others stand', async () => {
  using client = await connect({ version: 5 });
  const messageId = sendSubscribe(client, 'x/#', { since: 'yesterdayish' });
  const refused = await client.expect('suback', { messageId, granted: [0x8f] });
  assert.match(refused.properties!.reasonString!, /yesterdayish/);
  assert.deepEqual(
    (await client.subscribe(['$history/15m/a/#', '$history/15m', '$history/15m/a/#/b', '$history/never/a'])).granted,
    [0, 0x8f, 0x8f, 0x8f],
  );
  using old = await connect();
  assert.deepEqual((await old.subscribe(['$history/15m/a/#', '$history/never/a'])).granted, [0, 0x80]);
});

test('no retained message is sent for a subscription that begins in the past: it is there as what it was', async () => {
  using publisher = await connect({ auto: true });
  await publisher.deliver('kept-past/a', 'kept', { qos: 1, retain: true });
  using client = await connect();
  await client.subscribe('$history/15m/kept-past/#', 1);
  await client.expectMessage('kept-past/a', 'kept', { retain: false });
  await client.expectQuiet();
});

test('a persistent session goes on with the past where its connection was cut, QoS 2 exactly once', async () => {
  const sent = await fill('cut/a', 0, 60);
  const options: RawConnect = {
    clientId: 'reads-on',
    clean: false,
    version: 5,
    properties: { sessionExpiryInterval: 600, receiveMaximum: 8 },
  };
  const got = new Map<string, number>();
  const note = ({ payload, dup }: { payload: string | Buffer; dup: boolean }): void => {
    const text = payload.toString();
    if (!dup || !got.has(text)) got.set(text, (got.get(text) ?? 0) + 1);
  };
  const first = await connect(options);
  sendSubscribe(first, 'cut/#', { since: '15m' });
  await first.take('suback');
  const held = await first.messages(8);
  for (const message of held) note(message);
  for (const { qos, messageId } of held.slice(0, 5)) first.ack(qos === 1 ? 'puback' : 'pubrec', messageId);
  for (const { qos, messageId } of held.slice(0, 5)) if (qos === 2) await first.take('pubrel', { messageId: messageId! });
  first.destroy();
  sent.push(...(await fill('cut/b', 60, 70)));
  using back = await connect({ ...options, auto: true });
  assert.equal(back.connack.sessionPresent, true);
  while (got.size < sent.length) note(await back.take('publish'));
  assert.deepEqual([...got.keys()].sort(), sent.sort());
  assert.deepEqual(
    [...got].filter(([, times]) => times > 1),
    [],
  );
});

test('the server killed amid the reading of the past goes on after its start: nothing is missing, QoS 2 comes once', async () => {
  await using folder = await createTempFolder();
  const options: RawConnect = {
    clientId: 'reads-on',
    clean: false,
    version: 5,
    properties: { sessionExpiryInterval: 600, receiveMaximum: 8 },
  };
  const once = new Set<string>();
  const all = new Set<string>();
  {
    await using doomed = await startHydrant({ data: folder.path });
    await fill('killed/a', 0, 60, doomed.mqttUrl);
    const first = await RawClient.connect(doomed.mqttUrl, options);
    sendSubscribe(first, 'killed/#', { since: '15m' });
    await first.take('suback');
    for (let i = 0; i < 20; i++) {
      const { qos, messageId, payload } = await first.take('publish');
      all.add(payload.toString());
      first.ack(qos === 1 ? 'puback' : 'pubrec', messageId);
      if (qos === 1) continue;
      once.add(payload.toString());
      await first.take('pubrel', { messageId: messageId! });
      first.ack('pubcomp', messageId);
    }
    await doomed.kill();
  }
  await using restarted = await startHydrant({ data: folder.path });
  using back = await RawClient.connect(restarted.mqttUrl, { ...options, auto: true });
  while (all.size < 60) {
    const { payload } = await back.take('publish');
    assert.ok(!once.has(payload.toString()), `${payload} came again`);
    all.add(payload.toString());
  }
});

test('a server restored from a backup reads the past of the one that was saved, also from its archive', async () => {
  await using folder = await createTempFolder();
  const [saved, copy, restored] = ['saved', 'copy', 'restored'].map((name) => join(folder.path, name)) as [string, string, string];
  const sent: string[] = [];
  {
    await using server = await startHydrant({ data: saved });
    sent.push(...(await fill('restored/a', 0, 6, server.mqttUrl)));
    assert.equal((await runHydrant(['backup', copy, '-d', saved])).code, 0);
  }
  assert.equal((await runHydrant(['restore', copy, '-d', restored])).code, 0);
  await using server = await startHydrant({ data: restored });
  sent.push(...(await fill('restored/a', 6, 9, server.mqttUrl)));
  const segments = async () => /^hydrant_journal_segments (\d+)$/m.exec(await (await fetch(`${server.httpUrl}/metrics`)).text())?.[1];
  while ((await segments()) !== '1') await new Promise((resolve) => setTimeout(resolve, 50));
  using client = await RawClient.connect(server.mqttUrl, { auto: true });
  await client.subscribe('$history/1/restored/#', 2);
  assert.deepEqual(texts(await client.messages(9)), sent);
});
