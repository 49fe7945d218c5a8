import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { findEvents, startHydrant } from '../../src/testing/hydrant-server.ts';
import { injectFaults } from '../../src/testing/inject.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const numbers = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}`);

async function segments(data: string): Promise<string[]> {
  const folder = join(data, 'journal');
  return (await readdir(folder)).filter((name) => name.endsWith('.ndjson')).map((name) => join(folder, name));
}

async function publishAll(client: RawClient, topic: string, payloads: string[]): Promise<void> {
  const ids = payloads.map((payload) => client.publish(topic, payload, { qos: 1 }));
  for (const messageId of ids) await client.expect('puback', { messageId });
}

for (const [what, rules] of [
  ['', ['fdatasync:error=EIO:when=1']],
  [', and the failed bytes cannot be taken back', ['fdatasync:error=EIO:when=1', 'ftruncate:error=EIO:when=1']],
] as const) {
  test(`a failed fdatasync moves the batch to a new segment: acknowledged late, once, under the same sequences${what}`, {
    timeout: 60_000,
  }, async () => {
    await using folder = await createTempFolder();
    const data = folder.path;
    let served: [number, string][];
    {
      await using server = await startHydrant({ data, set: { 'archive.enabled': false } });
      using subscriber = await RawClient.connect(server.mqttUrl, { clientId: 'eio', clean: false, auto: true });
      await subscriber.subscribe('eio/#', 1);
      using publisher = await RawClient.connect(server.mqttUrl);
      await publishAll(publisher, 'eio/before', numbers(20));
      const [segment, ...others] = await segments(data);
      assert.deepEqual(others, []);
      {
        await using _ = await injectFaults(server.pid, [...rules], segment);
        await publishAll(publisher, 'eio/during', numbers(50));
      }
      await publishAll(publisher, 'eio/after', numbers(20));
      assert.equal((await segments(data)).length, 2, 'no new segment: the fault was not injected');
      const payloads = (await subscriber.messages(90)).map((packet) => packet.payload.toString());
      assert.deepEqual(payloads, [...numbers(20), ...numbers(50), ...numbers(20)]);
      await subscriber.expectQuiet();
      served = (await findEvents(data, 'eio/#')).map((event) => [event.seq, event.payload.toString()]);
      assert.deepEqual(
        served.map(([, payload]) => payload),
        payloads,
      );
      await server.kill();
    }
    await using server = await startHydrant({ data, set: { 'archive.enabled': false } });
    assert.deepEqual(
      (await findEvents(data, 'eio/#')).map((event) => [event.seq, event.payload.toString()]),
      served,
    );
    using history = await RawClient.connect(server.mqttUrl, { clientId: 'eio', clean: false, auto: true });
    using publisher = await RawClient.connect(server.mqttUrl);
    await publishAll(publisher, 'eio/end', ['end']);
    const last = await history.take('publish', { topic: 'eio/end' });
    assert.equal(last.payload.toString(), 'end');
    const all = await findEvents(data, 'eio/#');
    assert.equal(all.length, 91);
    assert.equal(new Set(all.map((event) => event.seq)).size, 91);
  });
}

test('[MQTT3-4.8.0-2] a disk that fails every fdatasync: 3.1.1 is closed, 5 is told 0x97, nothing is acknowledged; it goes on when the disk does', {
  timeout: 90_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  await using server = await startHydrant({ data, set: { 'archive.enabled': false } });
  using four = await RawClient.connect(server.mqttUrl);
  using five = await RawClient.connect(server.mqttUrl, { version: 5 });
  await publishAll(four, 'dead/a', ['kept']);
  {
    await using _ = await injectFaults(server.pid, ['fdatasync:error=EIO']);
    five.publish('dead/a', 'five', { qos: 1, messageId: 900 });
    await five.expect('puback', { messageId: 900, reasonCode: 0x97 });
    five.publish('dead/a', 'five', { qos: 2, messageId: 901 });
    await five.expect('pubrec', { messageId: 901, reasonCode: 0x97 });
    four.publish('dead/a', 'four', { qos: 1, messageId: 900 });
    await four.expectClose();
    const response = await fetch(new URL('/readyz', server.httpUrl));
    assert.equal(response.status, 503);
  }
  using again = await RawClient.connect(server.mqttUrl, { version: 5 });
  for (let messageId = 1; ; messageId++) {
    again.publish('dead/a', 'again', { qos: 1, messageId });
    const puback = await again.expect('puback', { messageId });
    if (puback.reasonCode === 0 || puback.reasonCode === 0x10) break;
    assert.equal(puback.reasonCode, 0x97);
  }
  await server.kill();
  const found = (await findEvents(data, 'dead/a')).map((event) => event.payload.toString());
  assert.deepEqual([found[0], found.at(-1)], ['kept', 'again']);
});
