import { createServer as createTcpServer, type Server } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer } from 'node:tls';
import type { Door } from '../access/access.ts';
import type { AdmissionLimits } from '../broker/admission.ts';
import type { Broker } from '../broker/broker.ts';
import type { Log } from '../core/log.ts';
import type { HttpServer } from '../http/http-server.ts';
import { tcpTransport } from '../mqtt/transport.ts';
import { isLoopback } from './config-rules.ts';
import type { Config } from './config-schema.ts';
import { listen, listenerUrl } from './listen.ts';
import { isTlsDoor, type OpenDoor, openDoors } from './listener-options.ts';
import type { TlsDoors } from './tls-doors.ts';

/** URLs that clients use; a door that is closed has none. `ws` and `wss` are the HTTP and HTTPS ports, unless they have their own. */
export type ListenerUrls = Partial<Record<Door, string>>;

interface Parts {
  broker: Broker;
  http: HttpServer;
  /** Of `openTls`. */
  tls: TlsDoors | undefined;
  log: Log;
}

/**
 * What the doors with TLS need, checked before anything else is opened; undefined when there is none.
 * @throws HYD_CONFIG when the certificate cannot be used
 */
export async function openTls(config: Config, log: Log, limitsNow?: () => AdmissionLimits): Promise<TlsDoors | undefined> {
  if (!openDoors(config).some(isTlsDoor)) return undefined;
  const { TlsDoors } = await import('./tls-doors.ts');
  return new TlsDoors(config, log, limitsNow);
}

/**
 * Opens every door of the configuration.
 * @param closing closes them again
 * @throws HYD_PORT_BUSY; HYD_CONFIG when an address cannot be bound
 */
export async function openListeners(config: Config, parts: Parts, closing: AsyncDisposableStack): Promise<ListenerUrls> {
  const urls: ListenerUrls = {};
  for (const door of openDoors(config)) {
    const server = createServer(door, parts);
    closing.defer(() => void server.close());
    if (isTlsDoor(door)) parts.tls!.add(door.name, server as TlsServer);
    const key = `listeners.${door.name}`;
    const port = await listen(server, { key, host: door.host, port: door.port });
    server.on('error', (error) => parts.log('error', 'a listener failed', { listener: key, error: error.message }));
    urls[door.name] = listenerUrl(door.name, door.host, port);
  }
  return withWebSockets(urls);
}

function createServer(door: OpenDoor, { broker, http, tls }: Parts): Server {
  const { name, host } = door;
  if (name === 'mqtt') return createTcpServer((socket) => broker.accept(tcpTransport(socket)));
  if (name === 'mqtts') {
    // A client that names the protocol it speaks is taken at its word: others are refused here, not at their first byte.
    const options = { ...tls!.options, ALPNProtocols: ['mqtt'] };
    return createTlsServer(options, (socket) => broker.accept(tcpTransport(socket)));
  }
  const webSocketsOnly = name === 'ws' || name === 'wss';
  return http.createDoor({ loopbackOnly: isLoopback(host), webSocketsOnly, tls: isTlsDoor(door) ? tls!.options : undefined });
}

/** The ports of HTTP and HTTPS take websockets too. */
function withWebSockets({ mqtt, mqtts, ws, wss, http, https }: ListenerUrls): ListenerUrls {
  const urls = { mqtt, mqtts, ws: ws ?? http?.replace('http', 'ws'), wss: wss ?? https?.replace('https', 'wss'), http, https };
  return Object.fromEntries(Object.entries(urls).filter(([, url]) => url !== undefined));
}
