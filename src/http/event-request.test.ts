import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readEventRequest } from './event-request.ts';

const NOW_MS = Date.parse('2026-11-21T12:00:00Z');
const read = (query: string, headers: Record<string, string> = {}) => readEventRequest(`/events${query}`, headers, NOW_MS);

test('without a query it is everything, live, as NDJSON; a browser’s EventSource gets server-sent events', () => {
  assert.deepEqual(read(''), { filters: ['#'], startAt: 'live', format: 'ndjson' });
  assert.equal(read('', { accept: 'text/event-stream' }).format, 'sse');
  assert.equal(read('?format=ndjson', { accept: 'text/event-stream' }).format, 'ndjson');
});

test('several filters are allowed, a wrong one is named', () => {
  assert.deepEqual(read('?filter=a/%2B&filter=b/%23').filters, ['a/+', 'b/#']);
  assert.throws(() => read('?filter=a%23'), { code: 'HYD_FILTER', message: /"a#"/ });
});

test('since is a duration back, a moment, or the sequence of the first event', () => {
  assert.deepEqual(read('?since=15m').startAt, { timeMs: NOW_MS - 900_000 });
  assert.deepEqual(read('?since=2026-11-21T10:00Z').startAt, { timeMs: NOW_MS - 7_200_000 });
  assert.deepEqual(read('?since=42').startAt, { seq: 42 });
  assert.throws(() => read('?since=soon'), { code: 'HYD_USAGE', message: /"soon"/ });
});

test('Last-Event-ID goes on behind the event that the client saw last', () => {
  assert.deepEqual(read('?since=15m', { 'last-event-id': '41' }).startAt, { seq: 42 });
  assert.equal(read('', { 'last-event-id': 'x' }).startAt, 'live');
});

test('sample is a bounded number, and for server-sent events only', () => {
  assert.equal(read('?sample=50&format=sse').sample, 50);
  for (const query of ['?sample=0&format=sse', '?sample=1001&format=sse', '?sample=x&format=sse', '?sample=5']) {
    assert.throws(() => read(query), { code: 'HYD_USAGE' }, query);
  }
});

test('an unknown parameter is named with the nearest one', () => {
  assert.throws(() => read('?fliter=a'), { code: 'HYD_USAGE', fix: 'Use filter.' });
  assert.throws(() => read('?format=xml'), { code: 'HYD_USAGE', message: /"xml"/ });
});
