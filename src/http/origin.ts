import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { HydrantError } from '../core/errors.ts';

/**
 * Keeps web pages of other sites out. A request that names an Origin must come from the page this server itself served,
 * and while only loopback is bound the Host must be a loopback name too: else a foreign name that resolves to 127.0.0.1
 * would make any site "same origin".
 * @throws HYD_REFUSED
 */
export function checkOrigin(request: IncomingMessage, loopbackOnly: boolean): void {
  const host = request.headers.host ?? '';
  if (loopbackOnly && !isLoopbackHost(host)) {
    throw new HydrantError('HYD_REFUSED', `the Host ${JSON.stringify(host)} is not this machine's loopback`, {
      fix: 'Use http://127.0.0.1 or http://localhost; through a proxy, let it send that Host.',
    });
  }
  const origin = request.headers.origin;
  if (origin !== undefined && !isSameOrigin(origin, host)) {
    throw new HydrantError('HYD_REFUSED', `a page from ${JSON.stringify(origin)} may not use this server`, {
      fix: "Open the server's own page, or send the request from a program instead of a web page.",
    });
  }
}

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

function isSameOrigin(origin: string, host: string): boolean {
  if (!URL.canParse(origin)) return false;
  const { protocol, host: from } = new URL(origin);
  return /^https?:$/.test(protocol) && URL.canParse(`${protocol}//${host}`) && new URL(`${protocol}//${host}`).host === from;
}
