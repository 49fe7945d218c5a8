import type { IncomingMessage, Server } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import type { WebSocket } from 'ws';
import type { Bus } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import { createDoorServer, type DoorOptions } from './door.ts';
import { readEventRequest } from './event-request.ts';
import { streamEvents } from './event-stream.ts';
import { checkOrigin } from './origin.ts';
import { loadPage } from './page.ts';
import { readPublishRequest } from './publish-request.ts';
import { errorReply } from './reply-error.ts';
import { createUpgradeHandler } from './websocket-upgrade.ts';

export interface HttpOptions {
  bus: Bus;
  /** Takes over a websocket that speaks MQTT. */
  acceptWebSocket(socket: WebSocket, request: IncomingMessage): void;
  /** Why the server is not ready for work, in sentences; empty when it is. */
  readiness(): Promise<string[]>;
  /** The metrics in Prometheus' text format. */
  metrics(): Promise<{ contentType: string; text: string }>;
  maxBodyBytes: number;
  /** An event stream whose reader takes nothing for this long is cut, milliseconds. Default 30 000. */
  stallMs?: number;
  log: Log;
}

/** The HTTP side: the same routes on every port that `createDoor` was called for. */
export interface HttpServer {
  /** A server for one more port. The caller lets it listen; `close` closes it. */
  createDoor(options: DoorOptions): Server;
  /** Event streams open now. */
  readonly streams: number;
  /** Ends event streams, lets requests under way finish until the deadline, then cuts them. Twice is fine. */
  close(options: { deadlineMs: number }): Promise<void>;
}

const ROUTES = 'GET /, GET /events, POST /t/{topic}, GET /healthz, GET /readyz, GET /metrics';

/** No route has a JSON schema, so the compilers (ajv and 120 modules more, 8 MB) need not be loaded. */
const NO_COMPILERS = {
  buildValidator: () => () => () => true,
  buildSerializer: () => () => JSON.stringify,
} as unknown as NonNullable<FastifyServerOptions['schemaController']>['compilersFactory'];

export async function openHttpServer(options: HttpOptions): Promise<HttpServer> {
  const onError = (error: unknown, reply: FastifyReply): FastifyReply => {
    const answer = errorReply(error);
    if (answer.status === 500) options.log('error', 'an HTTP request failed', { error: answer.body.error.message });
    return reply.code(answer.status).headers(answer.headers).send(answer.body);
  };
  const app = fastify({
    schemaController: { compilersFactory: NO_COMPILERS },
    bodyLimit: options.maxBodyBytes,
    exposeHeadRoutes: false,
    return503OnClosing: false,
    frameworkErrors: (error, _request, reply) => void onError(error, reply),
  });
  const closing = new AbortController();
  const open = { streams: 0 };
  const fromLoopbackOnly = new WeakSet<IncomingMessage>();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async (request) => checkOrigin(request.raw, fromLoopbackOnly.has(request.raw)));
  app.addHook(
    'onSend',
    async (_request, reply) => void reply.headers({ 'x-content-type-options': 'nosniff', 'cross-origin-resource-policy': 'same-origin' }),
  );
  app.setErrorHandler((error, _request, reply) => onError(error, reply));
  app.setNotFoundHandler((request) => {
    throw new HydrantError('HYD_NOT_FOUND', `there is no ${request.method} ${request.url.split('?', 1)[0]}`, {
      fix: `Use one of: ${ROUTES}.`,
    });
  });
  addHealth(app, options);
  addPublish(app, options.bus);
  addEvents(app, options, closing.signal, open);
  await addPage(app);
  await app.ready();
  const doors: Server[] = [];
  const busy = countRequests();
  const createDoor = (door: DoorOptions): Server => {
    const { loopbackOnly } = door;
    const server = createDoorServer(door, (request, response) => {
      if (loopbackOnly) fromLoopbackOnly.add(request);
      app.routing(request, response);
    });
    const maxMessageBytes = options.maxBodyBytes + 65_536;
    server.on('upgrade', createUpgradeHandler({ loopbackOnly, maxMessageBytes, accept: options.acceptWebSocket }));
    server.on('clientError', (error, socket) => app.server.emit('clientError', error, socket));
    busy.watch(server);
    doors.push(server);
    return server;
  };
  return {
    createDoor,
    get streams() {
      return open.streams;
    },
    async close({ deadlineMs }) {
      closing.abort();
      for (const door of doors) door.close();
      await busy.idle(deadlineMs);
      for (const door of doors) door.closeAllConnections();
      await app.close();
    },
  };
}

/** Counts requests under way. Websockets are not among them: they belong to whoever accepted them. */
function countRequests(): { watch(server: Server): void; idle(timeoutMs: number): Promise<void> } {
  let underWay = 0;
  let onIdle: (() => void) | undefined;
  return {
    watch(server) {
      server.on('request', (_request, response) => {
        underWay++;
        response.once('close', () => {
          if (--underWay === 0) onIdle?.();
        });
      });
    },
    async idle(timeoutMs) {
      if (underWay === 0) return;
      const timer = setTimeout(() => onIdle?.(), timeoutMs);
      await new Promise<void>((resolve) => {
        onIdle = resolve;
      });
      clearTimeout(timer);
    },
  };
}

function addHealth(app: FastifyInstance, options: HttpOptions): void {
  app.get('/healthz', async () => ({ status: 'ok' }));
  app.get('/readyz', async (_request, reply) => {
    const reasons = await options.readiness();
    if (reasons.length === 0) return { status: 'ready' };
    return reply.code(503).header('retry-after', '5').send({ status: 'not ready', reasons });
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, text } = await options.metrics();
    return reply.type(contentType).send(text);
  });
}

function addPublish(app: FastifyInstance, bus: Bus): void {
  const sentTypes = new WeakMap<IncomingMessage, string>();
  // The framework refuses a content type that is none; here it is a label like any other.
  const onRequest = async ({ raw }: FastifyRequest): Promise<void> => {
    sentTypes.set(raw, raw.headers['content-type'] ?? '');
    raw.headers['content-type'] = 'application/octet-stream';
  };
  app.post('/t/*', { onRequest }, async ({ raw, body }) => {
    const headers = { ...raw.headers, 'content-type': sentTypes.get(raw) };
    const event = readPublishRequest(raw.url!, headers, (body as Buffer | undefined) ?? Buffer.alloc(0));
    const { id, seq } = await bus.publish(event);
    return { id, seq, topic: event.topic };
  });
}

function addEvents(app: FastifyInstance, options: HttpOptions, signal: AbortSignal, open: { streams: number }): void {
  app.get('/events', async (request, reply: FastifyReply) => {
    const asked = readEventRequest(request.raw.url!, request.headers, Date.now());
    const { raw } = reply;
    open.streams++;
    try {
      await streamEvents(options.bus, asked, raw, { signal, stallMs: options.stallMs });
      reply.hijack();
    } catch (error) {
      if (!raw.headersSent) throw error;
      options.log('warn', 'an event stream was cut', { error: errorReply(error).body.error.message });
      raw.destroy();
      reply.hijack();
    } finally {
      open.streams--;
    }
  });
}

async function addPage(app: FastifyInstance): Promise<void> {
  for (const { path, headers, body } of await loadPage()) app.get(path, async (_request, reply) => reply.headers(headers).send(body));
}
