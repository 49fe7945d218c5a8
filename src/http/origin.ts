import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { TLSSocket } from 'node:tls';
import { HydrantError } from '../core/errors.ts';

export interface OriginRules {
  /** Only loopback is bound, so only loopback names are answered. */
  loopbackOnly: boolean;
  /** Origins whose pages may use this server besides its own. */
  origins: readonly string[];
}

/**
 * Keeps web pages of other sites out. A request that names an Origin must come from the page this server itself served, or from one that
 * the configuration lists; and while only loopback is bound the Host must be a loopback name too: else a foreign name that resolves to
 * 127.0.0.1 would make any site "same origin".
 * @returns the listed origin that the request comes from, if it does
 * @throws HYD_REFUSED
 */
export function checkOrigin(request: IncomingMessage, { loopbackOnly, origins }: OriginRules): string | undefined {
  const host = request.headers.host ?? '';
  if (loopbackOnly && !isLoopbackHost(host)) {
    throw new HydrantError('HYD_REFUSED', `the Host ${JSON.stringify(host)} is not this machine's loopback`, {
      fix: 'Use http://127.0.0.1 or http://localhost; through a proxy, let it send that Host.',
    });
  }
  const { origin } = request.headers;
  if (origin === undefined || isSameOrigin(origin, host, request.socket instanceof TLSSocket)) return undefined;
  if (origins.includes(origin)) return origin;
  throw new HydrantError('HYD_REFUSED', `a page from ${JSON.stringify(origin)} may not use this server`, {
    fix: "Open the server's own page, list that origin in http.origins, or send the request from a program instead of a web page.",
  });
}

/** Whether a page asks what it may send before it sends it: https://fetch.spec.whatwg.org/#cors-preflight-request */
export function isPreflight({ method, headers }: IncomingMessage): boolean {
  return method === 'OPTIONS' && headers['access-control-request-method'] !== undefined;
}

/** What a page of a listed origin may send. */
export const PREFLIGHT_ANSWER = {
  'access-control-allow-methods': 'GET, POST',
  'access-control-allow-headers':
    'authorization, content-type, last-event-id, hydrant-id, hydrant-qos, hydrant-retain, traceparent, tracestate',
  'access-control-max-age': '600',
};

function isLoopbackHost(host: string): boolean {
  if (!URL.canParse(`http://${host}`)) return false;
  const { hostname } = new URL(`http://${host}`);
  return (
    hostname === 'localhost' ||
    hostname.endsWith('.localhost') ||
    hostname === '[::1]' ||
    (isIP(hostname) === 4 && hostname.startsWith('127.'))
  );
}

function isSameOrigin(origin: string, host: string, encrypted: boolean): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  return (
    (encrypted ? /^https:$/ : /^https?:$/).test(protocol) &&
    URL.canParse(`${protocol}//${host}`) &&
    new URL(`${protocol}//${host}`).host === from
  );
}
