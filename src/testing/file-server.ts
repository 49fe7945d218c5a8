import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What is at a path: bytes, or whatever a test answers. */
export type ServedFile = string | Uint8Array | ((request: IncomingMessage, response: ServerResponse) => void);

export interface FileServer extends AsyncDisposable {
  readonly url: string;
  /** By path; change it at any time. */
  readonly files: Map<string, ServedFile>;
  /** Paths with queries, in the order in which they were asked for. */
  readonly asked: string[];
}

/** A web server of files in memory: 404 for what it does not have. */
export async function startFileServer(files: Record<string, ServedFile> = {}): Promise<FileServer> {
  const served = new Map(Object.entries(files));
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url!);
    const file = served.get(new URL(request.url!, 'http://x').pathname);
    if (typeof file === 'function') file(request, response);
    else response.writeHead(file === undefined ? 404 : 200).end(file);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: served,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
