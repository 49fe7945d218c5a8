import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { PacketFault } from './fault.ts';
import { isTls, type PeerCertificate, peerCertificate } from './peer-certificate.ts';
import { frameMessages } from './websocket-messages.ts';

export type TransportKind = 'mqtt' | 'mqtts' | 'ws' | 'wss';

/** A name and a password, or a token as the password. */
export interface ShownCredentials {
  username?: string;
  password?: Uint8Array;
}

/** One byte stream. Its owner sets the three `on…` before the next tick. */
export interface Transport {
  readonly kind: TransportKind;
  /** Address and port of the peer, `127.0.0.1:51234`. */
  readonly remote: string;
  /** Address of the peer alone, `127.0.0.1` or `::1`. */
  readonly address: string;
  /** The client certificate, when one was asked for and is good. */
  readonly certificate?: PeerCertificate;
  /** What came with the request for a websocket, for a CONNECT that shows nothing. */
  readonly shown?: ShownCredentials;
  onData: (chunk: Buffer) => void;
  /** Something that is no byte of MQTT, such as a websocket text message. */
  onFault: (fault: PacketFault) => void;
  /** Once; nothing comes after it. */
  onClose: (error?: Error) => void;
  /**
   * Sends the pieces in order with as few system calls as possible, uncopied: they belong to the transport until `onWritten`,
   * which is not called when the connection broke meanwhile.
   */
  write(pieces: readonly Uint8Array[], onWritten: () => void): void;
  /** Bytes accepted that the kernel has not taken; a partly taken write counts whole. */
  readonly bufferedBytes: number;
  /** Changes whenever the kernel has taken bytes. */
  readonly progress: number;
  pause(): void;
  resume(): void;
  /** Sends what is buffered, then closes this side. */
  end(): void;
  destroy(): void;
}

/** MQTT over a TCP or TLS socket. */
export function tcpTransport(socket: Socket): Transport {
  socket.setNoDelay(true);
  let failure: Error | undefined;
  const transport: Transport = {
    kind: isTls(socket) ? 'mqtts' : 'mqtt',
    ...remoteOf(socket),
    certificate: peerCertificate(socket),
    onData() {},
    onFault() {},
    onClose() {},
    write(pieces, onWritten) {
      writeAll(socket, pieces, (piece, done) => socket.write(piece, done), onWritten);
    },
    get bufferedBytes() {
      return socket.destroyed ? 0 : socket.writableLength;
    },
    get progress() {
      return progressOf(socket);
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    end: () => socket.end(),
    destroy: () => socket.destroy(),
  };
  socket.on('data', (chunk: Buffer) => transport.onData(chunk));
  socket.on('error', (error) => {
    failure = error;
  });
  socket.on('close', () => transport.onClose(failure));
  return transport;
}

/**
 * MQTT over a websocket. Packets may span messages and share them [MQTT-6.0.0-2]; a text message is a fault [MQTT-6.0.0-1].
 * @param ws open; its `maxPayload` is the caller's business
 * @param socket the one under it, `request.socket` of the upgrade
 * @param end which end of it this is: a client masks what it sends
 */
export function webSocketTransport(
  ws: WebSocket,
  socket: Socket,
  shown?: ShownCredentials,
  end: 'server' | 'client' = 'server',
): Transport {
  let failure: Error | undefined;
  const transport: Transport = {
    kind: isTls(socket) ? 'wss' : 'ws',
    ...remoteOf(socket),
    certificate: peerCertificate(socket),
    shown,
    onData() {},
    onFault() {},
    onClose() {},
    write(pieces, onWritten) {
      if (ws.readyState !== ws.OPEN) return;
      if (end === 'client') {
        writeAll(socket, pieces, (piece, done) => ws.send(piece, { binary: true, compress: false }, done), onWritten);
        return;
      }
      const framed = frameMessages(pieces);
      const whenWritten = () => {
        framed.release();
        onWritten();
      };
      writeAll(socket, framed.pieces, (piece, done) => socket.write(piece, done), whenWritten);
    },
    get bufferedBytes() {
      return ws.readyState === ws.CLOSED || socket.destroyed ? 0 : ws.bufferedAmount;
    },
    get progress() {
      return progressOf(socket);
    },
    pause: () => ws.pause(),
    resume: () => ws.resume(),
    end: () => ws.close(1000),
    destroy: () => ws.terminate(),
  };
  ws.on('message', (data, isBinary) => {
    if (isBinary) transport.onData(data as Buffer);
    else transport.onFault(new PacketFault('websocket-text', 'a websocket text message; MQTT is binary'));
  });
  ws.on('error', (error) => {
    failure = error;
  });
  ws.on('close', () => transport.onClose(failure));
  return transport;
}

type Send = (piece: Uint8Array, done?: (error?: Error | null) => void) => void;

function writeAll(socket: Socket, pieces: readonly Uint8Array[], send: Send, onWritten: () => void): void {
  const done = (error?: Error | null) => {
    if (!error) onWritten();
  };
  const last = pieces.length - 1;
  if (last > 0) socket.cork();
  for (let i = 0; i < last; i++) send(pieces[i]!);
  send(pieces[last]!, done);
  if (last > 0) socket.uncork();
}

/** What of a socket's handle Node does not document: how much the kernel has yet to take. */
interface Handle {
  bytesWritten: number;
  writeQueueSize: number;
  /** Under TLS: the handle below, which alone knows how much of a large write is gone. */
  _parent?: Handle;
}

/** Node's own idle timer looks at the queue of the handle in the same way; without it a large write would count as no progress. */
function progressOf(socket: Socket): number {
  const { _handle: handle } = socket as unknown as { _handle?: Handle | null };
  if (handle?._parent) return handle._parent.bytesWritten - handle._parent.writeQueueSize;
  return socket.bytesWritten - socket.writableLength - (handle?.writeQueueSize ?? 0);
}

function remoteOf({ remoteAddress, remotePort }: Socket): Pick<Transport, 'remote' | 'address'> {
  if (remoteAddress === undefined) return { remote: 'unknown', address: 'unknown' };
  const address = remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress;
  return { address, remote: address.includes(':') ? `[${address}]:${remotePort}` : `${address}:${remotePort}` };
}
