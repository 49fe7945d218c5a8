import type { IncomingHttpHeaders } from 'node:http';
import type { StartAt } from '../bus/bus.ts';
import { HydrantError } from '../core/errors.ts';
import { parseMoment } from '../core/time-range.ts';
import { assertFilter } from '../wire/topic.ts';
import { readQuery } from './query.ts';

/** What a `GET /events` asks for. */
export interface EventRequest {
  filters: string[];
  startAt: StartAt;
  format: 'sse' | 'ndjson';
  /** At most this many events per second; the rest is counted. SSE only. */
  sample?: number;
}

const MAX_SAMPLE = 1000;

/**
 * Reads the query and headers of `GET /events`. Without `filter` it is everything; `since` is a moment (`15m`, `2026-11-21T10:00Z`) or a
 * sequence, the first one delivered; `Last-Event-ID` goes on behind that sequence and wins over `since`.
 * @throws HYD_FILTER, HYD_USAGE
 */
export function readEventRequest(url: string, headers: IncomingHttpHeaders, nowMs: number): EventRequest {
  const query = readQuery(url, ['filter', 'since', 'format', 'sample'], ['filter']);
  const filters = query.has('filter') ? query.getAll('filter') : ['#'];
  for (const filter of filters) assertFilter(filter);
  const format = readFormat(query.get('format'), headers.accept);
  const request: EventRequest = { filters, startAt: readStart(query.get('since'), headers['last-event-id'], nowMs), format };
  const sample = query.get('sample');
  if (sample !== null) request.sample = readSample(sample, format);
  return request;
}

function readFormat(asked: string | null, accept = ''): 'sse' | 'ndjson' {
  if (asked === null) return accept.includes('text/event-stream') ? 'sse' : 'ndjson';
  if (asked === 'sse' || asked === 'ndjson') return asked;
  throw new HydrantError('HYD_USAGE', `format ${JSON.stringify(asked)} is not sse or ndjson`);
}

function readStart(since: string | null, lastEventId: string | string[] | undefined, nowMs: number): StartAt {
  if (typeof lastEventId === 'string' && /^\d{1,15}$/.test(lastEventId)) return { seq: Number(lastEventId) + 1 };
  if (since === null) return 'live';
  return /^\d{1,15}$/.test(since) ? { seq: Number(since) } : { timeMs: parseMoment(since, { nowMs }) };
}

function readSample(text: string, format: 'sse' | 'ndjson'): number {
  const sample = Number(text);
  if (!/^\d+$/.test(text) || sample < 1 || sample > MAX_SAMPLE) {
    throw new HydrantError('HYD_USAGE', `sample ${JSON.stringify(text)} is not a whole number from 1 to ${MAX_SAMPLE}`);
  }
  if (format !== 'sse')
    throw new HydrantError('HYD_USAGE', 'sample needs format=sse: lines have no place for the count of what was left out');
  return sample;
}
