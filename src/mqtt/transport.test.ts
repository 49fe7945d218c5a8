import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
import { createTestAuthority } from '../testing/certificates.ts';
import { within } from '../testing/deadline.ts';
import { startScriptedServer } from '../testing/scripted-server.ts';
import { Connection, type ConnectionHandler } from './connection.ts';
import { encodePacket } from './encode.ts';
import type { PacketFault } from './fault.ts';
import type { Packet } from './packet.ts';
import { Sweeper } from './sweeper.ts';
import { type Transport, tcpTransport, webSocketTransport } from './transport.ts';

const LIMIT_MS = 20_000;
const CONNECT = encodePacket({ cmd: 'connect', clientId: 'c', protocolVersion: 4, clean: true, keepalive: 0 }, 4);
const BIG: Packet = { cmd: 'publish', topic: 't', payload: Buffer.alloc(1_000_000, 'b'), qos: 0, retain: false, dup: false };

/** A websocket server whose one connection goes to `handle`. */
async function serveWebSocket(handle: (connection: Connection) => Partial<ConnectionHandler>) {
  const http = createServer().listen(0, '127.0.0.1');
  const wss = new WebSocketServer({ server: http });
  wss.on('connection', (ws, request) => {
    const own: Partial<ConnectionHandler> = {};
    const connection = new Connection(webSocketTransport(ws, request.socket), {
      handler: {
        onPacket: (packet) => own.onPacket?.(packet),
        onFault: (fault) => own.onFault?.(fault),
        onClose: (error) => own.onClose?.(error),
        onDrain() {},
      },
    });
    Object.assign(own, handle(connection));
  });
  await once(http, 'listening');
  return {
    url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/any/path`,
    async [Symbol.asyncDispose]() {
      for (const ws of wss.clients) ws.terminate();
      http.close();
      await once(http, 'close');
    },
  };
}

test('packets may span websocket messages and share them', async () => {
  const packets: string[] = [];
  const done = Promise.withResolvers<void>();
  await using server = await serveWebSocket((connection) => ({
    onPacket(packet) {
      packets.push(packet.cmd);
      if (packet.cmd === 'disconnect') connection.close();
    },
    onClose: () => done.resolve(),
  }));
  const ws = new WebSocket(server.url, 'mqtt');
  await once(ws, 'open');
  const bytes = Buffer.concat([CONNECT, Buffer.from('c000', 'hex'), encodePacket(BIG, 4), Buffer.from('e000', 'hex')]);
  for (const [from, to] of [
    [0, 5],
    [5, 16],
    [16, 16],
    [16, 500_000],
    [500_000, bytes.length],
  ] as const) {
    ws.send(bytes.subarray(from, to));
  }
  await within(done.promise, LIMIT_MS, 'the connection to close');
  assert.deepEqual(packets, ['connect', 'pingreq', 'publish', 'disconnect']);
});

test('a websocket text message is the fault websocket-text and closes that connection', async () => {
  const fault = Promise.withResolvers<PacketFault>();
  const closed = Promise.withResolvers<void>();
  await using server = await serveWebSocket(() => ({ onFault: fault.resolve, onClose: () => closed.resolve() }));
  const ws = new WebSocket(server.url, 'mqtt');
  await once(ws, 'open');
  ws.send(CONNECT);
  ws.send('hello');
  assert.equal((await within(fault.promise, LIMIT_MS, 'the fault')).reason, 'websocket-text');
  await within(closed.promise, LIMIT_MS, 'the close');
});

test('each packet of a tick is a websocket message of its own: some clients look at the first one only', async () => {
  await using server = await serveWebSocket((connection) => ({
    onPacket() {
      connection.send({ cmd: 'connack', returnCode: 0, sessionPresent: false });
      connection.sendAck('puback', 1);
      connection.send(BIG);
    },
  }));
  const ws = new WebSocket(server.url, 'mqtt');
  const messages: number[] = [];
  const done = Promise.withResolvers<void>();
  ws.on('message', (data: Buffer) => {
    messages.push(data.length);
    if (messages.length === 3) done.resolve();
  });
  await once(ws, 'open');
  ws.send(CONNECT);
  await within(done.promise, LIMIT_MS, 'three messages');
  assert.deepEqual(messages, [4, 4, 1_000_007]);
  ws.terminate();
});

test('the last answer reaches a peer that still has unread bytes on the way', async () => {
  await using server = await startScriptedServer((packet, connection) => {
    if (packet.cmd === 'pingreq') {
      connection.send({ cmd: 'pingresp' });
      connection.close();
    }
  });
  const socket = connect(server.port, '127.0.0.1');
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  const closed = Promise.withResolvers<Error | undefined>();
  socket.on('error', closed.resolve);
  socket.on('close', () => closed.resolve(undefined));
  socket.write(CONNECT);
  socket.write(Buffer.from('c000', 'hex'));
  for (let i = 0; i < 20; i++) socket.write(Buffer.alloc(100_000));
  assert.equal(await within(closed.promise, LIMIT_MS, 'the close'), undefined, 'no reset');
  assert.equal(Buffer.concat(received).toString('hex'), 'd000');
});

/** A certificate of an authority that nobody knows. */
async function serverPem(): Promise<{ cert: Buffer; key: Buffer }> {
  await using authority = await createTestAuthority();
  const { cert, key } = await authority.server();
  return { cert: readFileSync(cert), key: readFileSync(key) };
}

for (const secure of [false, true]) {
  test(`over ${secure ? 'TLS' : 'TCP'} a reader that stops is cut as stalled, one that reads slowly is not`, async () => {
    let nowMs = 0;
    const sweeper = new Sweeper({ clock: () => nowMs, intervalMs: 0 });
    const faults: string[] = [];
    let transport: Transport | undefined;
    const opened = Promise.withResolvers<Connection>();
    const gone = Promise.withResolvers<void>();
    const accept = (socket: Socket): void => {
      transport = tcpTransport(socket);
      const connection: Connection = new Connection(transport, {
        sweeper,
        stalledMs: 5000,
        handler: {
          onPacket: () => opened.resolve(connection),
          onFault: (fault) => void faults.push(fault.reason),
          onClose: () => gone.resolve(),
          onDrain() {},
        },
      });
    };
    const server = secure ? createTlsServer(await serverPem(), accept) : createTcpServer(accept);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const peer = secure ? connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }) : connect(port, '127.0.0.1');
    try {
      peer.write(CONNECT);
      const connection = await within(opened.promise, LIMIT_MS, 'the CONNECT');
      for (let i = 0; i < 40; i++) connection.send(BIG);
      connection.flush();
      for (let round = 0; round < 8; round++) {
        nowMs += 4000;
        const before = transport?.progress;
        while (transport?.progress === before) {
          if (peer.readableLength === 0) await once(peer, 'readable');
          peer.read();
          await new Promise((resolve) => setImmediate(resolve));
        }
        sweeper.sweep();
      }
      assert.deepEqual(faults, []);
      assert.ok(connection.bufferedBytes > 5_000_000, 'one write is still under way, so only the queue of the handle tells');
      for (let i = 0; i < 3; i++) {
        nowMs += 4000;
        sweeper.sweep();
      }
      assert.deepEqual(faults, ['stalled']);
      await within(gone.promise, LIMIT_MS, 'the close');
    } finally {
      peer.destroy();
      server.close();
      await once(server, 'close');
    }
  });
}
