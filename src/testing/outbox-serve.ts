import { request } from 'node:http';
import { text } from 'node:stream/consumers';
import { Child } from './child.ts';
import { HYDRANT_BIN } from './hydrant-server.ts';
import { type LogEntry, parseReady, RunningHydrant } from './running-hydrant.ts';

export interface HttpAnswer {
  status: number;
  headers: NodeJS.Dict<string | string[]>;
  text: string;
}

/** A running `hydrant outbox serve`. */
export class OutboxServe extends RunningHydrant {
  readonly ready: LogEntry;

  constructor(child: Child, ready: LogEntry) {
    super(child);
    this.ready = ready;
  }

  post(topic: string, payload: string | Buffer, headers: Record<string, string> = {}): Promise<HttpAnswer> {
    return askAt(String(this.ready.listen), 'POST', `/t/${topic}`, { payload, headers });
  }

  get(path: string): Promise<HttpAnswer> {
    return askAt(String(this.ready.listen), 'GET', path);
  }
}

/** Starts `hydrant outbox serve` and resolves when it says that it is ready. */
export async function startOutboxServe(
  outbox: string,
  url: string,
  args: readonly string[] = [],
  env?: Record<string, string>,
): Promise<OutboxServe> {
  const child = new Child(HYDRANT_BIN, ['outbox', 'serve', '--outbox', outbox, '--url', url, ...args], { env });
  try {
    const ready = await child.line(parseReady, 20_000, 'its ready line');
    return new OutboxServe(child, ready);
  } catch (error) {
    await child[Symbol.asyncDispose]();
    throw error;
  }
}

/** One request on a connection of its own. @param listen `unix:PATH` or `http://HOST:PORT` */
export function askAt(
  listen: string,
  method: string,
  path: string,
  { payload, headers }: { payload?: string | Buffer; headers?: Record<string, string> } = {},
): Promise<HttpAnswer> {
  const at = listen.startsWith('unix:')
    ? { socketPath: listen.slice(5), host: 'localhost' }
    : { host: new URL(listen).hostname, port: new URL(listen).port };
  return new Promise((resolve, reject) => {
    request({ ...at, method, path, headers, agent: false }, (response) => {
      text(response).then((body) => resolve({ status: response.statusCode!, headers: response.headers, text: body }), reject);
    })
      .on('error', reject)
      .end(payload);
  });
}
