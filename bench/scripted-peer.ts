import { createServer, type Socket } from 'node:net';

/** PUBLISH packets that one chunk holds. */
const CHUNK = 250;
const PUBACK_BYTES = 4;

/**
 * A stand-in for a broker that has messages without end and nothing else to do: it takes a CONNECT and a SUBSCRIBE, then sends `count` messages of
 * QoS 1, at most `window` of them unacknowledged. What a client takes from it is the client's own ceiling.
 */
export async function startScriptedPeer(options: { count: number; bytes: number; window: number }): Promise<ScriptedPeer> {
  const peer = new ScriptedPeer(options);
  await peer.listen();
  return peer;
}

export class ScriptedPeer {
  /** Resolves with the seconds from the first message to the last acknowledgement. */
  readonly done = Promise.withResolvers<number>();
  readonly #options: { count: number; bytes: number; window: number };
  readonly #server = createServer((socket) => this.#serve(socket));
  readonly #sockets = new Set<Socket>();

  constructor(options: { count: number; bytes: number; window: number }) {
    this.#options = options;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket.setNoDelay());
    socket.on('error', () => {});
    const { count, bytes, window } = this.#options;
    let sent = 0;
    let acknowledged = 0;
    let startedAt = 0;
    let pending = Buffer.alloc(0);
    const send = (): void => {
      while (sent < count && sent + CHUNK - acknowledged <= window) {
        socket.write(messages(sent, Math.min(CHUNK, count - sent), bytes));
        sent += CHUNK;
      }
    };
    socket.on('data', (data) => {
      pending = pending.length === 0 ? data : Buffer.concat([pending, data]);
      let at = 0;
      while (pending.length - at >= 2 && pending.length - at >= 2 + remaining(pending, at)) {
        const type = pending[at]! >> 4;
        if (type === 4) acknowledged++;
        else if (type === 1) socket.write(Buffer.from([0x20, 2, 0, 0]));
        else if (type === 12) socket.write(Buffer.from([0xd0, 0]));
        else if (type === 8) {
          socket.write(Buffer.from([0x90, 3, pending[at + 2]!, pending[at + 3]!, 1]));
          startedAt = performance.now();
        }
        at += type === 4 ? PUBACK_BYTES : 2 + remaining(pending, at);
      }
      pending = pending.subarray(at);
      if (startedAt > 0) send();
      if (acknowledged >= count) this.done.resolve((performance.now() - startedAt) / 1000);
    });
  }
}

/** Of the small packets that a client sends: one byte of length. */
function remaining(bytes: Buffer, at: number): number {
  return bytes[at + 1]! & 127;
}

function messages(first: number, count: number, bytes: number): Buffer {
  const topic = Buffer.from('bench/t0');
  const length = 2 + topic.length + 2 + bytes;
  const packet = Buffer.alloc(2 + (length > 127 ? 1 : 0) + length, 'x');
  packet[0] = 0x32;
  if (length > 127) packet.writeUInt16BE((((length % 128) | 128) << 8) | (length >> 7), 1);
  else packet[1] = length;
  const at = packet.length - length;
  packet.writeUInt16BE(topic.length, at);
  topic.copy(packet, at + 2);
  const chunk = Buffer.alloc(packet.length * count);
  for (let i = 0; i < count; i++) {
    packet.writeUInt16BE(((first + i) % 65_535) + 1, at + 2 + topic.length);
    packet.copy(chunk, i * packet.length);
  }
  return chunk;
}
