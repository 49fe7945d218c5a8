import type { IncomingMessage, Server } from 'node:http';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyServerOptions } from 'fastify';
import type { WebSocket } from 'ws';
import type { Access } from '../access/access.ts';
import { isLoopbackAddress } from '../access/attempts.ts';
import type { ClientTable } from '../broker/client-table.ts';
import type { Bus } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import type { Log } from '../core/log.ts';
import type { ShownCredentials } from '../mqtt/transport.ts';
import { authenticate, peerAddress, refusal } from './authentication.ts';
import { addClients } from './clients-route.ts';
import { createDoorServer, type DoorOptions } from './door.ts';
import { EventStreams } from './event-streams.ts';
import { checkOrigin, isPreflight, PREFLIGHT_ANSWER } from './origin.ts';
import { loadPage } from './page.ts';
import { addPublish } from './publish-route.ts';
import { errorReply } from './reply-error.ts';
import { createUpgradeHandler } from './websocket-upgrade.ts';

export interface HttpOptions {
  bus: Bus;
  access: Access;
  clients: ClientTable;
  /** Whoever shows this is an operator. */
  operatorToken: string;
  /** Origins whose pages may use this server besides its own. Asked for each request. */
  origins(): readonly string[];
  /** Somebody was refused: who it was, what it is counted under, and what it was about. */
  onRefused(caller: { user: string; address: string }, reason: string, what: string): void;
  /** Takes over a websocket that speaks MQTT. @param shown what came with the request, for a CONNECT that shows nothing */
  acceptWebSocket(socket: WebSocket, request: IncomingMessage, shown: ShownCredentials): void;
  /** Why the server is not ready for work, in sentences; empty when it is. */
  readiness(): Promise<string[]>;
  /** What somebody should know although the server does its work, in sentences. */
  notes?(): string[];
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
  /** Other rules count: event streams show what they allow now, or end. */
  onAccessChange(): void;
  /** Ends event streams, lets requests under way finish until the deadline, then cuts them. Twice is fine. */
  close(options: { deadlineMs: number }): Promise<void>;
}

const ROUTES = 'GET /, GET /events, POST /t/{topic}, GET /clients, GET or DELETE /clients/{id}, GET /healthz, GET /readyz, GET /metrics';

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
  const streams = new EventStreams(options);
  const fromLoopbackOnly = new WeakSet<IncomingMessage>();
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body));
  app.addHook('onRequest', async ({ raw }, reply) => {
    const origin = checkOrigin(raw, { loopbackOnly: fromLoopbackOnly.has(raw), origins: options.origins() });
    if (origin === undefined) return undefined;
    reply.raw.setHeader('access-control-allow-origin', origin).setHeader('vary', 'origin');
    return isPreflight(raw) ? reply.code(204).headers(PREFLIGHT_ANSWER).send() : undefined;
  });
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
  addPublish(app, options);
  addClients(app, options);
  app.get('/events', async ({ raw }, reply) => {
    await streams.serve(raw, reply.raw);
    reply.hijack();
  });
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
    const { origins, acceptWebSocket: accept } = options;
    server.on('upgrade', createUpgradeHandler({ loopbackOnly, origins, maxMessageBytes, accept }));
    server.on('clientError', (error, socket) => app.server.emit('clientError', error, socket));
    busy.watch(server);
    doors.push(server);
    return server;
  };
  return {
    createDoor,
    get streams() {
      return streams.size;
    },
    onAccessChange: () => streams.onAccessChange(),
    async close({ deadlineMs }) {
      streams.close();
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
    const notes = options.notes?.() ?? [];
    const noted = notes.length > 0 ? { notes } : {};
    if (reasons.length === 0) return { status: 'ready', ...noted };
    return reply
      .code(503)
      .header('retry-after', '5')
      .send({ status: 'not ready', reasons, ...noted });
  });
  app.get('/metrics', async ({ raw }, reply) => {
    if (!isLoopbackAddress(peerAddress(raw))) {
      const caller = await authenticate(options, raw);
      if (!caller.permissions.subscription('$SYS/#')) throw refusal(caller, 'read the metrics: it takes the right to read $SYS/#');
    }
    const { contentType, text } = await options.metrics();
    return reply.type(contentType).send(text);
  });
}

async function addPage(app: FastifyInstance): Promise<void> {
  for (const { path, headers, body } of await loadPage()) app.get(path, async (_request, reply) => reply.headers(headers).send(body));
}
