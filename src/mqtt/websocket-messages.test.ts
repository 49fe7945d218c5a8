import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { WebSocket, WebSocketServer } from 'ws';
import { within } from '../testing/deadline.ts';
import { encodePacket } from './encode.ts';
import { frameMessages } from './websocket-messages.ts';

const PING_ANSWER = Buffer.from('d000', 'hex');

/** What a websocket client receives when a server writes these bytes; `count` messages. */
async function received(pieces: readonly Uint8Array[], count: number): Promise<Buffer[]> {
  const http = createServer().listen(0, '127.0.0.1');
  const server = new WebSocketServer({ server: http });
  server.on('connection', (_, { socket }) => socket.write(Buffer.concat(pieces)));
  await once(http, 'listening');
  const client = new WebSocket(`ws://127.0.0.1:${(http.address() as AddressInfo).port}`);
  const messages: Buffer[] = [];
  const done = Promise.withResolvers<void>();
  client.on('error', done.reject);
  client.on('message', (message: Buffer) => {
    if (messages.push(message) === count) done.resolve();
  });
  try {
    await within(done.promise, 10_000, () => `${count} messages; there are ${messages.length}`);
    return messages;
  } finally {
    client.terminate();
    http.close();
    await once(http, 'close');
  }
}

/** A PUBLISH of exactly so many bytes. */
function publishOf(bytes: number): Buffer {
  for (let payload = bytes; ; payload--) {
    const packet = {
      cmd: 'publish' as const,
      topic: 't',
      payload: Buffer.alloc(payload, payload),
      qos: 0 as const,
      retain: false,
      dup: false,
    };
    const encoded = encodePacket(packet, 4);
    if (encoded.length === bytes) return encoded;
  }
}

test('each packet is a websocket message of its own, however small or large', async () => {
  const packets = [PING_ANSWER, ...[7, 125, 126, 127, 65_535, 65_536, 1_048_576].map(publishOf)];
  const { pieces } = frameMessages([Buffer.concat(packets)]);
  assert.deepEqual(await received(pieces, packets.length), packets);
});

test('packets that are cut anywhere, in their headers too, become whole messages', async () => {
  const packets = [publishOf(300), PING_ANSWER, publishOf(20_000), publishOf(7)];
  const bytes = Buffer.concat(packets);
  for (const cut of [1, 2, 3, 299, 300, 301, 302, 303, 304, 305, 306, 5_000, bytes.length - 1]) {
    const { pieces } = frameMessages([bytes.subarray(0, cut), bytes.subarray(cut)]);
    assert.deepEqual(await received(pieces, packets.length), packets, `cut at ${cut}`);
  }
});
