import type { IncomingMessage, ServerResponse } from 'node:http';
import { authenticate, type Caller, peerAddress, refusal } from './authentication.ts';
import { type EventRequest, readEventRequest } from './event-request.ts';
import { streamEvents } from './event-stream.ts';
import type { HttpOptions } from './http-server.ts';
import { errorReply } from './reply-error.ts';

interface OpenStream {
  caller: Caller;
  filters: string[];
  /** Filters of topics that are not shown although they were asked for. */
  leftOut: readonly string[];
  end: AbortController;
}

/** Of a timer. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** `GET /events`: the streams that are open, each as long as its reader may read. */
export class EventStreams {
  readonly #options: HttpOptions;
  readonly #open = new Set<OpenStream>();
  #closed = false;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#open.size;
  }

  /** @throws before the head of the answer is sent; afterwards the connection is cut */
  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const asked = readEventRequest(request.url!, request.headers, Date.now());
    const caller = await authenticate(this.#options, request);
    const stream = { caller, filters: asked.filters, leftOut: this.#readLeftOut(caller, asked, request), end: new AbortController() };
    if (this.#closed) stream.end.abort();
    const expiry = this.#endAtExpiry(stream);
    this.#open.add(stream);
    try {
      const { bus, stallMs } = this.#options;
      await streamEvents(bus, asked, response, { signal: stream.end.signal, stallMs, leftOut: () => stream.leftOut });
    } catch (error) {
      if (!response.headersSent) throw error;
      this.#options.log('warn', 'an event stream was cut', { error: errorReply(error).body.error.message });
      response.destroy();
    } finally {
      clearTimeout(expiry);
      this.#open.delete(stream);
    }
  }

  /** Streams show what the rules in force now allow; those of readers who may not read any more end. */
  onAccessChange(): void {
    const { access } = this.#options;
    for (const stream of this.#open) {
      const { identity } = stream.caller;
      const permissions = access.permissions(identity, '');
      const leftOut = access.isCurrent(identity) ? leftOutOf(permissions, stream.filters) : undefined;
      if (leftOut) stream.leftOut = leftOut;
      else stream.end.abort();
    }
  }

  /** Ends all of them in an orderly way. */
  close(): void {
    this.#closed = true;
    for (const { end } of this.#open) end.abort();
  }

  #readLeftOut(caller: Caller, { filters }: EventRequest, request: IncomingMessage): readonly string[] {
    const leftOut = leftOutOf(caller.permissions, filters);
    if (leftOut) return leftOut;
    const filter = filters.find((one) => !caller.permissions.subscription(one))!;
    this.#options.onRefused({ user: caller.identity.user, address: peerAddress(request) }, 'subscribe-not-allowed', filter);
    throw refusal(caller, `read ${filter}`);
  }

  #endAtExpiry({ caller, end }: OpenStream): NodeJS.Timeout | undefined {
    const { expiresAtMs } = caller.identity;
    if (expiresAtMs === undefined) return undefined;
    return setTimeout(() => end.abort(), Math.min(expiresAtMs - Date.now(), MAX_WAIT_MS)).unref();
  }
}

/** Filters of what is not shown of all that was asked for; undefined when one of them may not be read at all. */
function leftOutOf(permissions: Caller['permissions'], filters: string[]): string[] | undefined {
  const leftOut: string[] = [];
  for (const filter of filters) {
    const denied = permissions.subscription(filter);
    if (!denied) return undefined;
    leftOut.push(...denied);
  }
  return leftOut;
}
