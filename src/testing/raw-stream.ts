import { once } from 'node:events';
import { connect } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
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

/**
 * @param url `mqtt://host:port`, `mqtts://…`, `ws://host:port/path` or `wss://…`
 * @param tls certificates and versions for the secure ones
 */
export function openStream(url: string, tls: ConnectionOptions = {}): Promise<RawStream> {
  return url.startsWith('ws') ? openWebSocket(url, tls) : openSocket(url, tls);
}

async function openSocket(url: string, tls: ConnectionOptions): Promise<RawStream> {
  const { protocol, hostname: host, port } = new URL(url);
  const secure = protocol === 'mqtts:';
  const socket = secure ? connectTls({ host, port: Number(port), ...tls }) : connect({ host, port: Number(port), noDelay: true });
  await once(socket, secure ? 'secureConnect' : 'connect');
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

async function openWebSocket(url: string, tls: ConnectionOptions): Promise<RawStream> {
  const socket = new WebSocket(url, 'mqtt', { perMessageDeflate: false, ...tls });
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
