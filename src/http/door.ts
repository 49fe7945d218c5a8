import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import type { TlsOptions } from 'node:tls';
import { http, https } from './node-http.ts';

/** One port on which HTTP is served. */
export interface DoorOptions {
  /** Only loopback is bound, so only loopback names are answered. */
  loopbackOnly: boolean;
  /** MQTT over websockets and nothing else. Default false. */
  webSocketsOnly?: boolean;
  /** Certificates and what else TLS wants. Default: no TLS. */
  tls?: TlsOptions;
}

/** An idle connection is closed after this long: longer than proxies keep theirs. */
const KEEP_ALIVE_MS = 72_000;

/** A server for one port, not listening yet. */
export function createDoorServer({ webSocketsOnly, tls }: DoorOptions, serve: RequestListener): Server {
  const handler = webSocketsOnly ? askForUpgrade : serve;
  const times = { keepAliveTimeout: KEEP_ALIVE_MS };
  return tls ? https.createServer({ ...tls, ...times }, handler) : http.createServer(times, handler);
}

function askForUpgrade(_request: IncomingMessage, response: ServerResponse): void {
  const error = {
    code: 'HYD_USAGE',
    message: 'this port takes MQTT over websockets only',
    fix: 'Use the port of listeners.http or listeners.https for everything else.',
  };
  response.writeHead(426, { 'content-type': 'application/json', upgrade: 'websocket', connection: 'upgrade' });
  response.end(JSON.stringify({ error }));
}
