import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RawClient, type RawConnect } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';
import { subscribe } from './wire.ts';

// MQTT 5 §3.3.1.3 RETAIN, §3.8.3.1 retain handling, retain as published.

const server = await shareServer();
const connect = (options: RawConnect = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { version: 5, auto: true, ...options });

test('[MQTT-3.3.1-5] [MQTT-3.3.1-6] [MQTT-3.3.1-7] [MQTT-3.3.1-8] RETAIN stores and replaces, an empty payload removes, without RETAIN nothing changes', async () => {
  using client = await connect();
  using watcher = await connect();
  await watcher.subscribe('kept5/a', 1);
  const steps: [payload: string, retain: boolean, kept: string | undefined][] = [
    ['', true, undefined],
    ['one', true, 'one'],
    ['two', true, 'two'],
    ['live', false, 'two'],
    ['', false, 'two'],
    ['', true, undefined],
    ['live', false, undefined],
  ];
  for (const [payload, retain, kept] of steps) {
    await client.deliver('kept5/a', payload, { qos: 1, retain });
    await watcher.expectMessage('kept5/a', payload, { retain: false });
    using late = await connect();
    await late.subscribe('kept5/+', 1);
    if (kept !== undefined) await late.expectMessage('kept5/a', kept, { retain: true });
    await late.expectQuiet();
  }
});

test('[MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11] [MQTT-3.8.4-4] retain handling: 0 sends at each SUBSCRIBE, 1 for a new subscription only, 2 never', async () => {
  using publisher = await connect();
  await publisher.deliver('handling/a', 'x', { qos: 1, retain: true });
  for (const [rh, first, second] of [
    [0, true, true],
    [1, true, false],
    [2, false, false],
  ] as const) {
    using client = await connect();
    for (const sent of [first, second, second]) {
      await subscribe(client, 'handling/#', { rh });
      if (sent) await client.expectMessage('handling/a', 'x', { retain: true });
      await client.expectQuiet();
    }
    await client.unsubscribe('handling/#');
    await subscribe(client, 'handling/#', { rh });
    if (first) await client.expectMessage('handling/a', 'x', { retain: true });
    await client.expectQuiet();
  }
});

test('[MQTT-3.3.1-12] [MQTT-3.3.1-13] RETAIN is handed on as published to those who ask for it, else it is 0', async () => {
  using publisher = await connect();
  using plain = await connect();
  using asPublished = await connect();
  await subscribe(plain, 'rap/a', { rap: false });
  await subscribe(asPublished, 'rap/a', { rap: true });
  for (const qos of [0, 1, 2] as const) {
    for (const retain of [true, false]) {
      await publisher.deliver('rap/a', 'x', { qos, retain });
      await plain.take('publish', { retain: false });
      await asPublished.take('publish', { retain });
    }
  }
});

test('[MQTT-3.3.4-3] a retained event carries the identifier of the subscription that asked for it', async () => {
  using client = await connect();
  await client.deliver('kept-id/a', 'x', { qos: 1, retain: true });
  for (const [filter, id] of [
    ['kept-id/#', 3],
    ['kept-id/+', 4],
  ] as const) {
    await subscribe(client, filter, {}, id);
    const { properties } = await client.expectMessage('kept-id/a', 'x', { retain: true });
    assert.equal(properties?.subscriptionIdentifier, id);
  }
});
