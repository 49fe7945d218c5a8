import type { IncomingMessage, Server } from 'node:http';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { Event } from '../wire/event.ts';
import { http } from './node-http.ts';
import { checkOrigin } from './origin.ts';
import { readPublishRequest } from './publish-request.ts';
import { errorReply } from './reply-error.ts';

export interface OutboxServerOptions {
  /** Resolves with the id once the event is on disk. @throws HYD_OUTBOX_FULL, HYD_OUTBOX, HYD_TOO_LARGE, HYD_CLOSED */
  store(event: Event): Promise<string>;
  status(): object;
  /** In Prometheus' text format. */
  metrics(): Promise<{ contentType: string; text: string }>;
  /** It is reached over the network of this machine, not over a socket file: only loopback names are answered. */
  loopbackOnly: boolean;
  maxBodyBytes: number;
  log: Log;
}

interface Answer {
  status: number;
  headers?: Record<string, string>;
  body: object | string;
}

const PUBLISH = '/t/';
const ROUTES = 'POST /t/{topic}, GET /status, GET /metrics, GET /healthz';

/** An outbox for local programs: `POST /t/{topic}` as a server has it, answered with 202 once the event is on disk here. Not listening yet. */
export function createOutboxServer(options: OutboxServerOptions): Server {
  const { loopbackOnly, log } = options;
  return http.createServer((request, response) => {
    const send = ({ status, headers, body }: Answer): void => {
      const [contentType, text] =
        typeof body === 'string' ? ['text/plain', body] : ['application/json; charset=utf-8', JSON.stringify(body)];
      response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff', ...headers }).end(text);
    };
    const serve = async (): Promise<Answer> => {
      checkOrigin(request, { loopbackOnly, origins: [] });
      return answer(request, options);
    };
    void serve().then(send, (error: unknown) => {
      const { status, headers, body } = errorReply(error);
      if (status === 500) log('error', 'an HTTP request failed', { error: body.error.message });
      // What was not read of a body is in the way of the next request.
      send({ status, headers: request.complete ? headers : { ...headers, connection: 'close' }, body });
      request.resume();
    });
  });
}

async function answer(request: IncomingMessage, { store, status, metrics, maxBodyBytes }: OutboxServerOptions): Promise<Answer> {
  const { method, url = '' } = request;
  const path = url.split('?', 1)[0]!;
  if (method === 'POST' && path.startsWith(PUBLISH)) {
    const event = readPublishRequest(url, request.headers, await readBody(request, maxBodyBytes));
    return { status: 202, body: { id: await store(event), topic: event.topic } };
  }
  if (method === 'GET' && path === '/status') return { status: 200, body: status() };
  if (method === 'GET' && path === '/healthz') return { status: 200, body: { status: 'ok' } };
  if (method === 'GET' && path === '/metrics') {
    const { contentType, text } = await metrics();
    return { status: 200, headers: { 'content-type': contentType }, body: text };
  }
  throw new HydrantError('HYD_NOT_FOUND', `there is no ${method} ${path}`, { fix: `Use one of: ${ROUTES}.` });
}

/** @throws HYD_TOO_LARGE, before the rest is read */
async function readBody(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  const isTooLarge = (): boolean => Math.max(bytes, Number(request.headers['content-length'] ?? 0)) > maxBytes;
  if (!isTooLarge())
    await new Promise<void>((resolve, reject) => {
      request.on('data', (chunk: Buffer) => {
        if (isTooLarge()) return;
        bytes += chunk.length;
        chunks.push(chunk);
        if (isTooLarge()) resolve();
      });
      request.once('end', resolve).once('error', reject);
    });
  if (!isTooLarge()) return Buffer.concat(chunks);
  throw new HydrantError('HYD_TOO_LARGE', `the body is larger than ${maxBytes} bytes`, {
    fix: 'Send less at once, or allow more with --max-body.',
  });
}
