import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHydrant } from '../../src/testing/hydrant-server.ts';
import { RawClient } from '../../src/testing/raw-client.ts';
import { createTempFolder } from '../../src/testing/temp-folder.ts';

const will = (topic: string) => ({ topic, payload: Buffer.from('gone'), qos: 1 as const });

/** A persistent subscriber to `wills/#`, which was away during the crash. */
function watcher(url: string): Promise<RawClient> {
  return RawClient.connect(url, { clientId: 'watcher', clean: false, auto: true });
}

/** A server on which each of these clients has a will, killed. */
async function crashWith(data: string, clientIds: string[]): Promise<void> {
  await using server = await startHydrant({ data });
  using client = await watcher(server.mqttUrl);
  await client.subscribe('wills/#', 1);
  await client.disconnect();
  for (const clientId of clientIds) await RawClient.connect(server.mqttUrl, { clientId, will: will(`wills/${clientId}`) });
  using polite = await RawClient.connect(server.mqttUrl, { will: will('wills/never') });
  // The server closes once it has dropped the will for good; a client that closes first cannot know.
  polite.send({ cmd: 'disconnect' });
  await polite.ended;
  await server.kill();
}

test('after a crash the wills of the clients that were connected are published, once, and survive a second crash', {
  timeout: 60_000,
}, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  await crashWith(data, ['a', 'b']);
  {
    await using second = await startHydrant({ data, set: { 'sessions.willGrace': '1h' } });
    await second.kill();
  }
  for (let start = 1; start <= 2; start++) {
    await using server = await startHydrant({ data, set: { 'sessions.willGrace': '0s' } });
    using client = await watcher(server.mqttUrl);
    if (start === 1) {
      const topics = (await client.messages(2)).map((packet) => packet.topic).sort();
      assert.deepEqual(topics, ['wills/a', 'wills/b']);
    }
    await client.expectQuiet();
    assert.deepEqual(await server.stop(), { code: 0, signal: null });
  }
});

test('a client that is back within the grace time after a crash has no will published', { timeout: 60_000 }, async () => {
  await using folder = await createTempFolder();
  const data = folder.path;
  await crashWith(data, ['back', 'gone']);
  await using server = await startHydrant({ data, set: { 'sessions.willGrace': '2s' } });
  using back = await RawClient.connect(server.mqttUrl, { clientId: 'back', will: will('wills/back') });
  using client = await watcher(server.mqttUrl);
  await client.expectMessage('wills/gone', 'gone');
  await back.ping();
  await client.expectQuiet();
});
