import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import type * as Http from 'node:http';
import type { RequestListener, Server, ServerResponse } from 'node:http';
import type * as Https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { errorText, HydrantError, systemCode } from '../../core/errors.ts';
import type { WebhookOptions } from './options.ts';

// Not by `import`, which would load a whole HTTP client.
const http: typeof Http = process.getBuiltinModule('node:http');
const https: typeof Https = process.getBuiltinModule('node:https');

const MAX_HEADER_BYTES = 32 * 1024;
/** An idle connection is closed after this long: longer than proxies keep theirs. */
const KEEP_ALIVE_MS = 72_000;
/** Requests under way at the end have this long. */
const CLOSE_MS = 5_000;
const MAX_HEAD_MS = 10_000;

export type PortOptions = Pick<WebhookOptions, 'listen' | 'tlsCert' | 'tlsKey' | 'timeout' | 'maxConnections'>;

/** A port that takes requests. */
export interface Port extends AsyncDisposable {
  /** `http://127.0.0.1:8099`, with its real port. */
  readonly url: string;
}

/**
 * Listens; closing it lets what is under way finish.
 * @param onRefused a connection or what came over it was no request, and why
 * @throws HYD_PORT_BUSY, HYD_CONFIG for an address that cannot be had, and for a certificate that cannot be used
 */
export async function openPort(
  options: PortOptions,
  serve: RequestListener,
  onRefused: (why: string, from: string | undefined, error?: unknown) => void,
): Promise<Port> {
  const { listen, timeout, maxConnections } = options;
  const limits = {
    requestTimeout: timeout,
    headersTimeout: Math.min(timeout, MAX_HEAD_MS),
    connectionsCheckingInterval: Math.min(timeout / 4, 1000),
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_HEADER_BYTES,
  };
  const tls = await readCertificate(options);
  const underWay = new Set<ServerResponse>();
  const listener: RequestListener = (request, response) => {
    underWay.add(response);
    response.once('close', () => underWay.delete(response));
    serve(request, response);
  };
  const server = tls ? https.createServer({ ...limits, ...tls }, listener) : http.createServer(limits, listener);
  server.maxConnections = maxConnections;
  server.on('drop', (dropped) => onRefused('too many connections', dropped?.remoteAddress));
  server.on('tlsClientError', (error, socket) => onRefused('a TLS handshake failed', socket.remoteAddress, error));
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    const status = statusOf(error);
    if (status === undefined || !socket.writable) return void socket.destroy();
    onRefused(status.startsWith('408') ? 'a request came too slowly' : 'a request is no HTTP', (socket as Socket).remoteAddress);
    socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
  });
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(listen) ?? [];
  await bind(server, host, Number(port), listen);
  const { port: bound } = server.address() as AddressInfo;
  return {
    url: `${tls ? 'https' : 'http'}://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    [Symbol.asyncDispose]: () => close(server, underWay),
  };
}

async function bind(server: Server, host: string, port: number, listen: string): Promise<void> {
  try {
    server.listen({ host, port });
    await once(server, 'listening');
  } catch (error) {
    const isBusy = systemCode(error) === 'EADDRINUSE';
    const fix = isBusy
      ? 'Stop the other program (perhaps this source runs already), or choose another port with `listen`.'
      : 'Choose an address of this machine with `listen`, and a port that this account may use.';
    throw new HydrantError(isBusy ? 'HYD_PORT_BUSY' : 'HYD_CONFIG', `cannot listen on ${listen}: ${errorText(error)}`, {
      cause: error,
      fix,
    });
  }
}

/** Idle connections end at once, requests under way have some time. */
async function close(server: Server, underWay: ReadonlySet<ServerResponse>): Promise<void> {
  for (const response of underWay) response.shouldKeepAlive = false;
  const closed = once(server, 'close');
  server.close();
  const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
  await closed;
  clearTimeout(timer);
}

async function readCertificate({ tlsCert, tlsKey }: PortOptions): Promise<{ cert: Buffer; key: Buffer } | undefined> {
  if (tlsCert === undefined || tlsKey === undefined) return undefined;
  const fix = 'Name a certificate and its key, PEM, that the account may read, in `tlsCert` and `tlsKey`.';
  try {
    const [cert, key] = await Promise.all([readFile(tlsCert), readFile(tlsKey)]);
    process.getBuiltinModule('node:tls').createSecureContext({ cert, key });
    return { cert, key };
  } catch (error) {
    throw new HydrantError('HYD_CONFIG', `the certificate cannot be used: ${errorText(error)}`, { cause: error, fix });
  }
}

/** Undefined for a connection that was cut: nobody waits for an answer. */
function statusOf({ code }: NodeJS.ErrnoException): string | undefined {
  if (code === 'ERR_HTTP_REQUEST_TIMEOUT') return '408 Request Timeout';
  if (code === 'HPE_HEADER_OVERFLOW') return '431 Request Header Fields Too Large';
  return code?.startsWith('HPE_') && code !== 'HPE_INVALID_EOF_STATE' ? '400 Bad Request' : undefined;
}
