import { EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { within } from '../../src/testing/deadline.ts';

const FILES: Record<string, string> = {
  '/browser.html': '../../examples/clients/browser.html',
  '/exchange.html': 'clients/exchange.html',
  '/mqtt.min.js': '../../node_modules/mqtt/dist/mqtt.min.js',
};
const TYPES = { html: 'text/html', js: 'text/javascript' };

/** Added to the example page, which itself knows nothing of a test: each change of what it shows is reported. */
const OBSERVER = `<script type="module">
  const report = (body) => fetch('/report', { method: 'POST', body });
  new MutationObserver(() => report(state.textContent)).observe(state, { childList: true });
  new MutationObserver((changes) => changes.forEach(({ addedNodes }) => addedNodes.forEach((item) => report(
    item.firstChild.textContent + ' ' + item.lastChild.textContent,
  )))).observe(events, { childList: true });
</script>`;

/** Serves the pages of the browser tests and hears what they report. */
export class PageServer implements AsyncDisposable {
  readonly reports: string[] = [];
  readonly origin: string;
  readonly #server: Server;
  readonly #heard = new EventEmitter();

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', async (request, response) => {
      const path = new URL(request.url ?? '/', this.origin).pathname;
      if (path === '/report') {
        const body: string = (await request.setEncoding('utf8').toArray()).join('');
        response.end();
        this.reports.push(body);
        this.#heard.emit('report');
        return;
      }
      const file = FILES[path];
      if (file === undefined) return void response.writeHead(404).end();
      const content = await readFile(fileURLToPath(new URL(file, import.meta.url)), 'utf8');
      const type = TYPES[path.endsWith('.js') ? 'js' : 'html'];
      response.setHeader('content-type', `${type}; charset=utf-8`).end(path === '/browser.html' ? content + OBSERVER : content);
    });
  }

  static async listen(): Promise<PageServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new PageServer(server);
  }

  /** Resolves when a page has reported, or reports, just this. */
  async reported(text: string, timeoutMs = 30_000): Promise<void> {
    const found = async (): Promise<void> => {
      while (!this.reports.includes(text)) await once(this.#heard, 'report');
    };
    await within(found(), timeoutMs, () => `"${text}" from a page; it said:\n${this.reports.join('\n')}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }
}
