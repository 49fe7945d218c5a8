import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import type { ConnectionOptions as TlsOptions } from 'node:tls';
import { errorText, HydrantError, systemCode } from '../core/errors.ts';
import { tlsFix } from './tls-fix.ts';
import { type Transport, tcpTransport, webSocketTransport } from './transport.ts';

export interface DialOptions {
  /** Gives up after this many milliseconds, and when it aborts. */
  signal: AbortSignal;
  /** Certificates for mqtts: and wss:. */
  tls?: TlsOptions;
}

const LONGEST_PACKET = 268_435_455 + 5;

/**
 * Opens a byte stream to an MQTT server: `mqtt://host[:1883]`, `mqtts://host[:8883]`, `ws://host[:80]/path`, `wss://host[:443]/path`.
 * @throws HYD_USAGE for another kind of URL, HYD_CONNECT naming the URL
 */
export async function dial(url: string, options: DialOptions): Promise<Transport> {
  const target = parseUrl(url);
  try {
    if (target.protocol === 'ws:' || target.protocol === 'wss:') return await dialWebSocket(target, options);
    return tcpTransport(await dialSocket(target, options));
  } catch (cause) {
    if (options.signal.aborted) throw options.signal.reason;
    // Node's advice on how to start Node is of no use to somebody who runs a command.
    const why = errorText(cause).replace(/; if the root CA .*/, '');
    throw new HydrantError('HYD_CONNECT', `no connection to ${plainUrl(url)}: ${why}`, {
      cause,
      fix: tlsFix(cause) ?? cutFix(target, cause),
    });
  }
}

/** A server that hangs up in the middle of a handshake does not say why. */
function cutFix({ protocol }: URL, cause: unknown): string | undefined {
  if (systemCode(cause) !== 'ECONNRESET' || !/^(mqtts|wss):$/.test(protocol)) return undefined;
  return 'Check that this port speaks TLS, and whether the server takes your client certificate: --cert FILE and --key FILE, or `tls: { cert, key }` in a program.';
}

/** @throws HYD_USAGE */
export function parseUrl(url: string): URL {
  const target = URL.parse(url);
  if (target && /^(mqtts?|wss?):$/.test(target.protocol) && target.hostname !== '') return target;
  throw new HydrantError('HYD_USAGE', `${JSON.stringify(url)} is no MQTT URL`, {
    fix: `${guess(String(url))}Use mqtt://host:1883, mqtts://…, ws://… or wss://….`,
  });
}

/** Other clients write `tcp://`, `ssl://`, or nothing at all before the host. */
function guess(url: string): string {
  const [, scheme = '', rest] = /^(?:([a-z]+):\/\/)?([\w.[\]:-]+\/?)$/i.exec(url) ?? [];
  const meant = MEANT[scheme.toLowerCase()];
  if (rest === undefined || meant === undefined || !URL.canParse(`${meant}://${rest}`)) return '';
  return `Did you mean ${meant}://${rest}? `;
}

const MEANT: Readonly<Record<string, string>> = { '': 'mqtt', tcp: 'mqtt', ssl: 'mqtts', tls: 'mqtts' };

/** The URL without user name and password, for messages. */
export function plainUrl(url: string): string {
  const target = parseUrl(url);
  target.username = '';
  target.password = '';
  return target.href;
}

async function dialSocket(target: URL, { signal, tls }: DialOptions): Promise<Socket> {
  const secure = target.protocol === 'mqtts:';
  const host = target.hostname.replace(/^\[|\]$/g, '');
  const port = Number(target.port || (secure ? 8883 : 1883));
  const { connect: connectTls } = secure ? await import('node:tls') : {};
  const socket = connectTls ? connectTls({ host, port, servername: isIP(host) ? '' : host, ...tls }) : connectTcp({ host, port });
  try {
    await once(socket, secure ? 'secureConnect' : 'connect', { signal });
  } catch (error) {
    socket.on('error', () => {});
    socket.destroy();
    throw error;
  }
  return socket;
}

async function dialWebSocket(target: URL, { signal, tls }: DialOptions): Promise<Transport> {
  const bare = new URL(target);
  bare.username = '';
  bare.password = '';
  // With all that it loads it takes 14 MB, which a device that speaks MQTT over TCP has no use for.
  const { WebSocket } = await import('ws');
  const ws = new WebSocket(bare, 'mqtt', { perMessageDeflate: false, maxPayload: LONGEST_PACKET, ...tls });
  const upgraded = once(ws, 'upgrade', { signal }) as Promise<[IncomingMessage]>;
  try {
    const [[response]] = await Promise.all([upgraded, once(ws, 'open', { signal })]);
    return webSocketTransport(ws, response.socket, undefined, 'client');
  } catch (error) {
    ws.on('error', () => {});
    ws.terminate();
    throw error;
  }
}
