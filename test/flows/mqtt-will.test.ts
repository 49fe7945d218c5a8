import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { QoS } from 'mqtt-packet';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const connect = (options = {}): Promise<RawClient> => RawClient.connect(server.mqttUrl, { auto: true, ...options });

async function watch(filter: string, qos: QoS = 2): Promise<RawClient> {
  const watcher = await connect();
  await watcher.subscribe(filter, qos);
  return watcher;
}

for (const version of [3, 4, 5] as const) {
  test(`[MQTT3-3.1.2-8] publishes the will when the connection ends without DISCONNECT (level ${version})`, async () => {
    using watcher = await watch(`gone${version}/#`);
    const client = await connect({ version, will: { topic: `gone${version}/a`, payload: Buffer.from('lost') } });
    client.destroy();
    await watcher.expectMessage(`gone${version}/a`, 'lost', { qos: 0, retain: false });
    await watcher.expectQuiet();
  });
}

test('[MQTT3-3.1.2-10] [MQTT3-3.14.4-3] drops the will on DISCONNECT', async () => {
  using watcher = await watch('bye/#');
  const client = await connect({ will: { topic: 'bye/a', payload: Buffer.from('never') } });
  await client.disconnect();
  using again = await connect({ clientId: client.clientId });
  again.destroy();
  await watcher.expectQuiet();
});

test('[MQTT3-3.1.2-12] publishes no will for a client that set none', async () => {
  using watcher = await watch('none/#');
  const first = await connect({ clientId: 'none', will: { topic: 'none/a', payload: Buffer.from('never') } });
  await first.disconnect();
  const second = await connect({ clientId: 'none' });
  second.destroy();
  await watcher.expectQuiet();
});

test('[MQTT3-3.1.2-8] publishes the will of a client that breaks the protocol', async () => {
  using watcher = await watch('broke/#');
  using client = await connect({ will: { topic: 'broke/a', payload: Buffer.from('bad') } });
  client.sendBytes([0xf0, 0]);
  await client.expectClose();
  await watcher.expectMessage('broke/a', 'bad');
});

test('[MQTT3-3.1.2-8] publishes the will of a client whose client id is taken over', async () => {
  using watcher = await watch('takeover/#');
  using older = await connect({ clientId: 'takeover', will: { topic: 'takeover/a', payload: Buffer.from('older') } });
  using newer = await connect({ clientId: 'takeover', will: { topic: 'takeover/a', payload: Buffer.from('newer') } });
  await older.expectClose();
  await watcher.expectMessage('takeover/a', 'older');
  await newer.ping();
  await watcher.expectQuiet();
});

test('[MQTT3-3.1.2-24] publishes the will of a client that falls silent', { timeout: 30_000 }, async () => {
  using watcher = await watch('silent/#');
  using client = await connect({ keepalive: 1, will: { topic: 'silent/a', payload: Buffer.from('silence') } });
  await watcher.expectMessage('silent/a', 'silence');
  await client.expectClose();
});

test('[MQTT3-3.1.2-9] publishes the will at its QoS', async () => {
  using watcher = await watch('wqos/#');
  for (const qos of [0, 1, 2] as QoS[]) {
    const client = await connect({ will: { topic: 'wqos/a', payload: Buffer.from(`${qos}`), qos } });
    client.destroy();
    const packet = await watcher.take('publish');
    assert.deepEqual([packet.payload.toString(), packet.qos], [`${qos}`, qos]);
  }
});

test('[MQTT3-3.1.2-16] [MQTT3-3.1.2-17] retains the will only when it says so', async () => {
  using watcher = await watch('wret/#');
  for (const retain of [true, false]) {
    const client = await connect({ will: { topic: `wret/${retain}`, payload: Buffer.from('x'), retain } });
    client.destroy();
    await watcher.expectMessage(`wret/${retain}`, 'x', { retain: false });
  }
  using late = await watch('wret/#');
  await late.expectMessage('wret/true', 'x', { retain: true });
  await late.expectQuiet();
});

test('publishes a will with an empty payload, and one with bytes that are no text', async () => {
  using watcher = await watch('wbytes/#');
  for (const payload of [Buffer.alloc(0), Buffer.from([0, 255, 254, 0xc3])]) {
    const client = await connect({ will: { topic: 'wbytes/a', payload, qos: 1 } });
    client.destroy();
    const packet = await watcher.take('publish');
    assert.ok(payload.equals(packet.payload as Buffer));
  }
});

test('[MQTT3-3.1.2-8] keeps the will for an offline persistent subscriber', async () => {
  {
    using subscriber = await connect({ clientId: 'woff', clean: false });
    await subscriber.subscribe('woff/#', 1);
    await subscriber.disconnect();
  }
  using watcher = await watch('woff/#');
  const client = await connect({ will: { topic: 'woff/a', payload: Buffer.from('x'), qos: 1 } });
  client.destroy();
  await watcher.expectMessage('woff/a', 'x');
  using back = await connect({ clientId: 'woff', clean: false });
  await back.expectMessage('woff/a', 'x', { qos: 1 });
});

test('publishes each of 100 wills when 100 clients vanish at once', async () => {
  using watcher = await watch('mass/#', 1);
  const clients = await Promise.all(
    Array.from({ length: 100 }, (_, i) => connect({ will: { topic: `mass/${i}`, payload: Buffer.from('x'), qos: 1 } })),
  );
  for (const client of clients) client.destroy();
  const topics = (await watcher.messages(100)).map((packet) => packet.topic);
  assert.equal(new Set(topics).size, 100);
  await watcher.expectQuiet();
});
