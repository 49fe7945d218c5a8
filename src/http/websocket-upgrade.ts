import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type WebSocket, WebSocketServer } from 'ws';
import { HydrantError } from '../core/errors.ts';
import type { ShownCredentials } from '../mqtt/transport.ts';
import { readAuthorization } from './authentication.ts';
import { http } from './node-http.ts';
import { checkOrigin } from './origin.ts';
import { errorReply } from './reply-error.ts';

/** The websocket subprotocols of MQTT: 3.1.1 and 5 (§6.0 of both), and what MQTT 3.1 clients send. */
const SUBPROTOCOLS = ['mqtt', 'mqttv3.1'];

export interface UpgradeOptions {
  loopbackOnly: boolean;
  origins(): readonly string[];
  /** Largest websocket message, bytes. */
  maxMessageBytes: number;
  accept(socket: WebSocket, request: IncomingMessage, shown: ShownCredentials): void;
}

/** Handles `upgrade` requests on any path: MQTT over websockets, everything else is refused with its reason. */
export function createUpgradeHandler(options: UpgradeOptions): (request: IncomingMessage, socket: Duplex, head: Buffer) => void {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxMessageBytes,
    handleProtocols: (offered) => SUBPROTOCOLS.find((name) => offered.has(name)) ?? false,
  });
  return (request, socket, head) => {
    const drop = () => socket.destroy();
    socket.once('error', drop);
    try {
      checkOrigin(request, { loopbackOnly: options.loopbackOnly, origins: options.origins() });
      checkSubprotocol(request);
      const shown = readAuthorization(request.headers.authorization);
      socket.off('error', drop);
      server.handleUpgrade(request, socket, head, (websocket) => options.accept(websocket, request, shown));
    } catch (error) {
      refuse(socket, error);
    }
  };
}

function checkSubprotocol(request: IncomingMessage): void {
  const offered = (request.headers['sec-websocket-protocol'] ?? '').split(',').map((name) => name.trim());
  if (offered.some((name) => SUBPROTOCOLS.includes(name))) return;
  throw new HydrantError(
    'HYD_USAGE',
    `a websocket here speaks MQTT; the subprotocol "mqtt" was not offered (offered: ${offered.join(', ') || 'none'})`,
    {
      fix: 'Let the client ask for the subprotocol mqtt: new WebSocket(url, ["mqtt"]).',
    },
  );
}

function refuse(socket: Duplex, error: unknown): void {
  const { status, headers, body } = errorReply(error);
  const text = JSON.stringify(body);
  const more = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(
    `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n${more.join('')}\r\n${text}`,
  );
}
