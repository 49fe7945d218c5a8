import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Bus, Subscription } from '../bus/bus.ts';
import { formatLine } from '../wire/line-text.ts';
import { matchFilter } from '../wire/topic.ts';
import type { EventRequest } from './event-request.ts';
import { createSampler } from './sampler.ts';

export interface EventStreamOptions {
  /** Ends the stream in an orderly way: the server is closing. */
  signal: AbortSignal;
  /** A reader that takes nothing for this long is cut off. Default 30 000. */
  stallMs?: number;
  /** Comments that keep proxies from closing a quiet event stream. Default 15 000. */
  heartbeatMs?: number;
  /** Filters of topics that this reader is not shown. Asked for each batch. */
  leftOut(): readonly string[];
}

const MAX_IN_FLIGHT = 1000;

/**
 * Answers with events until the client goes, the server closes, or the client takes nothing for too long. Each event is the archive's own
 * line: one line of NDJSON, or the data of a server-sent event whose id is the sequence. The reader's pace is the subscription's: nothing is
 * acknowledged to the bus before the socket took it.
 * The head is sent once the subscription stands.
 */
export async function streamEvents(bus: Bus, request: EventRequest, response: ServerResponse, options: EventStreamOptions): Promise<void> {
  const gone = new AbortController();
  response.once('close', () => gone.abort());
  const signal = AbortSignal.any([options.signal, gone.signal]);
  await using subscription = await bus.subscribe(request.filters, { maxInFlight: MAX_IN_FLIGHT, startAt: request.startAt });
  if (signal.aborted) return void response.destroy();
  const stop = () => void subscription.close();
  signal.addEventListener('abort', stop, { once: true });
  const sse = request.format === 'sse';
  response.writeHead(200, {
    'content-type': sse ? 'text/event-stream' : 'application/x-ndjson',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
    'x-content-type-options': 'nosniff',
  });
  response.flushHeaders();
  using timer = sse ? everySoOften(() => response.write(':\n\n'), options.heartbeatMs ?? 15_000) : undefined;
  void timer;
  try {
    await pump(subscription, request, response, { ...options, signal });
    if (!response.destroyed) response.end();
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

async function pump(
  subscription: Subscription,
  request: EventRequest,
  response: ServerResponse,
  { stallMs = 30_000, signal, leftOut }: EventStreamOptions,
): Promise<void> {
  const sse = request.format === 'sse';
  using sampler = request.sample
    ? createSampler(request.sample, (count) => response.write(`event: rate\ndata: ${JSON.stringify(count)}\n\n`))
    : undefined;
  for await (const batch of subscription) {
    let text = '';
    const hidden = leftOut();
    for (const { event } of batch) {
      if (hidden.some((filter) => matchFilter(filter, event.topic))) continue;
      if (sampler && !sampler.take()) continue;
      const line = formatLine(event);
      text += sse ? `${event.seq > 0 ? `id: ${event.seq}\n` : ''}data: ${line}\n\n` : `${line}\n`;
    }
    if (text !== '' && !response.write(text) && !(await drained(response, stallMs, signal))) return void response.destroy();
    for (const delivery of batch) delivery.ack();
  }
}

/** Whether the socket took what was written before the deadline. */
async function drained(response: ServerResponse, stallMs: number, signal: AbortSignal): Promise<boolean> {
  try {
    await once(response, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(stallMs)]) });
    return true;
  } catch {
    return false;
  }
}

function everySoOften(action: () => void, ms: number): Disposable {
  const timer = setInterval(action, ms);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}
