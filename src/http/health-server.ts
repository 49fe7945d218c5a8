import type { Server } from 'node:http';
import { http } from './node-http.ts';

export interface HealthOptions {
  /** Why the process does not do its work now, in sentences; empty when it does. */
  readiness(): Promise<string[]>;
  /** What somebody should know although it does. */
  notes(): string[];
  /** In Prometheus' text format. */
  metrics(): Promise<{ contentType: string; text: string }>;
}

interface Answer {
  status: number;
  contentType: string;
  text: string;
}

/** `GET /healthz`, `/readyz` and `/metrics`, and nothing else, for a process without an HTTP API. Not listening yet; nobody is asked who they are. */
export function createHealthServer(options: HealthOptions): Server {
  return http.createServer((request, response) => {
    request.resume();
    void answer(request.method ?? '', request.url ?? '', options)
      .catch((): Answer => json(500, { error: 'the answer could not be made' }))
      .then(({ status, contentType, text }) =>
        response.writeHead(status, { 'content-type': contentType, 'x-content-type-options': 'nosniff' }).end(text),
      );
  });
}

async function answer(method: string, url: string, { readiness, notes, metrics }: HealthOptions): Promise<Answer> {
  const path = method === 'GET' ? url.split('?', 1)[0] : '';
  if (path === '/healthz') return json(200, { status: 'ok' });
  if (path === '/metrics') return { status: 200, ...(await metrics()) };
  if (path !== '/readyz') return json(404, { error: 'Use GET /healthz, GET /readyz or GET /metrics.' });
  const reasons = await readiness();
  const noted = notes().length > 0 ? { notes: notes() } : {};
  return reasons.length === 0 ? json(200, { status: 'ready', ...noted }) : json(503, { status: 'not ready', reasons, ...noted });
}

function json(status: number, value: object): Answer {
  return { status, contentType: 'application/json; charset=utf-8', text: JSON.stringify(value) };
}
