import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { RawClient } from '../../src/testing/raw-client.ts';
import { shareServer } from '../../src/testing/shared-server.ts';

const server = await shareServer();
const CONNECT = Buffer.from([0x10, 14, 0, 4, 0x4d, 0x51, 0x54, 0x54, 4, 2, 0, 0, 0, 2, 0x77, 0x73]);

async function openSocket(path = '/mqtt', protocols: string | string[] = 'mqtt'): Promise<WebSocket> {
  const socket = new WebSocket(new URL(path, server.wsUrl), protocols);
  await once(socket, 'open');
  return socket;
}

/** The next binary message. */
async function answer(socket: WebSocket): Promise<number[]> {
  const [data, isBinary] = (await once(socket, 'message')) as [Buffer, boolean];
  assert.equal(isBinary, true);
  return [...data];
}

for (const version of [3, 4, 5] as const) {
  for (const path of ['/', '/mqtt', '/any/other?x=1']) {
    test(`serves MQTT level ${version} over a websocket on ${path}`, async () => {
      using client = await RawClient.connect(new URL(path, server.wsUrl).href, { version, auto: true });
      await client.subscribe('ws/#', 2);
      for (const qos of [0, 1, 2] as const) {
        await client.deliver('ws/a', `${qos}`, { qos });
        await client.take('publish', { topic: 'ws/a', qos });
      }
      await client.disconnect();
    });
  }
}

test('carries events between websocket and TCP clients', async () => {
  using web = await RawClient.connect(server.wsUrl);
  using tcp = await RawClient.connect(server.mqttUrl);
  await web.subscribe('both/web');
  await tcp.subscribe('both/tcp');
  tcp.publish('both/web', 'to web');
  web.publish('both/tcp', 'to tcp');
  await web.expectMessage('both/web', 'to web');
  await tcp.expectMessage('both/tcp', 'to tcp');
});

test('[MQTT-6.0.0-4] [MQTT3-6.0.0-4] selects the subprotocol mqtt among those offered', async () => {
  const socket = await openSocket('/mqtt', ['chat', 'mqtt']);
  assert.equal(socket.protocol, 'mqtt');
  socket.terminate();
});

test('[MQTT-6.0.0-3] [MQTT3-6.0.0-3] refuses a websocket that does not offer mqtt', async () => {
  const socket = new WebSocket(new URL('/mqtt', server.wsUrl), 'chat');
  const [error] = await once(socket, 'error');
  assert.match(error.message, /400/);
});

test('[MQTT-6.0.0-1] [MQTT3-6.0.0-1] closes a websocket that sends a text frame', async () => {
  const socket = await openSocket();
  socket.send('text');
  await once(socket, 'close');
});

test('[MQTT-6.0.0-2] [MQTT3-6.0.0-2] takes packets split over frames, and several in one', async () => {
  const socket = await openSocket();
  const connack = answer(socket);
  for (const byte of CONNECT) socket.send(Buffer.from([byte]));
  assert.deepEqual(await connack, [0x20, 2, 0, 0]);
  const got: number[] = [];
  const pings = new Promise<void>((resolve) => {
    socket.on('message', (data: Buffer) => {
      got.push(...data);
      if (got.length === 6) resolve();
    });
  });
  socket.send(Buffer.from([0xc0, 0, 0xc0, 0, 0xc0, 0]));
  await pings;
  assert.deepEqual(got, [0xd0, 0, 0xd0, 0, 0xd0, 0]);
  socket.terminate();
});

test('a websocket that breaks is a client that vanished: its will is published', async () => {
  using watcher = await RawClient.connect(server.mqttUrl);
  await watcher.subscribe('wswill/#');
  const client = await RawClient.connect(server.wsUrl, { will: { topic: 'wswill/a', payload: Buffer.from('x') } });
  client.destroy();
  await watcher.expectMessage('wswill/a', 'x');
});

test('a payload of 300 kB passes a websocket whole', async () => {
  using client = await RawClient.connect(server.wsUrl, { auto: true });
  await client.subscribe('wsbig/#', 1);
  const payload = Buffer.alloc(300_000, 'w');
  await client.deliver('wsbig/a', payload, { qos: 1 });
  const packet = await client.take('publish');
  assert.ok(payload.equals(packet.payload as Buffer));
});
