import { once } from 'node:events';
import {
  Agent,
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type RequestListener,
  request,
  type ServerResponse,
} from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';

/** What goes wrong with a request. */
export type HttpFault =
  /** It never reaches the server; this is the answer, in S3's form. */
  | { kind: 'answer'; status: number; code?: string; headers?: Record<string, string>; body?: string }
  /** The connection is cut when so many bytes of its body have gone to the server. */
  | { kind: 'cut-request'; afterBytes: number }
  /** The connection is cut when so many bytes of the answer's body have come back. */
  | { kind: 'cut-response'; afterBytes: number }
  /** The server does it, and the answer gets lost with the connection. */
  | { kind: 'lose-answer' }
  /** The server does it, and the answer is changed: its status, headers, or body. */
  | { kind: 'change-answer'; status?: number; headers?: Record<string, string>; body?: string }
  /** Taken, and never answered. */
  | { kind: 'swallow' }
  /** One byte of its body, or of the answer's, is another one. */
  | { kind: 'flip-request' }
  | { kind: 'flip-response' };

interface FaultScope {
  /** Default: any. */
  method?: string;
  /** Searched for in path and query. Default: any. */
  path?: RegExp;
  /** Only where the server answers with this status; for `change-answer`. */
  status?: number;
  /** How many requests it happens to. Default 1. */
  times?: number;
}

export interface BreakingHttp extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`, or `https://localhost:PORT` */
  readonly url: string;
  /** As they came. */
  readonly requests: HttpRequest[];
  /** Lets something go wrong with the next requests of this kind. Those that were told of first are used up first. */
  inject(fault: HttpFault, scope?: FaultScope): Injected;
}

interface HttpRequest {
  method: string;
  /** Path and query. */
  path: string;
  headers: IncomingHttpHeaders;
}

interface Injected {
  /** Requests that it has happened to. */
  readonly hits: number;
  /** Ends it before its time. */
  end(): void;
}

interface Rule {
  fault: HttpFault;
  scope: FaultScope;
  left: number;
  hits: number;
}

/** An HTTP proxy in front of a server. Host and path stay as the client gave them, so its signatures stay good. */
export async function startBreakingHttp(target: string, tls?: { cert: string; key: string }): Promise<BreakingHttp> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const rules: Rule[] = [];
  const requests: HttpRequest[] = [];
  const sockets = new Set<Socket>();
  const listener: RequestListener = (client, reply) => {
    requests.push({ method: client.method!, path: client.url!, headers: client.headers });
    const rule = rules.find(({ scope, left }) => left > 0 && fits(client, scope));
    if (rule && rule.scope.status === undefined) use(rule);
    pass(client, reply, rule);
  };

  function pass(client: IncomingMessage, reply: ServerResponse, rule: Rule | undefined): void {
    const fault = rule?.fault;
    client.on('error', () => {});
    reply.on('error', () => {});
    if (fault?.kind === 'swallow') return void client.resume();
    if (fault?.kind === 'answer') {
      client.resume().once('end', () => {
        reply.writeHead(fault.status, { 'content-type': 'application/xml', ...fault.headers }).end(fault.body ?? errorBody(fault.code));
      });
      return;
    }
    const headers: IncomingHttpHeaders = { ...client.headers };
    delete headers.expect;
    const server = request({ hostname, port, method: client.method, path: client.url, headers, agent });
    server.on('error', () => client.socket.destroy());
    reply.once('close', () => reply.writableFinished || server.destroy());
    server.once('response', (answer) => {
      answer.on('error', () => client.socket.destroy());
      if (fault?.kind === 'lose-answer') return void answer.resume().once('end', () => client.socket.destroy());
      const status = answer.statusCode!;
      if (rule && fault?.kind === 'change-answer' && (rule.scope.status ?? status) === status) {
        if (rule.scope.status !== undefined) use(rule);
        const length = fault.body === undefined ? {} : { 'content-length': String(Buffer.byteLength(fault.body)) };
        reply.writeHead(fault.status ?? status, { ...answer.headers, ...fault.headers, ...length });
        if (fault.body === undefined) answer.pipe(reply);
        else answer.resume().once('end', () => reply.end(fault.body));
        return;
      }
      reply.writeHead(status, answer.headers);
      if (fault?.kind === 'cut-response')
        cutAfter(
          answer,
          fault.afterBytes,
          (chunk) => reply.write(chunk),
          () => client.socket.destroySoon(),
        );
      else if (fault?.kind === 'flip-response') flipInto(answer, reply);
      else answer.pipe(reply);
    });
    if (fault?.kind === 'cut-request') {
      cutAfter(
        client,
        fault.afterBytes,
        (chunk) => server.write(chunk),
        () => {
          server.destroy();
          client.socket.destroy();
        },
      );
    } else if (fault?.kind === 'flip-request') flipInto(client, server);
    else client.pipe(server);
  }

  function use(rule: Rule): void {
    rule.left--;
    rule.hits++;
  }

  const server = tls ? createTlsServer(tls, listener) : createServer(listener);
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `${tls ? 'https://localhost' : 'http://127.0.0.1'}:${(server.address() as AddressInfo).port}`,
    requests,
    inject(fault, scope = {}) {
      const rule: Rule = { fault, scope, left: scope.times ?? 1, hits: 0 };
      rules.push(rule);
      return {
        get hits() {
          return rule.hits;
        },
        end() {
          rule.left = 0;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

function fits(client: IncomingMessage, { method, path }: FaultScope): boolean {
  return (method === undefined || client.method === method) && (path === undefined || path.test(client.url!));
}

function cutAfter(source: IncomingMessage, bytes: number, write: (chunk: Buffer) => void, cut: () => void): void {
  let left = bytes;
  if (left <= 0) return cut();
  source.on('data', (chunk: Buffer) => {
    if (left <= 0) return;
    write(chunk.subarray(0, left));
    left -= chunk.length;
    if (left <= 0) cut();
  });
}

function flipInto(source: IncomingMessage, sink: NodeJS.WritableStream): void {
  let flipped = false;
  source.on('data', (chunk: Buffer) => {
    if (!flipped && chunk.length > 0) chunk[chunk.length >> 1]! ^= 1;
    flipped = true;
    sink.write(chunk);
  });
  source.once('end', () => sink.end());
}

function errorBody(code = 'InternalError'): string {
  return `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>told to</Message><RequestId>r-1</RequestId></Error>`;
}
