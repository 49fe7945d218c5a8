import { once } from 'node:events';
import { connect } from 'node:net';
import { WebSocket } from 'ws';

/** Bytes to and from a server, over TCP or websocket, unbuffered. */
export interface RawStream {
  onData: (chunk: Buffer) => void;
  onClose: () => void;
  write(bytes: Uint8Array): void;
  /** Stops reading, so that the server's writes pile up. */
  pause(): void;
  resume(): void;
  end(): void;
  destroy(): void;
}

/** @param url `mqtt://host:port` or `ws://host:port/path` */
export function openStream(url: string): Promise<RawStream> {
  return url.startsWith('ws') ? openWebSocket(url) : openSocket(url);
}

async function openSocket(url: string): Promise<RawStream> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port), noDelay: true });
  await once(socket, 'connect');
  const stream: RawStream = {
    onData: () => {},
    onClose: () => {},
    write: (bytes) => void socket.write(bytes),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
    destroy: () => void socket.destroy(),
  };
  socket.on('data', (chunk) => stream.onData(chunk));
  socket.on('error', () => {});
  socket.on('close', () => stream.onClose());
  return stream;
}

async function openWebSocket(url: string): Promise<RawStream> {
  const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false });
  await once(socket, 'open');
  const stream: RawStream = {
    onData: () => {},
    onClose: () => {},
    write: (bytes) => socket.send(bytes),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => socket.close(),
    destroy: () => socket.terminate(),
  };
  socket.on('message', (data: Buffer) => stream.onData(data));
  socket.on('error', () => {});
  socket.on('close', () => stream.onClose());
  return stream;
}
